// Package oauth1 serves OAuth 1.0a (RFC 5849): temporary credentials, the
// resource owner's authorization, token credentials, and the verification of
// signed requests for resource servers.
package oauth1

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign/authz/browser"
	"countersign/authz/limit"
	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/replay"
	"countersign/storage/seal"
	"countersign/storage/session"
)

// ResumePath is where an interaction comes back to, under the issuer's path.
const ResumePath = "/oauth1/resume"

// Config is what the endpoints need.
type Config struct {
	Issuer       string
	IssuerPath   string // without a slash at its end
	Realm        string // of the challenges
	Clients      *clientstore.Store
	Lender       clientstore.Lender // of callbacks, for administrators' tests
	Sessions     *session.Store
	Interactions *interaction.Store
	Grants       *grant.Store
	Used         *replay.Store
	// Failures keeps what consumers are refused, for administrators.
	Failures *failure.Store
	// Authenticate returns the client that posted a form.
	Authenticate func(*http.Request, protocol.Parameters) (*clientstore.Client, error)
	Pages        *page.Pages
	Cookies      browser.Cookies
	// Temporary is how long a request waits for its resource owner, and Token
	// how long token credentials live.
	Temporary, Token time.Duration
	// Issued is told of an answer with token credentials.
	Issued func(grantType string)
	// Approval is the page on which an administrator approves a client, for the
	// log.
	Approval string
	Log      *slog.Logger
	Now      func() time.Time
}

// Handler serves the endpoints.
type Handler struct {
	cfg    Config
	origin string // of the issuer: scheme and authority
	// What a signature is held against where there is nothing else.
	nobodys   *clientstore.Client
	nobody    grant.Signer
	unmatched string // a secret
	// failures counts signatures that do not match, by network and client.
	failures *limit.Limiter
}

// A network may send so many signatures of a client at once that do not match,
// and then so many a second: a secret that a person typed can be guessed.
const (
	failuresBurst     = 50
	failuresPerSecond = 2
)

// New returns the endpoints.
func New(cfg Config) (*Handler, error) {
	scheme, rest, _ := strings.Cut(cfg.Issuer, "://")
	authority, _, _ := strings.Cut(rest, "/")
	stranger, err := cfg.Clients.Stranger()
	if err != nil {
		return nil, err
	}
	nobodys, err := stranger.Client()
	if err != nil {
		return nil, err
	}
	return &Handler{
		cfg: cfg, origin: scheme + "://" + authority,
		nobodys: nobodys, nobody: cfg.Grants.NobodysSigner(), unmatched: seal.NewToken(seal.ClientSecret),
		failures: limit.New(failuresPerSecond, failuresBurst, cfg.Now),
	}, nil
}

// answer writes credentials as clients read them (RFC 5849, section 2.1).
func answer(w http.ResponseWriter, fields ...string) error {
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
	w.Header().Set("Cache-Control", "no-store")
	_, err := w.Write([]byte(encode(fields, url.QueryEscape, "&", "")))
	return err
}
