package clientstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
	"countersign/storage/session"
)

// Visit is what an authorization request depends on: the client, and what the
// browser that sent it brings along.
type Visit struct {
	Client Client `gorm:"embedded"`
	// Session is the browser's session, its ID empty when it has none that an
	// account may use. Ask [session.Store.Live] about its age.
	Session  session.Session `gorm:"embedded;embeddedPrefix:session_"`
	Username string
	// What the account allowed this client, and the client's digest then.
	ConsentScope  string
	ConsentDigest *string `gorm:"column:given_digest"`
}

// Consent returns what the account allowed the client before, nil if nothing.
func (v *Visit) Consent() *grant.Consent {
	if v.ConsentDigest == nil {
		return nil
	}
	return &grant.Consent{AccountID: v.Session.AccountID, ClientID: v.Client.ID, Scope: v.ConsentScope, Digest: *v.ConsentDigest}
}

// visitorColumns are the session s of the account a, and what the account allowed
// the client before, which is the consent co.
const visitorColumns = `s.id AS session_id, s.account_id AS session_account_id, s.account_epoch AS session_account_epoch,
			s.auth_time AS session_auth_time, s.acr AS session_acr, s.amr AS session_amr, s.created_at AS session_created_at,
			s.last_seen_at AS session_last_seen_at, s.expires_at AS session_expires_at, a.username AS username,
			co.scope AS consent_scope, co.digest AS given_digest`

// visitor joins the account that may use its session s.
const visitor = `sessions s JOIN accounts a ON a.id = s.account_id AND a.disabled_at IS NULL AND a.epoch = s.account_epoch`

func visit(columns string) string {
	return `
		SELECT ` + columns + `, ` + visitorColumns + `
		FROM clients client
		LEFT JOIN (` + visitor + `)
			ON s.hash = @session AND s.ended_at IS NULL AND s.expires_at > @now
		LEFT JOIN consents co ON co.account_id = a.id AND co.client_id = client.id
		WHERE client.id = @id`
}

