// Package notice tells people that a client, a change of one or a secret of one
// waits for an administrator, by a webhook or by mail. It works in the background on what
// the store of clients keeps: no request waits for it, and nothing is lost when
// the server stops. What it sends leads to the approval page and gives nobody a
// right.
package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// The channels.
const (
	Webhook = "webhook"
	Mail    = "mail"
)

// batch is how many notices are read at once.
const batch = 20

// Config is what a sender needs.
type Config struct {
	Clients  *clientstore.Store
	Accounts *account.Store
	Audit    *audit.Store
	// Name is what this server is called, Issuer its URL, and Base what the
	// addresses of the administrators' pages begin with.
	Name, Issuer, Base string
	// Channels are the ways to tell, by name.
	Channels map[string]Channel
	Log      *slog.Logger
}

// Channel is a way to tell somebody. An error names no secret and no address
// that holds one.
type Channel interface {
	Tell(ctx context.Context, m Message) error
}

// Message is what is told.
type Message struct {
	// ID is the same for each attempt to tell of this, for who would count it
	// twice.
	ID     string `json:"id"`
	Event  string `json:"event"` // client.pending, client.revision or client.secret
	Server string `json:"server"`
	Issuer string `json:"issuer"`

	ClientID     string                   `json:"client_id"`
	ClientName   string                   `json:"client_name"`
	Type         clientstore.Type         `json:"type"`
	RegisteredBy string                   `json:"registered_by"`
	RegisteredAt time.Time                `json:"registered_at"`
	From         string                   `json:"from,omitempty"` // the address that it was registered from
	RedirectURIs []string                 `json:"redirect_uris"`
	GrantTypes   []string                 `json:"grant_types"`
	Scope        string                   `json:"scope,omitempty"`
	SoftwareID   string                   `json:"software_id,omitempty"`
	Warnings     []locale.Message         `json:"warnings,omitempty"`
	Differences  []clientstore.Difference `json:"differences,omitempty"`
	Secret       *Secret                  `json:"secret_waiting,omitempty"`

	// Link opens the approval page for an administrator who signs in, for one
	// decision about exactly this.
	Link        string    `json:"link"`
	LinkExpires time.Time `json:"link_expires_at"`
}

// Secret is what is told of a secret that waits for another administrator: nothing
// of its value, not even how it begins.
type Secret struct {
	CreatedBy  string    `json:"created_by"`
	CreatedAt  time.Time `json:"created_at"`
	WaitsUntil time.Time `json:"waits_until"`
	// Overlap is for how many seconds the secrets before stay valid once it is
	// confirmed.
	Overlap int64 `json:"overlap"`
	// ExpiresAt is when it ends once it is confirmed, nil for never.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// Sender tells of what waits. Any number of servers may run one on the same
// database. A message arrives at least once.
type Sender struct{ cfg Config }

// New returns a sender.
func New(cfg Config) *Sender { return &Sender{cfg} }

// Send tells of what is due, each once. What fails is due again later, until it
// is given up: it stays in the queue of approvals all the same.
func (s *Sender) Send(ctx context.Context) error {
	due, err := s.cfg.Clients.DueNotices(ctx, batch)
	if err != nil {
		return err
	}
	for i := range due {
		if err := s.take(ctx, &due[i]); err != nil {
			return err
		}
	}
	return nil
}

// take tells of one thing, if no other server does.
func (s *Sender) take(ctx context.Context, n *clientstore.Notice) error {
	ours, err := s.cfg.Clients.ClaimNotice(ctx, n)
	if err != nil || !ours {
		return err
	}
	channel := s.cfg.Channels[n.Channel]
	m, err := s.message(ctx, n)
	if err != nil {
		return err
	}
	if channel == nil || m == nil { // it was decided, or nobody is told that way any more
		return s.cfg.Clients.NoticeDone(ctx, n)
	}
	err = channel.Tell(ctx, *m)
	if errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "told of what waits for approval", "client_id", n.ClientID, "channel", n.Channel, "attempt", n.Attempts)
		return s.cfg.Clients.NoticeDone(ctx, n)
	}
	again, retryErr := s.cfg.Clients.RetryNotice(ctx, n)
	s.cfg.Log.WarnContext(ctx, "nobody was told of what waits for approval", "client_id", n.ClientID, "channel", n.Channel,
		"attempt", n.Attempts, "tried_again", again, "cause", err.Error())
	return retryErr
}

