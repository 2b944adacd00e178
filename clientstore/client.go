// Package clientstore keeps the registered clients of every protocol: what a
// client is, when its metadata is valid, its secrets, and whether an
// administrator has approved it. Protocol endpoints read clients together with
// the record that the request is about, in one statement, so that a
// disapproval holds from the next request on.
package clientstore

import (
	"crypto/rand"
	"log/slog"
	"net/url"
	"slices"
	"strings"
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
	ID            string    `gorm:"primaryKey"` // the client key, client_id, consumer key
	Type          Type      //
	Name          string    // client_name
	Status        Status    //
	StatusReason  string    // what the administrator wrote when disapproving
	Epoch         int64     // raised by every disapproval
	Version       int64     // raised by every change
	Metadata      Metadata  `gorm:"serializer:json"`
	Secrets       []Secret  `gorm:"serializer:json" json:"-"`
	Requested     Requested `gorm:"serializer:json"` // of an administrator; it has no effect
	ConsentDigest string    // of what a resource owner consents to trust
	CreatedAt     time.Time
	CreatedBy     string
	UpdatedAt     time.Time
	StatusAt      time.Time
	StatusBy      string
	UsedAt        *time.Time // when it was last seen to be used, to within some minutes; nil before

	// Conditions are what its approval is narrowed to, the last one's when it
	// has none now.
	Conditions Conditions `gorm:"embedded;embeddedPrefix:approved_"`
	withheld   withheld
	// Authors are the accounts that edited it while it was not approved.
	Authors []string `gorm:"serializer:json"`
	// Rejection is what became of the last revision, nil when it was approved or
	// another waits.
	Rejection *Rejection `gorm:"serializer:json"`

	// A client that belongs to a clients file is changed there: see
	// [ManagedError]. ManagedBy is the file's name, empty for the others.
	ManagedBy     string
	ManagedHandle string  // what the file calls it
	ManagedStatus Status  // what the file decides about it, empty for nothing
	ManagedSecret *Secret `gorm:"serializer:json" json:"-"` // what it gave last, nil for nothing

	// Waiting is a secret that waits for another administrator, where one was
	// asked for: no client is read with it.
	Waiting *WaitingSecret `gorm:"-" json:"-"`

	// FunctionalUsername is what people call the account that OAuth1FunctionalAccount
	// names, where an administrator reads the client; empty for one that is gone.
	FunctionalUsername string `gorm:"-"`

	lent string // a redirect URI that it has for this request; see [Lender]
}

// IsPublic reports whether the client cannot keep a secret (RFC 6749, section 2.1).
func (c *Client) IsPublic() bool { return c.Metadata.TokenEndpointAuthMethod == AuthNone }

// UsesSecret reports whether the client proves itself by a secret that it
// shares with the server.
func (c *Client) UsesSecret() bool {
	switch {
	case c.Metadata.OAuth1PublicKey != "":
		return false
	case c.IsPublic(), c.Metadata.TokenEndpointAuthMethod == AuthPrivateKeyJWT:
		return c.signsWithSecret()
	default:
		return true
	}
}

// signsWithSecret reports whether the client makes HMACs with its secret, for
// which the server has to know it in clear.
func (c *Client) signsWithSecret() bool {
	return c.Type == OAuth1 || c.Metadata.TokenEndpointAuthMethod == AuthSecretJWT || c.Metadata.RequestObjectSigningAlg == algHS256
}

// IsImpersonable reports whether any application could pose as the client: it
// has no secret, and its redirect URI does not lead to a host of its own. What
// was allowed to it once is asked again (RFC 8252, section 8.6).
func (c *Client) IsImpersonable() bool {
	return c.IsPublic() && slices.ContainsFunc(c.Metadata.RedirectURIs, func(uri string) bool {
		p := splitURI(uri)
		return p.scheme != "https" || isLoopback(p.authority)
	})
}

// ApproveAt is the address under page on which an administrator approves the
// client, empty for one that does not wait for that.
func (c *Client) ApproveAt(page string) string {
	if c.Status != Pending {
		return ""
	}
	return page + "?" + url.Values{"key": {c.ID}}.Encode()
}

// LogValue is what a log keeps of a client: nothing that authenticates it.
func (c *Client) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", c.ID), slog.String("type", string(c.Type)),
		slog.String("name", c.Name), slog.String("status", string(c.Status)),
	)
}

// StatusError reports that a client may not be used because no administrator
// has approved it, or one has disapproved it.
type StatusError struct {
	Status Status
	Reason string
	// Ended reports that nobody disapproved the client: its approval was for a
	// time, which is over.
	Ended bool
}

func (e *StatusError) Error() string {
	if e.Ended {
		return "the approval of the client has ended"
	}
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
	return &StatusError{Status: c.Status, Reason: c.StatusReason, Ended: c.ApprovalEnded()}
}

// newKey makes a client key: 130 random bits in letters and digits, which need
// no encoding in a URL, a form or an OAuth 1.0a signature. It is never made
// twice, so that a removed client's key stays without a meaning.
func newKey() string { return strings.ToLower(rand.Text()) }

// maxKey is longer than any key that was ever made.
const maxKey = 64

// wellFormedKey reports whether id can be a client key. What cannot be one is
// not found without asking the database, which would take some of it (a NUL,
// broken UTF-8) for an error of its own.
func wellFormedKey(id string) bool {
	for i := range len(id) {
		if !isAlphanumeric(id[i]) && id[i] != '-' && id[i] != '_' {
			return false
		}
	}
	return id != "" && len(id) <= maxKey
}

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}
