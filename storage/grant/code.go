package grant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/storage"
)

// Answer is what an authorization response hands out: a grant, and a code or
// an access token or both, or neither where an ID token is all. Only hashes of
// the two are kept.
type Answer struct {
	Grant Grant
	// Code is empty when the response has none.
	Code                string
	RedirectURI         string // where the code goes
	RedirectURISent     bool   // whether the request named it
	CodeChallenge       string
	CodeChallengeMethod string
	CodeExpiresAt       time.Time
	// AccessToken is empty when the response has none.
	AccessToken          string
	AccessTokenExpiresAt time.Time
}

// Code is an authorization code that was issued.
type Code struct {
	RedirectURI         string // where the code went
	RedirectURISent     bool   // whether the request named it
	CodeChallenge       string
	CodeChallengeMethod string
	CreatedAt           time.Time
	ExpiresAt           time.Time
	SpentAt             *time.Time
	Grant               Grant `gorm:"embedded;embeddedPrefix:grant_"`
	// Live reports whether the code may be redeemed, its age and use apart.
	Live bool
}

const intoGrants = `
	INSERT INTO grants (id, kind, client_id, client_epoch, account_id, account_epoch, session_id, subject, scope, audience,
		claims, nonce, acr, amr, auth_time, offline, confirmation, created_at, expires_at)
	SELECT @grant, @kind, c.id, c.epoch, a.id, a.epoch, s.id, @subject, @scope, @audience,
		@claims, @nonce, @acr, @amr, @auth_time, @offline, @confirmation, @now, @grant_expires_at`

// grantable are the client, account and session of a grant that may be given at
// this moment.
var grantable = `
	FROM clients c, accounts a, sessions s
	WHERE c.id = @client AND ` + storage.Approved("c") + ` AND ` + Admitted("c", "a.id") + `
		AND a.id = @account AND a.disabled_at IS NULL
		AND s.id = @session AND s.account_id = a.id AND s.account_epoch = a.epoch AND s.ended_at IS NULL`

var insertGrant = intoGrants + grantable

const insertCode = `
	INSERT INTO authorization_codes (grant_id, hash, redirect_uri, redirect_uri_sent, code_challenge, code_challenge_method, created_at, expires_at)
	SELECT g.id, @code, @redirect_uri, @redirect_uri_sent, @challenge, @challenge_method, @now, @code_expires_at FROM g`

const insertFirstAccess = `
	INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
	SELECT g.id, @access, @scope, @audience, @now, @access_expires_at FROM g`

// insertUse notes that the session was used for the client, for whoever ends
// the session to tell it. Grants are gone long before.
const insertUse = `
	INSERT INTO session_clients (session_id, client_id, subject, created_at)
	SELECT g.session_id, g.client_id, g.subject, @now FROM g WHERE true
	ON CONFLICT (session_id, client_id) DO UPDATE SET subject = excluded.subject`

// Authorize keeps an answer and its grant, if at this moment the client is
// approved and the account's session is live; otherwise [ErrNotPermitted].
func (s *Store) Authorize(ctx context.Context, a Answer) error {
	args := s.grantArgs(a.Grant)
	var inserts []string
	if a.Code != "" {
		inserts = append(inserts, insertCode)
		args["code"], args["redirect_uri"], args["redirect_uri_sent"] = s.Hash(a.Code), a.RedirectURI, a.RedirectURISent
		args["challenge"], args["challenge_method"] = a.CodeChallenge, a.CodeChallengeMethod
		args["code_expires_at"] = a.CodeExpiresAt
	}
	if a.AccessToken != "" {
		inserts = append(inserts, insertFirstAccess)
		args["access"], args["access_expires_at"] = s.Hash(a.AccessToken), a.AccessTokenExpiresAt
	}
	if slices.Contains(strings.Fields(a.Grant.Scope), "openid") {
		inserts = append(inserts, insertUse)
	}
	grant := insertGrant
	if s.db.Dialect() == storage.PostgreSQL {
		grant += ` FOR SHARE OF s` // whoever ends the session waits for this grant, or this grant for them
	}
	return s.keepGrant(ctx, "answer authorization request", grant, inserts, args)
}