// message is what the notice tells of by now, nil when that waits no more.
func (s *Sender) message(ctx context.Context, n *clientstore.Notice) (*Message, error) {
	c, err := s.cfg.Clients.Get(ctx, n.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil //nolint:nilnil // documented
	}
	if err != nil {
		return nil, err
	}
	m, told := &Message{}, *n // the notice is forgotten as it was kept
	if c, err = s.waiting(ctx, &told, c, m); err != nil || c == nil {
		return nil, err
	}
	if err := s.describe(ctx, m, c); err != nil {
		return nil, err
	}
	m.ID = identifier(&told)
	token, expires, err := s.cfg.Clients.NewLink(ctx, &told)
	if err != nil {
		return nil, err
	}
	m.Link = s.cfg.Base + "/settings/approvals/link?" + url.Values{"token": {token}}.Encode()
	m.LinkExpires = expires.UTC()
	return m, nil
}

// waiting is the client as the message tells of it, nil when what the notice was
// kept for waits no more.
func (s *Sender) waiting(ctx context.Context, n *clientstore.Notice, c *clientstore.Client, m *Message) (*clientstore.Client, error) {
	switch {
	case n.SecretID != "":
		return s.withSecret(ctx, n, c, m)
	case n.RevisionID != "":
		return s.revised(ctx, n, c, m)
	case c.Status != clientstore.Pending:
		return nil, nil //nolint:nilnil // documented
	default:
		m.Event, n.Version = "client.pending", c.Version // what led here may have been changed since
		return c, nil
	}
}

// identifier is the same for each attempt to tell of what the notice is about.
func identifier(n *clientstore.Notice) string {
	if n.SecretID != "" {
		return n.ClientID + "-" + n.SecretID
	}
	return fmt.Sprintf("%s-%d-%s", n.ClientID, n.Version, n.RevisionID)
}

// revised is the client as its revision makes it, nil when that waits no more.
func (s *Sender) revised(ctx context.Context, n *clientstore.Notice, c *clientstore.Client, m *Message) (*clientstore.Client, error) {
	r, err := s.cfg.Clients.Revision(ctx, n.ClientID)
	if err != nil || r == nil || r.ID != n.RevisionID {
		return nil, err
	}
	m.Event = "client.revision"
	if m.Differences, err = r.Differences(c); err != nil {
		return nil, err
	}
	return r.With(*c), nil
}

// withSecret is the client whose secret waits, nil when that waits no more.
func (s *Sender) withSecret(ctx context.Context, n *clientstore.Notice, c *clientstore.Client, m *Message) (*clientstore.Client, error) {
	w, err := s.cfg.Clients.WaitingSecret(ctx, n.ClientID)
	if err != nil || w == nil || w.ID != n.SecretID {
		return nil, err
	}
	m.Event = "client.secret"
	d := w.Document()
	m.Secret = &Secret{CreatedAt: d.CreatedAt, WaitsUntil: d.WaitsUntil, Overlap: d.Overlap, ExpiresAt: d.ExpiresAt}
	m.Secret.CreatedBy, err = s.username(ctx, w.CreatedBy)
	return c, err
}

// username is what the account is called, or what made something without one.
func (s *Sender) username(ctx context.Context, by string) (string, error) {
	names, err := s.cfg.Accounts.Usernames(ctx, []string{by})
	if name, ok := names[by]; ok {
		return plain(name), err
	}
	return by, err
}

func (s *Sender) describe(ctx context.Context, m *Message, c *clientstore.Client) error {
	d := c.Document()
	m.Server, m.Issuer = s.cfg.Name, s.cfg.Issuer
	m.ClientID, m.ClientName, m.Type = c.ID, plain(c.Name), c.Type
	m.RedirectURIs, m.GrantTypes, m.Scope, m.SoftwareID = d.RedirectURIs, d.GrantTypes, d.Scope, plain(d.SoftwareID)
	m.RegisteredAt, m.Warnings = c.CreatedAt.UTC(), c.Warnings()
	var err error
	if m.RegisteredBy, err = s.username(ctx, c.CreatedBy); err != nil {
		return err
	}
	first, err := s.cfg.Audit.List(ctx, audit.Filter{TargetType: "client", TargetID: c.ID, Action: "client.register", Limit: 1})
	if err == nil && len(first) == 1 {
		m.From = first[0].IP
	}
	return err
}

// plain is a text that somebody chose, without what could end a line or be
// taken for something else than it is.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, text)
}
