// Package interaction keeps authorization requests that wait for their
// resource owner: to sign in, to consent. All protocols wait here, and the
// pages do not know which one does.
package interaction

import (
	"errors"
	"net/url"
	"time"
)

// Lifetime is how long a request waits.
const Lifetime = 30 * time.Minute

// ErrExpired reports an interaction that waited too long. It comes with the
// interaction, so that a page can say which application to go back to.
var ErrExpired = errors.New("interaction expired")

// Elsewhere is the name under which the request of a page of ours keeps the
// address where it can be taken up on another device.
const Elsewhere = "elsewhere"

// Confirm is the name under which the request of a page of ours says that
// somebody who is signed in is to show again who they are.
const Confirm = "confirm"

// WithoutVerifier is the name under which a request of OAuth Core 1.0 notes
// that nothing but the person's answer tells whose it is: it is asked about
// with a warning, and the answer is not remembered.
const WithoutVerifier = "without_verifier"

// Interaction is a waiting authorization request.
type Interaction struct {
	ID string `gorm:"primaryKey"`
	// ClientID is the client that asked; empty when a page of ours did.
	ClientID string
	// ResumePath is where the door that waits takes up the request again,
	// under the issuer's path.
	ResumePath string
	// Request holds the parameters as they were validated.
	Request url.Values `gorm:"serializer:json"`
	// BrowserHash binds the interaction to the browser that started it; nil
	// until one claims it.
	BrowserHash []byte
	// SessionID is the session that AuthenticatedAt speaks of.
	SessionID string
	// AuthenticatedAt is when the resource owner signed in for this request.
	AuthenticatedAt *time.Time
	// ConsentedBy is the account that consented on this request's page, and
	// ConsentedScope to what, space-separated.
	ConsentedBy    string
	ConsentedScope string
	// DeniedAt is when the resource owner refused on this request's page.
	DeniedAt *time.Time
	// AnsweredAt is when the client first got its answer.
	AnsweredAt *time.Time
	CreatedAt  time.Time
	ExpiresAt  time.Time
}
