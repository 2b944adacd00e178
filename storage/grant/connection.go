package grant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/storage"
)

// Connection is what an application may do for an account, and when it did.
type Connection struct {
	ClientID string
	Scope    []string // remembered as allowed, or held by a grant now
	// FirstAt is when the account first allowed it, as far as is remembered.
	FirstAt time.Time
	// UsedAt is when the application last got or renewed access, nil when that
	// is not known. It costs the token endpoint nothing: it is what the tokens
	// themselves tell, so that it is exact to the life of one of them.
	UsedAt *time.Time
	// Active tells that the application has access at this moment, and does
	// not only need not ask again.
	Active bool
	// Offline tells that its access does not end when the person signs out.
	Offline bool
	// Consent is the digest of what is remembered as allowed, empty for none.
	Consent string
}

// trace is one thing that tells of a connection.
type trace struct {
	ClientID string
	Kind     string // consent, grant or use
	Scope    string
	FirstAt  time.Time
	LastAt   time.Time
	Offline  bool
	Digest   string // of a consent
}

// traces selects what tells of the connections of @account. What is live is
// what every endpoint takes for live.
var traces = `
	SELECT co.client_id, 'consent' AS kind, co.scope, co.created_at AS first_at, co.updated_at AS last_at, false AS offline, co.digest
	FROM consents co WHERE co.account_id = @account
	UNION ALL
	SELECT g.client_id, 'grant', g.scope, min(g.created_at), max(g.created_at), g.offline, ''
	FROM grants g` + Standing + ` WHERE g.account_id = @account AND ` + Live + ` GROUP BY g.client_id, g.scope, g.offline
	UNION ALL
	SELECT g.client_id, 'use', '', min(t.created_at), max(t.created_at), false, ''
	FROM grants g JOIN access_tokens t ON t.grant_id = g.id WHERE g.account_id = @account GROUP BY g.client_id
	UNION ALL
	SELECT g.client_id, 'use', '', min(t.created_at), max(t.created_at), false, ''
	FROM grants g JOIN refresh_tokens t ON t.grant_id = g.id WHERE g.account_id = @account GROUP BY g.client_id
	UNION ALL
	SELECT g.client_id, 'use', '', min(t.created_at), max(t.created_at), false, ''
	FROM grants g JOIN token_credentials t ON t.grant_id = g.id WHERE g.account_id = @account GROUP BY g.client_id
	UNION ALL
	SELECT u.client_id, 'use', '', u.used_at AS first_at, u.used_at AS last_at, false, '' FROM application_uses u WHERE u.account_id = @account`

// Connections returns the applications that the account has allowed something,
// whichever protocol they speak: what is remembered of it, and what they hold.
func (s *Store) Connections(ctx context.Context, accountID string) ([]Connection, error) {
	var found []trace
	err := s.db.With(ctx).Raw(`SELECT * FROM (`+traces+`) traces ORDER BY client_id, kind`,
		map[string]any{"account": accountID, "now": s.db.Now()}).Scan(&found).Error
	if err != nil {
		return nil, storage.Err("find connected applications", err)
	}
	var list []Connection
	for _, t := range found {
		if len(list) == 0 || list[len(list)-1].ClientID != t.ClientID {
			list = append(list, Connection{ClientID: t.ClientID})
		}
		list[len(list)-1].add(t)
	}
	// What was used and holds nothing any more is not connected.
	return slices.DeleteFunc(list, func(c Connection) bool { return c.FirstAt.IsZero() }), nil
}

func (c *Connection) add(t trace) {
	if t.Kind == "use" {
		if c.UsedAt == nil || c.UsedAt.Before(t.LastAt) {
			c.UsedAt = &t.LastAt
		}
		return
	}
	if c.FirstAt.IsZero() || t.FirstAt.Before(c.FirstAt) {
		c.FirstAt = t.FirstAt
	}
	if t.Kind == "consent" {
		c.Consent = t.Digest
	}
	c.Active = c.Active || t.Kind == "grant"
	c.Offline = c.Offline || t.Offline
	for one := range strings.FieldsSeq(t.Scope) {
		if !slices.Contains(c.Scope, one) {
			c.Scope = append(c.Scope, one)
		}
	}
}

// Connection returns what the client may do for the account;
// [storage.ErrNotFound] when that is nothing.
func (s *Store) Connection(ctx context.Context, accountID, clientID string) (*Connection, error) {
	all, err := s.Connections(ctx, accountID)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.ClientID == clientID {
			return &c, nil
		}
	}
	return nil, fmt.Errorf("get connected application: %w", storage.ErrNotFound)
}

// noteUses keeps, of tokens that are about to go, when they were issued.
const noteUses = `
	INSERT INTO application_uses (account_id, client_id, used_at)
	SELECT g.account_id, g.client_id, max(gone.created_at) FROM gone JOIN grants g ON g.id = gone.grant_id
		JOIN accounts a ON a.id = g.account_id JOIN clients c ON c.id = g.client_id
	GROUP BY g.account_id, g.client_id
	ON CONFLICT (account_id, client_id) DO UPDATE SET used_at = excluded.used_at WHERE excluded.used_at > application_uses.used_at`

// notedPurge is a batch whose rows tell of uses: what it deletes, and what of
// that tells of them.
type notedPurge struct{ from, told, batch string }

var (
	// tokenPurge deletes access tokens that expired.
	tokenPurge = notedPurge{
		`access_tokens`, `grant_id, created_at`,
		`hash IN (SELECT hash FROM access_tokens WHERE expires_at <= @now ORDER BY expires_at, hash LIMIT @limit)`,
	}
	// grantPurge deletes grants that expired, and with them their codes and
	// tokens. It is by their grants that uses of OAuth 1.0a are noted.
	grantPurge = notedPurge{
		`grants`, `id AS grant_id, created_at`,
		`id IN (SELECT id FROM grants WHERE expires_at <= @now ORDER BY expires_at, id LIMIT @limit)`,
	}
)

// purgeNoting deletes a batch and keeps what it tells of uses, as one.
func (s *Store) purgeNoting(ctx context.Context, p notedPurge, args map[string]any) (count int64, err error) {
	deletion := `DELETE FROM ` + p.from + ` WHERE ` + p.batch
	if s.db.Dialect() == storage.PostgreSQL {
		err = s.db.With(ctx).Raw(`WITH gone AS (`+deletion+` RETURNING `+p.told+`), noted AS (`+noteUses+`) SELECT count(*) FROM gone`, args).Scan(&count).Error
		return count, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		err := s.db.With(ctx).Exec(`WITH gone AS (SELECT `+p.told+` FROM `+p.from+` WHERE `+p.batch+`)`+noteUses, args).Error
		if err != nil {
			return err
		}
		res := s.db.With(ctx).Exec(deletion, args)
		count = res.RowsAffected
		return res.Error
	})
	return count, err
}