// Visit reads, in one statement, the client with the session that has the hash
// and with what its account allowed the client. The client may have any
// status: the person at the browser is told of it, the client is not.
func (s *Store) Visit(ctx context.Context, id string, sessionHash []byte) (*Visit, error) {
	if !wellFormedKey(id) {
		return nil, fmt.Errorf("get client and session: %w", storage.ErrNotFound)
	}
	found, err := storage.Select[Visit](ctx, s.db, s.statement(id, "visit", visit), map[string]any{"session": sessionHash, "now": s.db.Now(), "id": id})
	if err != nil {
		return nil, storage.Err("get client and session", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get client and session: %w", storage.ErrNotFound)
	}
	return &found[0], s.complete(ctx, &found[0].Client)
}

// Inquiry is a client with the token that it asks about.
type Inquiry struct {
	Client Client `gorm:"embedded"`
	// Token is the token, its Kind empty when there is none.
	Token grant.Token `gorm:"embedded;embeddedPrefix:token_"`
}

// Entitled reports whether the client may learn of the token: one of its own,
// or an access token that names it as audience or that the administrator
// entitled it to.
func (i *Inquiry) Entitled() bool {
	switch {
	case i.Token.Grant.ClientID == i.Client.ID:
		return true
	case i.Token.Kind != seal.AccessToken:
		return false // a refresh token is between its client and us
	case i.Client.Metadata.IntrospectionScope == IntrospectAll:
		return true
	default:
		return slices.Contains(strings.Fields(i.Token.Audience), i.Client.ID)
	}
}

// Inquire reads, in one statement, the client with the token that it asks
// about, whoever the token belongs to; in two, where the token was exchanged for
// another. A token that cannot have been issued is
// not looked for. The tokens' store says how a token is read.
func (s *Store) Inquire(ctx context.Context, id string, tokens *grant.Store, token string) (*Inquiry, error) {
	kind, ok := grant.TokenKind(token)
	if !ok || !wellFormedKey(id) {
		c, err := s.InUse(ctx, id)
		if err != nil {
			return nil, err
		}
		return &Inquiry{Client: *c}, nil
	}
	query, args := tokens.TokenQuery(kind, token)
	found, err := s.inquire(ctx, id, "token "+string(kind), query, args)
	if err == nil && !found.Token.Grant.IsRoot() {
		query, args = tokens.ChildQuery(token)
		return s.inquire(ctx, id, "exchanged token", query, args)
	}
	return found, err
}

func (s *Store) inquire(ctx context.Context, id, name, query string, args map[string]any) (*Inquiry, error) {
	return readWith(ctx, s, id, record[Inquiry]{
		name: name, prefix: "token_", columns: grant.TokenColumns, query: query, args: args,
		client: func(i *Inquiry) *Client { return &i.Client },
	})
}

// Poll is a client with the device's request that it asks about.
type Poll struct {
	Client Client `gorm:"embedded"`
	// Device is the request, its ClientID empty when there is none.
	Device grant.Device `gorm:"embedded;embeddedPrefix:device_"`
}

// Poll reads, in one statement, the client with the device's request that has
// the device code, whichever client that belongs to.
func (s *Store) Poll(ctx context.Context, id string, devices *grant.Store, deviceCode string) (*Poll, error) {
	if !seal.WellFormed(seal.DeviceCode, deviceCode) || !wellFormedKey(id) {
		c, err := s.InUse(ctx, id)
		if err != nil {
			return nil, err
		}
		return &Poll{Client: *c}, nil
	}
	query, args := devices.DeviceQuery(deviceCode)
	return readWith(ctx, s, id, record[Poll]{
		name: "device", prefix: "device_", columns: grant.DeviceColumns, query: query, args: args,
		client: func(p *Poll) *Client { return &p.Client },
	})
}

// Redemption is a client with the authorization code that it presents.
type Redemption struct {
	Client Client `gorm:"embedded"`
	// Code is the code, its Grant.ID empty when there is none.
	Code grant.Code `gorm:"embedded;embeddedPrefix:code_"`
}

// Redeem reads, in one statement, the client with the authorization code that
// it presents, whichever client that was issued to.
func (s *Store) Redeem(ctx context.Context, id string, codes *grant.Store, code string) (*Redemption, error) {
	if !seal.WellFormed(seal.AuthorizationCode, code) || !wellFormedKey(id) {
		c, err := s.InUse(ctx, id)
		if err != nil {
			return nil, err
		}
		return &Redemption{Client: *c}, nil
	}
	query, args := codes.CodeQuery(code)
	return readWith(ctx, s, id, record[Redemption]{
		name: "code", prefix: "code_", columns: grant.CodeColumns, query: query, args: args,
		client: func(r *Redemption) *Client { return &r.Client },
	})
}

// Renewal is a client with the refresh token that it presents.
type Renewal struct {
	Client Client `gorm:"embedded"`
	// Token is the refresh token, its Grant.ID empty when there is none.
	Token grant.Refresh `gorm:"embedded;embeddedPrefix:token_"`
}

// Renew reads, in one statement, the client with the refresh token that it
// presents, whichever client that was issued to.
func (s *Store) Renew(ctx context.Context, id string, tokens *grant.Store, token string) (*Renewal, error) {
	if !seal.WellFormed(seal.RefreshToken, token) || !wellFormedKey(id) {
		c, err := s.InUse(ctx, id)
		if err != nil {
			return nil, err
		}
		return &Renewal{Client: *c}, nil
	}
	query, args := tokens.RefreshQuery(token)
	return readWith(ctx, s, id, record[Renewal]{
		name: "refresh", prefix: "token_", columns: grant.RefreshColumns, query: query, args: args,
		client: func(r *Renewal) *Client { return &r.Client },
	})
}

// record is what is read beside a client, into a T.
type record[T any] struct {
	name    string // of the statement
	prefix  string // of the columns in T
	columns []string
	query   string // which selects the columns
	args    map[string]any
	client  func(*T) *Client
}

// readWith reads, in one statement, the client with the identifier and the
// record, if there is one, whoever that belongs to.
func readWith[T any](ctx context.Context, s *Store, id string, r record[T]) (*T, error) {
	r.args["caller"] = id
	found, err := storage.Select[T](ctx, s.db, s.statement(id, r.name, r.statement), r.args)
	if err != nil {
		return nil, storage.Err("get client and "+r.name, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get client and %s: %w", r.name, storage.ErrNotFound)
	}
	if err := s.complete(ctx, r.client(&found[0])); err != nil {
		return nil, err
	}
	return &found[0], nil
}

func (r record[T]) statement(columns string) string {
	return `SELECT ` + columns + prefixed("x", r.prefix, r.columns) + `
		FROM clients client LEFT JOIN (` + r.query + `) x ON client.id = @caller
		WHERE client.id = @caller`
}
