package grant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// Token is an access or refresh token as it is read for a decision.
type Token struct {
	Kind      seal.Kind // seal.AccessToken or seal.RefreshToken
	Scope     string    // space-separated
	Audience  string    // space-separated
	CreatedAt time.Time
	ExpiresAt time.Time
	Grant     Grant `gorm:"embedded;embeddedPrefix:grant_"`
	// The account that the token acts for; empty when the client acts for
	// itself. Claims is the JSON of the account's claims.
	Username         string
	AccountClaims    string
	AccountUpdatedAt *time.Time
	// Live reports whether the token is good at the moment of the statement.
	Live bool
	// RegisteredScope is the scope of the client's registration at the moment of
	// the statement.
	RegisteredScope string
	// ParentScope is that of the client of the grant's parent, nil where it has
	// no parent.
	ParentScope *string
	// ApprovedScope and ParentApproved are what an administrator narrowed each
	// of the two to, empty for nothing.
	ApprovedScope  string
	ParentApproved string
	// UserinfoJWT reports whether the client is registered to get userinfo as a
	// JSON Web Token.
	UserinfoJWT bool `gorm:"column:userinfo_jwt"`
}

// EffectiveScope is the token's scope without what the client has lost since,
// or the client of the grant's parent.
func (t *Token) EffectiveScope() []string {
	scope := strings.Fields(t.Scope)
	if t.Scope != t.RegisteredScope { // which it mostly is
		scope = within(scope, t.RegisteredScope)
	}
	if t.ParentScope != nil {
		scope = within(scope, *t.ParentScope)
	}
	for _, approved := range []string{t.ApprovedScope, t.ParentApproved} {
		if approved != "" {
			scope = within(scope, approved)
		}
	}
	return scope
}

// WithheldScope is the registered scope that the client was approved without.
func (t *Token) WithheldScope() []string {
	if t.ApprovedScope == "" {
		return nil
	}
	approved := strings.Fields(t.ApprovedScope)
	return slices.DeleteFunc(strings.Fields(t.RegisteredScope), func(s string) bool { return slices.Contains(approved, s) })
}

func within(scope []string, registered string) []string {
	all := strings.Fields(registered)
	return slices.DeleteFunc(scope, func(s string) bool { return !slices.Contains(all, s) })
}

// PublicUsername is the username as resource servers read it: none beside a
// pairwise subject, because sectors could tell by it that two are one person.
func (t *Token) PublicUsername() string {
	if t.Grant.Subject != t.Grant.AccountID {
		return ""
	}
	return t.Username
}

// tokenRows selects the token with hash @token from one of the two tables.
// Whatever makes a token dead is part of it: an expired, revoked or used token
// is not live, and neither is one whose grant holds no more.
var tokenRows = map[seal.Kind]string{
	seal.AccessToken: `
		SELECT 'at' AS kind, t.scope, t.audience, t.created_at, t.expires_at, ` + columns + `,
			a.username, a.claims AS account_claims, a.updated_at AS account_updated_at,
			COALESCE(t.revoked_at IS NULL AND t.expires_at > @now AND #live, false) AS live, `,
	seal.RefreshToken: `
		SELECT 'rt' AS kind, g.scope, g.audience, t.created_at, t.expires_at, ` + columns + `,
			a.username, a.claims AS account_claims, a.updated_at AS account_updated_at,
			COALESCE(t.used_at IS NULL AND t.expires_at > @now AND #live, false) AS live, `,
}

// tokenTables are the tables of the two kinds.
var tokenTables = map[seal.Kind]string{seal.AccessToken: "access_tokens", seal.RefreshToken: "refresh_tokens"}

// registered selects what Token.RegisteredScope and Token.UserinfoJWT say.
var registered = map[storage.Dialect]string{
	storage.SQLite: `c.approved_scope, COALESCE(json_extract(c.metadata, '$.scope'), '') AS registered_scope,
		COALESCE(json_extract(c.metadata, '$.userinfo_signed_response_alg'), json_extract(c.metadata, '$.userinfo_encrypted_response_alg')) IS NOT NULL AS userinfo_jwt`,
	storage.PostgreSQL: `c.approved_scope, COALESCE(c.metadata::json ->> 'scope', '') AS registered_scope,
		COALESCE(c.metadata::json ->> 'userinfo_signed_response_alg', c.metadata::json ->> 'userinfo_encrypted_response_alg') IS NOT NULL AS userinfo_jwt`,
}

