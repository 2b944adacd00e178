// Package protocol holds the words that the protocol endpoints share: OAuth's
// errors, and the strict reading of requests that stands in front of every
// library.
package protocol

import (
	"net/http"
	"slices"
)

// ACRPassword is the authentication context of a sign-in by password alone
// (OpenID Connect Core 1.0, section 2).
const ACRPassword = "urn:countersign:acr:pwd"

// ACRMulti is the authentication context of a sign-in by two factors, or by a
// passkey whose authenticator verified its user.
const ACRMulti = "urn:countersign:acr:mfa"

// ACRValues are the authentication contexts there are.
var ACRValues = []string{ACRPassword, ACRMulti}

// MeetsACR reports whether a sign-in of the authentication context meets one
// of those asked for: by two factors is by password, and more.
func MeetsACR(context string, asked []string) bool {
	return slices.Contains(asked, context) || context == ACRMulti && slices.Contains(asked, ACRPassword)
}

// Code is an error code of OAuth 2.0, OpenID Connect or their extensions.
type Code string

// The error codes, by where they come from.
const (
	// RFC 6749, sections 4.1.2.1 and 5.2.
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	UnsupportedResponseType Code = "unsupported_response_type"
	InvalidScope            Code = "invalid_scope"
	AccessDenied            Code = "access_denied"
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
	// OpenID Connect Core 1.0, section 3.1.2.6.
	InteractionRequired      Code = "interaction_required"
	LoginRequired            Code = "login_required"
	AccountSelectionRequired Code = "account_selection_required"
	ConsentRequired          Code = "consent_required"
	RequestNotSupported      Code = "request_not_supported"
	RequestURINotSupported   Code = "request_uri_not_supported"
	RegistrationNotSupported Code = "registration_not_supported"
	// OpenID Connect Core Error Code unmet_authentication_requirements 1.0.
	UnmetAuthenticationRequirements Code = "unmet_authentication_requirements"
	// RFC 9101, section 7.
	InvalidRequestURI    Code = "invalid_request_uri"
	InvalidRequestObject Code = "invalid_request_object"
	// RFC 6750, section 3.1.
	InvalidToken      Code = "invalid_token"
	InsufficientScope Code = "insufficient_scope"
	// RFC 8628, section 3.5.
	AuthorizationPending Code = "authorization_pending"
	SlowDown             Code = "slow_down"
	ExpiredToken         Code = "expired_token"
	// RFC 8693, section 2.2.2.
	InvalidTarget Code = "invalid_target"
	// RFC 7591, section 3.2.2.
	InvalidRedirectURI          Code = "invalid_redirect_uri"
	InvalidClientMetadata       Code = "invalid_client_metadata"
	InvalidSoftwareStatement    Code = "invalid_software_statement"
	UnapprovedSoftwareStatement Code = "unapproved_software_statement"
	// RFC 7009, section 2.2.1.
	UnsupportedTokenType Code = "unsupported_token_type"
)

// Error is an error that a client is told. Its description says the cause and
// the remedy in the characters that RFC 6749 allows.
type Error struct {
	Code        Code
	Description string
	// Status is the HTTP status of the error as JSON; 0 means 400.
	Status int
	// RetryAfter is in seconds; 0 leaves the header out.
	RetryAfter int
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Description }

// Refuse builds an error with status 400.
func Refuse(code Code, description string) *Error {
	return &Error{Code: code, Description: description, Status: http.StatusBadRequest}
}

// Unavailable is the answer to a failing database: try again, nothing was
// decided about the client, the token or the person.
func Unavailable() *Error {
	return &Error{
		Code: TemporarilyUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: 1,
		Description: "The server cannot reach its database. Nothing was decided; repeat the request.",
	}
}
