package grant

import (
	"context"
	"fmt"
	"sync"
	"time"

	"countersign/storage"
)

// Issue is what one token response hands out. Only hashes of the tokens are
// kept.
type Issue struct {
	AccessToken          string
	AccessTokenExpiresAt time.Time
	Scope                string // of the access token, space-separated
	Audience             string // of the access token, space-separated
	// RefreshToken is empty when none is issued.
	RefreshToken          string
	RefreshTokenExpiresAt time.Time
}

func (s *Store) issueArgs(i Issue) map[string]any {
	args := map[string]any{
		"now": s.db.Now(), "access": s.Hash(i.AccessToken), "access_expires_at": i.AccessTokenExpiresAt,
		"scope": i.Scope, "audience": i.Audience,
	}
	if i.RefreshToken != "" {
		args["refresh"], args["refresh_expires_at"] = s.Hash(i.RefreshToken), i.RefreshTokenExpiresAt
	}
	return args
}

var insertPersonalGrant = `
	INSERT INTO grants (id, kind, client_id, client_epoch, account_id, account_epoch, subject, scope, audience,
		acr, amr, auth_time, offline, confirmation, created_at, expires_at)
	SELECT @grant, @kind, c.id, c.epoch, a.id, a.epoch, @subject, @scope, @audience,
		@acr, @amr, @auth_time, @offline, @confirmation, @now, @grant_expires_at
	FROM clients c, accounts a
	WHERE c.id = @client AND ` + storage.Approved("c") + ` AND ` + Admitted("c", "a.id") + `
		AND a.id = @account AND a.disabled_at IS NULL AND a.epoch = @account_epoch
		AND (@kind <> 'password' OR NOT EXISTS (
			SELECT 1 FROM totp_authenticators f WHERE f.account_id = a.id UNION ALL SELECT 1 FROM passkeys f WHERE f.account_id = a.id))`

const insertFirstRefresh = `
	INSERT INTO refresh_tokens (grant_id, hash, created_at, expires_at)
	SELECT g.id, @refresh, @now, @refresh_expires_at FROM g`

// IssueToAccount keeps a grant that an account gave without a session, and its
// tokens, if at this moment the client is approved and the account is what it
// was when it was authenticated, where a password was shown without a second
// factor; otherwise [ErrNotPermitted]. The scope and audience of the issue are
// the grant's.
func (s *Store) IssueToAccount(ctx context.Context, g Grant, i Issue) error {
	args := s.grantArgs(g)
	args["account_epoch"] = g.AccountEpoch
	args["access"], args["access_expires_at"] = s.Hash(i.AccessToken), i.AccessTokenExpiresAt
	yields := []string{insertFirstAccess}
	if i.RefreshToken != "" {
		args["refresh"], args["refresh_expires_at"] = s.Hash(i.RefreshToken), i.RefreshTokenExpiresAt
		yields = append(yields, insertFirstRefresh)
	}
	return s.keepGrant(ctx, "issue tokens to account", insertPersonalGrant, yields, args)
}

// exchange is one credential spent for tokens: a code for its first ones, a
// refresh token for the next.
type exchange struct {
	spend   string // an UPDATE that matches the unspent credential only
	child   bool   // the refresh token names the spent one as its parent
	refresh bool   // a refresh token is issued
	yields  string // what is issued in place of an access token, empty for one
	args    map[string]any
}

// spentGrant returns the grant of what was spent, and none when that had
// expired: whoever is late is no thief.
const spentGrant = ` RETURNING CASE WHEN expires_at > @now THEN grant_id ELSE '' END AS grant_id`

const insertAccess = `
	INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
	SELECT l.grant_id, @access, @scope, @audience, @now, @access_expires_at FROM l`

func (e exchange) insert() string {
	if e.yields != "" {
		return e.yields
	}
	return insertAccess
}

func (e exchange) insertRefresh() string {
	if e.child {
		return `
	INSERT INTO refresh_tokens (grant_id, hash, parent_hash, created_at, expires_at)
	SELECT l.grant_id, @refresh, @old, @now, @refresh_expires_at FROM l`
	}
	return `
	INSERT INTO refresh_tokens (grant_id, hash, created_at, expires_at)
	SELECT l.grant_id, @refresh, @now, @refresh_expires_at FROM l`
}

// outcome counts what an exchange did.
type outcome struct {
	Spent int64 // credentials spent: 1, or 0 for the loser of a race
	Live  int64 // grants that still hold: 1, or 0 when nothing was issued
}

func (s *Store) exchange(ctx context.Context, doing string, e exchange) error {
	var (
		o   outcome
		err error
	)
	if s.db.Dialect() == storage.PostgreSQL {
		o, err = s.exchangeInOne(ctx, e)
	} else {
		err = s.db.InTx(ctx, func(ctx context.Context) error {
			o, err = s.exchangeInTurn(ctx, e)
			return err
		})
	}
	switch {
	case err != nil:
		return storage.Err(doing, err)
	case o.Spent == 0:
		return fmt.Errorf("%s: %w", doing, ErrSpent)
	case o.Live == 0:
		return fmt.Errorf("%s: %w", doing, ErrNotPermitted)
	default:
		return nil
	}
}

// exchangeInOne is the exchange as one PostgreSQL statement.
func (s *Store) exchangeInOne(ctx context.Context, e exchange) (o outcome, err error) {
	found, err := storage.Select[outcome](ctx, s.db, e.inOne(), e.args)
	return first(found), err
}

// exchanges are the statements of exchanges, each put together once.
var exchanges sync.Map // by exchangeKey

type exchangeKey struct {
	spend, yields  string
	child, refresh bool
}

func (e exchange) inOne() string {
	key := exchangeKey{e.spend, e.yields, e.child, e.refresh}
	if known, ok := exchanges.Load(key); ok {
		return known.(string) //nolint:forcetypeassert // nothing else is stored
	}
	query := `WITH u AS (` + e.spend + spentGrant + `),
		l AS (SELECT g.id AS grant_id FROM u JOIN grants g ON g.id = u.grant_id` + Standing + ` WHERE ` + LiveRoot + `),
		t AS (` + e.insert() + `)`
	if e.refresh {
		query += `, r AS (` + e.insertRefresh() + `)`
	}
	query += ` SELECT (SELECT count(*) FROM u) AS spent, (SELECT count(*) FROM l) AS live`
	exchanges.Store(key, query)
	return query
}

// exchangeInTurn is the exchange as statements of one SQLite transaction,
// which nothing can come between. SQLite has no data-modifying WITH.
func (s *Store) exchangeInTurn(ctx context.Context, e exchange) (o outcome, err error) {
	granted, err := storage.Select[string](ctx, s.db, e.spend+spentGrant, e.args)
	if err != nil {
		return o, err
	}
	o.Spent = int64(len(granted))
	if o.Spent == 0 {
		return o, nil
	}
	args := e.args
	args["spent_grant"] = granted[0]
	l := `WITH l AS (SELECT g.id AS grant_id FROM grants g` + Standing + ` WHERE g.id = @spent_grant AND ` + LiveRoot + `)`
	o.Live, err = s.db.Exec(ctx, l+e.insert(), args)
	if err != nil || o.Live == 0 || !e.refresh {
		return o, err
	}
	_, err = s.db.Exec(ctx, l+e.insertRefresh(), args)
	return o, err
}