// parents selects what Token.ParentScope and Token.ParentApproved say.
var parents = map[storage.Dialect]string{
	storage.SQLite:     parentsOf(`json_extract(pc.metadata, '$.scope')`),
	storage.PostgreSQL: parentsOf(`pc.metadata::json ->> 'scope'`),
}

func parentsOf(scope string) string {
	return `, CASE WHEN g.parent_id IS NOT NULL THEN (SELECT COALESCE(` + scope + `, '')
			FROM grants pg JOIN clients pc ON pc.id = pg.client_id WHERE pg.id = g.parent_id) END AS parent_scope,
		COALESCE((SELECT pc.approved_scope
			FROM grants pg JOIN clients pc ON pc.id = pg.client_id WHERE pg.id = g.parent_id), '') AS parent_approved`
}

// noParents are the same columns of a grant that has none.
const noParents = `, NULL AS parent_scope, '' AS parent_approved`

// queries are those for a token, put together once.
type queries struct {
	root  map[seal.Kind]string // to which the tokens of other grants are not live
	child string               // for an access token of any grant
}

var tokenQueries = map[storage.Dialect]queries{
	storage.SQLite: queriesOf(storage.SQLite), storage.PostgreSQL: queriesOf(storage.PostgreSQL),
}

func queriesOf(d storage.Dialect) queries {
	q := queries{root: map[seal.Kind]string{}, child: tokenQuery(seal.AccessToken, Live, registered[d]+parents[d])}
	for kind := range tokenRows {
		q.root[kind] = tokenQuery(kind, LiveRoot, registered[d]+noParents)
	}
	return q
}

func tokenQuery(kind seal.Kind, live, clients string) string {
	return strings.Replace(tokenRows[kind], "#live", live, 1) + clients + `
		FROM ` + tokenTables[kind] + ` t JOIN grants g ON g.id = t.grant_id` + Standing + `
		WHERE t.hash = @token`
}

// TokenColumns are the columns that [Store.TokenQuery] selects.
var TokenColumns = append([]string{
	"kind", "scope", "audience", "created_at", "expires_at", "username", "account_claims", "account_updated_at", "live", "registered_scope", "parent_scope", "approved_scope", "parent_approved", "userinfo_jwt",
}, grantColumns...)

// grantColumns are the names that columns gives a grant's columns.
var grantColumns = []string{
	"grant_id", "grant_kind", "grant_client_id", "grant_client_epoch", "grant_account_id", "grant_account_epoch",
	"grant_session_id", "grant_subject", "grant_scope", "grant_audience", "grant_claims", "grant_nonce", "grant_acr",
	"grant_amr", "grant_auth_time", "grant_offline", "grant_confirmation", "grant_created_at", "grant_expires_at", "grant_revoked_at", "grant_parent_id", "grant_parent_hash",
}

// TokenKind tells from its shape what kind of token this is. A token of
// neither kind, or with a wrong checksum, was never issued. An access token may
// be a JSON Web Token (RFC 9068), which is looked up like any other.
func TokenKind(token string) (seal.Kind, bool) {
	for _, kind := range []seal.Kind{seal.AccessToken, seal.RefreshToken} {
		if seal.WellFormed(kind, token) {
			return kind, true
		}
	}
	if isJWT(token) {
		return seal.AccessToken, true
	}
	return "", false
}

// maxJWT is longer than any JSON Web Token that was issued.
const maxJWT = 8 << 10

// isJWT reports whether the token has the shape of a JSON Web Token. Whether
// it is one of ours its hash decides: that of what was issued, to the byte.
func isJWT(token string) bool {
	if len(token) > maxJWT || !strings.HasPrefix(token, "eyJ") || strings.Count(token, ".") != 2 {
		return false
	}
	return !strings.ContainsFunc(token, notCompact)
}

func notCompact(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.'
}