// keepGrant inserts a grant and what it yields, as one.
func (s *Store) keepGrant(ctx context.Context, doing, grant string, yields []string, args map[string]any) error {
	if s.db.Dialect() == storage.PostgreSQL {
		query := `WITH g AS (` + grant + ` RETURNING id, session_id, client_id, subject)`
		for i, insert := range yields {
			query += fmt.Sprintf(`, y%d AS (%s)`, i, insert)
		}
		kept, err := storage.Select[int64](ctx, s.db, query+` SELECT count(*) FROM g`, args)
		return issued(doing, first(kept), err)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		kept, err := s.db.Exec(ctx, grant, args)
		if err := issued(doing, kept, err); err != nil {
			return err
		}
		for _, insert := range yields {
			kept, err := s.db.Exec(ctx, `WITH g AS (SELECT id, session_id, client_id, subject FROM grants WHERE id = @grant)`+insert, args)
			if err := issued(doing, kept, err); err != nil {
				return err
			}
		}
		return nil
	})
}

func issued(doing string, rows int64, err error) error {
	switch {
	case err != nil:
		return storage.Err(doing, err)
	case rows == 0:
		return fmt.Errorf("%s: %w", doing, ErrNotPermitted)
	default:
		return nil
	}
}

func (s *Store) grantArgs(g Grant) map[string]any {
	return map[string]any{
		"grant": g.ID, "kind": g.Kind, "client": g.ClientID, "account": g.AccountID, "session": g.SessionID,
		"subject": g.Subject, "scope": g.Scope, "audience": g.Audience, "claims": g.Claims, "nonce": g.Nonce,
		"acr": g.ACR, "amr": g.AMR, "auth_time": g.AuthTime, "offline": g.Offline, "confirmation": g.Confirmation,
		"grant_expires_at": g.ExpiresAt, "now": s.db.Now(),
	}
}

// CodeColumns are the columns that [Store.CodeQuery] selects.
var CodeColumns = append([]string{
	"redirect_uri", "redirect_uri_sent", "code_challenge", "code_challenge_method", "created_at", "expires_at", "spent_at", "live",
}, grantColumns...)

var codeByHash = `
	SELECT ac.redirect_uri, ac.redirect_uri_sent, ac.code_challenge, ac.code_challenge_method, ac.created_at, ac.expires_at, ac.spent_at,
		COALESCE(` + LiveRoot + `, false) AS live, ` + columns + `
	FROM authorization_codes ac JOIN grants g ON g.id = ac.grant_id` + Standing + `
	WHERE ac.hash = @code`

// CodeQuery returns the query for an authorization code, for a statement that
// reads more than that, and the arguments that it takes.
func (s *Store) CodeQuery(code string) (query string, args map[string]any) {
	return codeByHash, map[string]any{"code": s.Hash(code), "now": s.db.Now()}
}

// Code returns the authorization code, spent or not; [storage.ErrNotFound]
// when it was never issued or its client was removed.
func (s *Store) Code(ctx context.Context, code string) (*Code, error) {
	query, args := s.CodeQuery(code)
	found, err := storage.Select[Code](ctx, s.db, query, args)
	return one("get authorization code", found, err)
}

// first returns the only value of a statement that selects one.
func first[T any](list []T) (v T) {
	if len(list) > 0 {
		v = list[0]
	}
	return v
}

func one[T any](doing string, found []T, err error) (*T, error) {
	switch {
	case err != nil:
		return nil, storage.Err(doing, err)
	case len(found) == 0:
		return nil, fmt.Errorf("%s: %w", doing, storage.ErrNotFound)
	default:
		return &found[0], nil
	}
}

// Redeem spends an authorization code and issues what it yields, as one. The
// code is spent even when its grant holds no more, which is [ErrNotPermitted];
// of several requests with one code all but one get [ErrSpent] (RFC 6749,
// section 4.1.2).
func (s *Store) Redeem(ctx context.Context, code string, i Issue) error {
	args := s.issueArgs(i)
	args["old"] = s.Hash(code)
	return s.exchange(ctx, "redeem authorization code", exchange{
		spend: `UPDATE authorization_codes SET spent_at = @now WHERE hash = @old AND spent_at IS NULL`,
		args:  args, refresh: i.RefreshToken != "",
	})
}

// BurnCode spends an authorization code that was presented wrongly, so that
// there is no second guess. Burning a spent one changes nothing.
func (s *Store) BurnCode(ctx context.Context, code string) error {
	err := s.db.With(ctx).Exec(`UPDATE authorization_codes SET spent_at = @now WHERE hash = @code AND spent_at IS NULL`,
		map[string]any{"now": s.db.Now(), "code": s.Hash(code)}).Error
	return storage.Err("burn authorization code", err)
}
