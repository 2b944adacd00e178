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

func visit(columns string) string {
	return `
		SELECT ` + columns + `, s.id AS session_id, s.account_id AS session_account_id, s.account_epoch AS session_account_epoch,
			s.auth_time AS session_auth_time, s.acr AS session_acr, s.amr AS session_amr, s.created_at AS session_created_at,
			s.last_seen_at AS session_last_seen_at, s.expires_at AS session_expires_at, a.username AS username,
			co.scope AS consent_scope, co.digest AS given_digest
		FROM clients client
		LEFT JOIN (sessions s JOIN accounts a ON a.id = s.account_id AND a.disabled_at IS NULL AND a.epoch = s.account_epoch)
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

// inquiryColumns are the columns of a [grant.Token] as [Inquiry] embeds it.
var inquiryColumns = func() string {
	columns := make([]string, len(grant.TokenColumns))
	for i, c := range grant.TokenColumns {
		columns[i] = "x." + c + " AS token_" + c
	}
	return strings.Join(columns, ", ")
}()

// Inquire reads, in one statement, the client with the token that it asks
// about, whoever the token belongs to. A token that cannot have been issued is
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
	args["caller"] = id
	found, err := storage.Select[Inquiry](ctx, s.db, s.statement(id, string(kind), func(columns string) string {
		return `SELECT ` + columns + `, ` + inquiryColumns + `
			FROM clients client LEFT JOIN (` + query + `) x ON client.id = @caller
			WHERE client.id = @caller`
	}), args)
	if err != nil {
		return nil, storage.Err("get client and token", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get client and token: %w", storage.ErrNotFound)
	}
	return &found[0], s.complete(ctx, &found[0].Client)
}

// Poll is a client with the device's request that it asks about.
type Poll struct {
	Client Client `gorm:"embedded"`
	// Device is the request, its ClientID empty when there is none.
	Device grant.Device `gorm:"embedded;embeddedPrefix:device_"`
}

// deviceColumns are the columns of a [grant.Device] as [Poll] embeds it.
var deviceColumns = func() string {
	columns := make([]string, len(grant.DeviceColumns))
	for i, c := range grant.DeviceColumns {
		columns[i] = "x." + c + " AS device_" + c
	}
	return strings.Join(columns, ", ")
}()

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
	args["caller"] = id
	found, err := storage.Select[Poll](ctx, s.db, s.statement(id, "poll", func(columns string) string {
		return `SELECT ` + columns + `, ` + deviceColumns + `
			FROM clients client LEFT JOIN (` + query + `) x ON client.id = @caller
			WHERE client.id = @caller`
	}), args)
	if err != nil {
		return nil, storage.Err("get client and device", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("get client and device: %w", storage.ErrNotFound)
	}
	return &found[0], s.complete(ctx, &found[0].Client)
}
