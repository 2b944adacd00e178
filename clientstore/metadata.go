package clientstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/storage/locale"
)

// Metadata is what a client registers (RFC 7591, section 2; OpenID Connect
// Dynamic Client Registration 1.0, section 2), its name apart, and the members
// that are Countersign's own.
type Metadata struct {
	RedirectURIs            []string `json:"redirect_uris,omitempty"`
	GrantTypes              []string `json:"grant_types,omitempty"`
	ResponseTypes           []string `json:"response_types,omitempty"`
	Scope                   string   `json:"scope,omitempty"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method,omitempty"`
	ApplicationType         string   `json:"application_type,omitempty"`
	ClientURI               string   `json:"client_uri,omitempty"`
	LogoURI                 string   `json:"logo_uri,omitempty"`
	PolicyURI               string   `json:"policy_uri,omitempty"`
	TosURI                  string   `json:"tos_uri,omitempty"`
	Contacts                []string `json:"contacts,omitempty"`
	SoftwareID              string   `json:"software_id,omitempty"`
	SoftwareVersion         string   `json:"software_version,omitempty"`

	// SubjectType says what people are called towards the client: the same as
	// towards others (public, and what an empty one means) or as towards its
	// sector only (pairwise). See [Client.Sector].
	SubjectType         string `json:"subject_type,omitempty"`
	SectorIdentifierURI string `json:"sector_identifier_uri,omitempty"`

	IDTokenSignedResponseAlg     string `json:"id_token_signed_response_alg,omitempty"`
	IDTokenEncryptedResponseAlg  string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncryptedResponseEnc  string `json:"id_token_encrypted_response_enc,omitempty"`
	UserinfoSignedResponseAlg    string `json:"userinfo_signed_response_alg,omitempty"`
	UserinfoEncryptedResponseAlg string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserinfoEncryptedResponseEnc string `json:"userinfo_encrypted_response_enc,omitempty"`

	DefaultMaxAge   *int64 `json:"default_max_age,omitempty"` // seconds
	RequireAuthTime bool   `json:"require_auth_time,omitempty"`
	// InitiateLoginURI is where somebody else may send a person to sign in to
	// the client (OpenID Connect Core 1.0, section 4).
	InitiateLoginURI string `json:"initiate_login_uri,omitempty"`

	// PostLogoutRedirectURIs are where a person may be sent after signing out
	// (OpenID Connect RP-Initiated Logout 1.0, section 3.1).
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// BackchannelLogoutURI is where logout tokens go (OpenID Connect
	// Back-Channel Logout 1.0, section 2.2). All of them have a sid.
	BackchannelLogoutURI             string `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSessionRequired bool   `json:"backchannel_logout_session_required,omitempty"`
	// FrontchannelLogoutURI is a page of the client that the page of a sign-out
	// embeds (OpenID Connect Front-Channel Logout 1.0, section 2). It is always
	// told the session.
	FrontchannelLogoutURI             string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSessionRequired bool   `json:"frontchannel_logout_session_required,omitempty"`
	// What the client signs with: its assertions and its request objects.
	TokenEndpointAuthSigningAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS                        json.RawMessage `json:"jwks,omitempty"` // public keys only
	JWKSURI                     string          `json:"jwks_uri,omitempty"`
	RequestObjectSigningAlg     string          `json:"request_object_signing_alg,omitempty"`
	RequestObjectEncryptionAlg  string          `json:"request_object_encryption_alg,omitempty"`
	RequestObjectEncryptionEnc  string          `json:"request_object_encryption_enc,omitempty"`
	RequestURIs                 []string        `json:"request_uris,omitempty"`
	RequireSignedRequestObject  bool            `json:"require_signed_request_object,omitempty"`
	// RequirePushedAuthorizationRequests lets the client begin at no other
	// endpoint than that of RFC 9126.
	RequirePushedAuthorizationRequests bool `json:"require_pushed_authorization_requests,omitempty"`

	// ClientAssertionAudience says what the client's assertions must name: the
	// issuer and nothing else (FAPI 2.0 Security Profile, section 5.3.2.1), or
	// the endpoint as well (OpenID Connect Core 1.0, section 9), which is the
	// default unless the policy is strict.
	ClientAssertionAudience string `json:"client_assertion_audience,omitempty"`
	// IntrospectionScope says which tokens the client may introspect: its own
	// (the default), those whose audience names it, or all.
	IntrospectionScope string `json:"introspection_scope,omitempty"`
	// AccessTokenFormat is how access tokens are written: opaque (the default),
	// or as a JSON Web Token that a resource server can read (RFC 9068).
	AccessTokenFormat string `json:"access_token_format,omitempty"`
	// AccessTokenSignedResponseAlg is what JSON Web Tokens for access are signed
	// with; ES256 where it is empty.
	AccessTokenSignedResponseAlg string `json:"access_token_signed_response_alg,omitempty"`
	// OAuth1Clients are the keys of the clients of OAuth 1.0a whose token
	// credentials the client may exchange for access tokens of its own (RFC
	// 8693).
	OAuth1Clients []string `json:"oauth1_clients,omitempty"`
	// RefreshTokenRotation off lets a confidential client keep its refresh
	// token (FAPI 2.0 Security Profile, section 5.3.2.1).
	RefreshTokenRotation *bool `json:"refresh_token_rotation,omitempty"`

	// OAuth1SignatureMethods are the signature methods that a client of OAuth
	// 1.0a may use (RFC 5849, section 3.4).
	OAuth1SignatureMethods []string `json:"oauth1_signature_methods,omitempty"`
	// OAuth1PublicKey is the RSA key, in PEM, of one that signs with a private
	// key and has no secret.
	OAuth1PublicKey string `json:"oauth1_public_key,omitempty"`
	// OAuth1Trusted spares people the question whether a client of OAuth 1.0a
	// may act for them. They still sign in, and one whose answer a person has to
	// carry is asked about all the same. An administrator's to give.
	OAuth1Trusted bool `json:"oauth1_trusted,omitempty"`
	// OAuth1FunctionalAccount is the account, by its identifier, that the
	// client's requests without a token act as (two-legged requests). An
	// administrator's to give.
	OAuth1FunctionalAccount string `json:"oauth1_functional_account,omitempty"`
	// OAuth1WithoutVerifier lets the client speak OAuth Core 1.0 as it was
	// before its revision A: without a verifier, and with the callback named by
	// whoever opens the authorization page. An administrator's to give.
	OAuth1WithoutVerifier bool `json:"oauth1_without_verifier,omitempty"`
}

// The client authentication methods (RFC 7591, section 2).
const (
	AuthNone          = "none"
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	AuthSecretJWT     = "client_secret_jwt"
	AuthPrivateKeyJWT = "private_key_jwt"
)

// The application types (OpenID Connect Dynamic Client Registration 1.0,
// section 2). A native one may use a loopback redirect URI on any port.
const (
	Web    = "web"
	Native = "native"
)

// The formats of access tokens.
const (
	FormatOpaque = "opaque"
	FormatJWT    = "jwt"
)

// What an assertion may name as its audience.
const (
	AudienceIssuer   = "issuer"
	AudienceEndpoint = "endpoint"
)

// What a client may introspect.
const (
	IntrospectOwn      = "own"
	IntrospectAudience = "audience"
	IntrospectAll      = "all"
)

// MetadataError reports a member of a registration that is not acceptable
// (RFC 7591, section 3.2.2), in a sentence for the person who wrote it.
type MetadataError struct {
	Field  string // the RFC 7591 member name
	Reason locale.Message
}

func (e *MetadataError) Error() string { return e.Field + ": " + e.Reason.String() }

func refuse(field string, format locale.Message, args ...any) error {
	return &MetadataError{Field: field, Reason: locale.Sprintf(format, args...)}
}

// Limits that keep a registration readable and its record small.
const (
	maxName     = 200 // characters
	maxText     = 255 // characters
	maxContacts = 20
	shownValue  = 100 // bytes of a refused value that a message repeats
)

// quoted repeats a refused value in a message: in ASCII, escaped and no longer
// than a line.
func quoted(value string) string {
	if len(value) > shownValue {
		return strconv.QuoteToASCII(value[:shownValue]) + "…"
	}
	return strconv.QuoteToASCII(value)
}

// complete fills in what the metadata leaves to the server, brings lists into
// their normal form and reports the first member that is not acceptable. It
// changes nothing in what it completed before.
func (c *Client) complete(p Policy) error {
	c.Name = strings.TrimSpace(c.Name)
	for _, check := range []func(Policy) error{
		c.checkName, c.completeFlow, c.completeOAuth1, c.completeAuthentication, c.completeRedirectURIs,
		c.completeScope, c.completeOpenID, c.completeKeys, c.checkAssertions, c.completeEncryption, c.checkSubjectType, c.checkBearer, c.completeLogout, c.checkAbout, c.checkTokens, c.checkKept,
	} {
		if err := check(p); err != nil {
			return err
		}
	}
	c.ConsentDigest = c.consentDigest()
	return nil
}

func (c *Client) checkName(Policy) error {
	if c.Name == "" {
		return refuse("client_name", "is required: resource owners are asked to trust the client by this name")
	}
	return checkText("client_name", c.Name, maxName)
}

// checkText refuses text that a page or a terminal would not show as it is:
// control characters, invisible ones and those that turn the direction of
// writing. Joiners stay, because some scripts do not spell without them.
func checkText(field, text string, limit int) error {
	if !utf8.ValidString(text) {
		return refuse(field, "%s is not UTF-8", quoted(text))
	}
	if n := utf8.RuneCountInString(text); n > limit {
		return refuse(field, "has %d characters; %d are allowed", n, limit)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d' {
			return refuse(field, "%s contains the character %s, which cannot be shown; remove it", quoted(text), fmt.Sprintf("%U", r))
		}
	}
	return nil
}

// checkKept refuses a NUL wherever in the metadata it is: PostgreSQL keeps the
// JSON that escapes one, and then refuses to read any member of it. The checks
// of the members leave none, and this one is for the member that is forgotten.
func (c *Client) checkKept(Policy) error {
	metadata := reflect.ValueOf(c.Metadata)
	for i := range metadata.NumField() {
		encoded, err := column(metadata.Field(i).Interface())
		if err != nil {
			return err
		}
		if escapesNUL(encoded) {
			return refuse(memberName(metadata.Type().Field(i)), "%s contains the character %s, which cannot be shown; remove it", quoted(encoded), "U+0000")
		}
	}
	return nil
}

// escapesNUL reports whether a text of the JSON has a NUL. An escaped backslash
// begins no escape of its own.
func escapesNUL(encoded string) bool {
	return strings.Contains(strings.ReplaceAll(encoded, `\\`, ""), `\u0000`)
}

// checkAbout checks what the client tells people about itself.
func (c *Client) checkAbout(Policy) error {
	m := &c.Metadata
	for _, member := range []struct{ field, uri string }{
		{"client_uri", m.ClientURI}, {"logo_uri", m.LogoURI}, {"policy_uri", m.PolicyURI}, {"tos_uri", m.TosURI},
	} {
		if fault := webPageFault(member.uri); member.uri != "" && fault != "" {
			return refuse(member.field, "%s %s", quoted(member.uri), fault)
		}
	}
	if len(m.Contacts) > maxContacts {
		return refuse("contacts", "has %d entries; %d are allowed", len(m.Contacts), maxContacts)
	}
	m.Contacts = unique(m.Contacts)
	for _, contact := range m.Contacts {
		if strings.TrimSpace(contact) == "" {
			return refuse("contacts", "has an empty entry; write an e-mail address")
		}
		if err := checkText("contacts", contact, maxText); err != nil {
			return err
		}
	}
	if err := checkText("software_id", m.SoftwareID, maxText); err != nil {
		return err
	}
	return checkText("software_version", m.SoftwareVersion, maxText)
}

// unique returns the values in their order, each once, in a list of its own.
func unique(values []string) []string {
	var list []string
	for _, v := range values {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}
