// Package clientstore keeps the registered clients of every protocol: what a
// client is, when its metadata is valid, its secrets, and whether an
// administrator has approved it. Protocol endpoints read clients together with
// the record that the request is about, in one statement, so that a
// disapproval holds from the next request on.
package clientstore

import (
	"time"
)

// Type is the protocol a client speaks.
type Type string

// The client types.
const (
	OAuth1 Type = "oauth1"
	OAuth2 Type = "oauth2"
	OIDC   Type = "oidc"
)

// Status is where a client stands with the administrators.
type Status string

// The statuses.
const (
	Pending     Status = "pending"
	Approved    Status = "approved"
	Disapproved Status = "disapproved"
)

// Client is a registered client.
type Client struct {
	ID            string   `gorm:"primaryKey"` // the client key, client_id, consumer key
	Type          Type     //
	Name          string   // client_name
	Status        Status   //
	StatusReason  string   // what the administrator wrote when disapproving
	Epoch         int64    // raised by every disapproval
	Version       int64    // raised by every change
	Metadata      Metadata `gorm:"serializer:json"`
	Secrets       []Secret `gorm:"serializer:json"`
	ConsentDigest string   // of what a resource owner consents to trust
	CreatedAt     time.Time
	CreatedBy     string
	UpdatedAt     time.Time
	StatusAt      time.Time
	StatusBy      string
}

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

	IDTokenSignedResponseAlg string   `json:"id_token_signed_response_alg,omitempty"`
	DefaultMaxAge            *int64   `json:"default_max_age,omitempty"` // seconds
	RequireAuthTime          bool     `json:"require_auth_time,omitempty"`
	DefaultACRValues         []string `json:"default_acr_values,omitempty"`

	// IntrospectionScope says which tokens the client may introspect: its own
	// (the default), those whose audience names it, or all.
	IntrospectionScope string `json:"introspection_scope,omitempty"`
	// RefreshTokenRotation off lets a confidential client keep its refresh
	// token (FAPI 2.0 Security Profile, section 5.3.2.1).
	RefreshTokenRotation *bool `json:"refresh_token_rotation,omitempty"`
}

// The client authentication methods (RFC 7591, section 2).
const (
	AuthNone  = "none"
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
)

// The grant types.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantImplicit          = "implicit"
	GrantPassword          = "password"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// What a client may introspect.
const (
	IntrospectOwn      = "own"
	IntrospectAudience = "audience"
	IntrospectAll      = "all"
)

// SecretAlgorithm is how a secret is kept.
type SecretAlgorithm string

// The ways to keep a secret: a keyed hash for one that the server generated,
// argon2id for one that a person typed, sealed for one that an HMAC of OAuth
// 1.0a needs in clear.
const (
	KeyedHash SecretAlgorithm = "hmac-sha256"
	Argon2id  SecretAlgorithm = "argon2id"
	Sealed    SecretAlgorithm = "sealed"
)

// Secret is one of a client's secrets as it is kept.
type Secret struct {
	ID        string          `json:"id"`
	Prefix    string          `json:"prefix"` // the first characters of a generated one, to tell them apart
	Algorithm SecretAlgorithm `json:"algorithm"`
	Value     []byte          `json:"value"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
}

// IsPublic reports whether the client cannot keep a secret (RFC 6749, section 2.1).
func (c *Client) IsPublic() bool { return c.Metadata.TokenEndpointAuthMethod == AuthNone }

// StatusError reports that a client may not be used because no administrator
// has approved it, or one has disapproved it.
type StatusError struct {
	Status Status
	Reason string
}

func (e *StatusError) Error() string {
	if e.Status == Disapproved {
		return "client was disapproved by an administrator"
	}
	return "client awaits approval by an administrator"
}

// Usable returns nil for an approved client and a [*StatusError] for any other.
func (c *Client) Usable() error {
	if c.Status == Approved {
		return nil
	}
	return &StatusError{Status: c.Status, Reason: c.StatusReason}
}
