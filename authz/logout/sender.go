package logout

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"countersign/authz/clientjwt"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/keyset"
	"countersign/storage/signout"
	"countersign/storage/subject"
)

const (
	// batch is how many logout tokens are on their way at once.
	batch = 20
	// tokenLifetime is the longest that a logout token should live (OpenID
	// Connect Back-Channel Logout 1.0, section 4).
	tokenLifetime = 2 * time.Minute
	// event is what a logout token tells of (section 2.4).
	event = "http://schemas.openid.net/event/backchannel-logout"
)

// SenderConfig is what a sender needs.
type SenderConfig struct {
	Issuer   string
	SignOut  *signout.Store
	Subjects *subject.Identifiers
	Keys     *keyset.Store
	// Clients and ClientKeys are for the clients that have their tokens
	// encrypted.
	Clients    *clientstore.Store
	ClientKeys *clientjwt.Verifier
	// Client reaches the applications and nothing else: see package outbound.
	Client *http.Client
	// Tried, if set, is told how each attempt ended.
	Tried func(delivered bool)
	Log   *slog.Logger
	Now   func() time.Time
}

// Sender delivers logout tokens (OpenID Connect Back-Channel Logout 1.0,
// section 2.5). Any number of servers may run one on the same database. A
// token arrives at least once: a server that dies between the two leaves an
// arrived one to be sent again, which does no harm to a client.
type Sender struct{ cfg SenderConfig }

// NewSender returns a sender.
func NewSender(cfg SenderConfig) *Sender { return &Sender{cfg} }

// Send delivers what is due, each once. What fails is due again later.
func (s *Sender) Send(ctx context.Context) error {
	for ctx.Err() == nil {
		due, err := s.cfg.SignOut.Due(ctx, batch)
		if err != nil || len(due) == 0 {
			return err
		}
		group, groupCtx := errgroup.WithContext(ctx)
		for i := range due {
			group.Go(func() error { return s.take(groupCtx, &due[i]) })
		}
		if err := group.Wait(); err != nil || len(due) < batch {
			return err
		}
	}
	return nil
}

// take delivers one logout token, if no other server does.
func (s *Sender) take(ctx context.Context, d *signout.Delivery) error {
	ours, err := s.cfg.SignOut.Claim(ctx, d)
	if err != nil || !ours {
		return err
	}
	if d.URI == "" { // the client does without them by now
		return s.cfg.SignOut.Done(ctx, d)
	}
	token, err := s.token(ctx, d)
	if err != nil {
		return err
	}
	if token, err = s.encrypt(ctx, d, token); err == nil {
		err = s.post(ctx, d.URI, token)
	}
	if errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	if s.cfg.Tried != nil {
		s.cfg.Tried(err == nil)
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "a logout token was not delivered; it is tried again later",
			"client_id", d.ClientID, "attempt", d.Attempts, "cause", err.Error())
		return s.cfg.SignOut.Retry(ctx, d)
	}
	s.cfg.Log.InfoContext(ctx, "a logout token was delivered", "client_id", d.ClientID, "attempt", d.Attempts)
	return s.cfg.SignOut.Done(ctx, d)
}

// token makes the logout token (OpenID Connect Back-Channel Logout 1.0, section
// 2.4). It is made for each attempt, because it does not live long.
func (s *Sender) token(ctx context.Context, d *signout.Delivery) (string, error) {
	alg := keyset.Algorithms[0]
	if d.Algorithm != "" {
		alg = jose.SignatureAlgorithm(d.Algorithm)
	}
	now := s.cfg.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": s.cfg.Issuer, "aud": d.ClientID, "sub": d.Subject, "sid": s.cfg.Subjects.Session(d.ClientID, d.SessionID), "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(), "events": map[string]any{event: struct{}{}},
	})
	if err != nil {
		return "", fmt.Errorf("encode logout token: %w", err)
	}
	token, err := s.cfg.Keys.Sign(ctx, alg, "logout+jwt", payload)
	if err != nil {
		return "", fmt.Errorf("sign logout token: %w", err)
	}
	return token, nil
}

// encrypt encrypts the token if the client has its ID tokens encrypted (OpenID
// Connect Back-Channel Logout 1.0, section 2.4).
func (s *Sender) encrypt(ctx context.Context, d *signout.Delivery, token string) (string, error) {
	if !d.Encrypted {
		return token, nil
	}
	c, err := s.cfg.Clients.InUse(ctx, d.ClientID)
	if err != nil {
		return "", err
	}
	return s.cfg.ClientKeys.Encrypt(ctx, c, clientjwt.IDTokenEnvelope(c), token)
}

// post sends a logout token. The error names no address, which may hold what
// is the client's own.
func (s *Sender) post(ctx context.Context, uri, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.cfg.Client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body) // what it says does not matter
	_ = res.Body.Close()                 // it was read
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the application answered %d", res.StatusCode)
	}
	return nil
}