// TokenQuery returns the query for a token of this kind, for a statement that
// reads more than the token, and the arguments that it takes. A token whose
// grant is no root is not live to it: read it by [Store.ChildQuery].
func (s *Store) TokenQuery(kind seal.Kind, token string) (query string, args map[string]any) {
	return tokenQueries[s.db.Dialect()].root[kind], s.tokenArgs(token)
}

// ChildQuery is [Store.TokenQuery] for an access token of any grant.
func (s *Store) ChildQuery(token string) (query string, args map[string]any) {
	return tokenQueries[s.db.Dialect()].child, s.tokenArgs(token)
}

func (s *Store) tokenArgs(token string) map[string]any {
	return map[string]any{"token": s.Hash(token), "now": s.db.Now()}
}

// AccessToken returns a live access token; anything else is
// [storage.ErrNotFound].
func (s *Store) AccessToken(ctx context.Context, token string) (*Token, error) {
	if kind, _ := TokenKind(token); kind != seal.AccessToken {
		return nil, fmt.Errorf("get access token: %w", storage.ErrNotFound)
	}
	query, args := s.TokenQuery(seal.AccessToken, token)
	found, err := storage.Select[Token](ctx, s.db, query, args)
	if err == nil && len(found) > 0 && !found[0].Grant.IsRoot() {
		query, args = s.ChildQuery(token)
		found, err = storage.Select[Token](ctx, s.db, query, args)
	}
	t, err := one("get access token", found, err)
	if err == nil && !t.Live {
		return nil, fmt.Errorf("get access token: %w", storage.ErrNotFound)
	}
	return t, err
}

// Bearer is an access token with what the account behind it may do, both at
// the moment of the statement.
type Bearer struct {
	Token `gorm:"embedded"`
	// AccountPermissions is the JSON of the account's permissions, empty when
	// the client acts for itself.
	AccountPermissions string
}

// Bearer returns a live access token with the permissions of its account, read
// in one statement; anything else is [storage.ErrNotFound].
func (s *Store) Bearer(ctx context.Context, token string) (*Bearer, error) {
	if kind, _ := TokenKind(token); kind != seal.AccessToken {
		return nil, fmt.Errorf("get access token: %w", storage.ErrNotFound)
	}
	query, args := s.ChildQuery(token)
	found, err := storage.Select[Bearer](ctx, s.db, `SELECT x.*, holder.permissions AS account_permissions
		FROM (`+query+`) x LEFT JOIN accounts holder ON holder.id = x.grant_account_id`, args)
	b, err := one("get access token", found, err)
	if err == nil && !b.Live {
		return nil, fmt.Errorf("get access token: %w", storage.ErrNotFound)
	}
	return b, err
}

// RevokeAccessToken ends one access token. Ending a dead one is no error.
func (s *Store) RevokeAccessToken(ctx context.Context, token string) error {
	err := s.db.With(ctx).Exec(`UPDATE access_tokens SET revoked_at = @now WHERE hash = @token AND revoked_at IS NULL`,
		map[string]any{"now": s.db.Now(), "token": s.Hash(token)}).Error
	return storage.Err("revoke access token", err)
}

// Revoke ends a grant with every code and token of it. Ending a dead one is no
// error.
func (s *Store) Revoke(ctx context.Context, grantID string) error {
	err := s.db.With(ctx).Exec(`UPDATE grants SET revoked_at = @now WHERE id = @grant AND revoked_at IS NULL`,
		map[string]any{"now": s.db.Now(), "grant": grantID}).Error
	return storage.Err("revoke grant", err)
}

// End ends the grant of a token, with everything else of it: of an access
// token, a refresh token or token credentials of OAuth 1.0a. Ending a dead one
// is no error, nor one that is not known.
func (s *Store) End(ctx context.Context, token string) error {
	err := s.db.With(ctx).Exec(`UPDATE grants SET revoked_at = @now WHERE revoked_at IS NULL AND id IN (
		SELECT grant_id FROM access_tokens WHERE hash = @token
		UNION ALL SELECT grant_id FROM refresh_tokens WHERE hash = @token
		UNION ALL SELECT grant_id FROM token_credentials WHERE hash = @token)`,
		map[string]any{"now": s.db.Now(), "token": s.Hash(token)}).Error
	return storage.Err("end the grant of a token", err)
}
