package grant

import (
	"context"
	"time"

	"countersign/storage"
)

// Refresh is a refresh token that was issued.
type Refresh struct {
	CreatedAt time.Time
	ExpiresAt time.Time // when unused
	UsedAt    *time.Time
	Grant     Grant `gorm:"embedded;embeddedPrefix:grant_"`
	// Live reports whether its grant holds, the token's own age and use apart.
	Live bool
}

// RefreshColumns are the columns that [Store.RefreshQuery] selects.
var RefreshColumns = append([]string{"created_at", "expires_at", "used_at", "live"}, grantColumns...)

var refreshByHash = `
	SELECT rt.created_at, rt.expires_at, rt.used_at, COALESCE(` + LiveRoot + `, false) AS live, ` + columns + `
	FROM refresh_tokens rt JOIN grants g ON g.id = rt.grant_id` + Standing + `
	WHERE rt.hash = @token`

// RefreshQuery returns the query for a refresh token, for a statement that
// reads more than that, and the arguments that it takes.
func (s *Store) RefreshQuery(token string) (query string, args map[string]any) {
	return refreshByHash, map[string]any{"token": s.Hash(token), "now": s.db.Now()}
}

// Refresh returns the refresh token, used or not; [storage.ErrNotFound] when
// it was never issued, is long gone, or its client was removed.
func (s *Store) Refresh(ctx context.Context, token string) (*Refresh, error) {
	query, args := s.RefreshQuery(token)
	found, err := storage.Select[Refresh](ctx, s.db, query, args)
	return one("get refresh token", found, err)
}

// Rotate spends a refresh token for the next tokens, as one. Of several
// requests with one token all but one get [ErrSpent]; [ErrNotPermitted] means
// that the grant holds no more.
func (s *Store) Rotate(ctx context.Context, old string, i Issue) error {
	args := s.issueArgs(i)
	args["old"] = s.Hash(old)
	return s.exchange(ctx, "rotate refresh token", exchange{
		spend: `UPDATE refresh_tokens SET used_at = @now WHERE hash = @old AND used_at IS NULL`,
		args:  args, refresh: true, child: true,
	})
}

// Keep issues an access token on a refresh token that stays the client's, and
// moves its expiry. The refresh token of the issue is not used.
func (s *Store) Keep(ctx context.Context, token string, i Issue) error {
	args := s.issueArgs(i)
	args["old"], args["refresh_expires_at"] = s.Hash(token), i.RefreshTokenExpiresAt
	return s.exchange(ctx, "keep refresh token", exchange{
		spend: `UPDATE refresh_tokens SET expires_at = @refresh_expires_at WHERE hash = @old AND used_at IS NULL AND expires_at > @now`,
		args:  args,
	})
}

// Repeat issues an access token to a client that presents a refresh token
// again whose answer it lost, or that another of its windows was quicker with.
// The token's successor stays the same one. [ErrNotPermitted] means that the
// grant holds no more.
func (s *Store) Repeat(ctx context.Context, old string, i Issue) error {
	args := s.issueArgs(i)
	args["old"] = s.Hash(old)
	kept, err := s.db.Exec(ctx, `
		INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
		SELECT g.id, @access, @scope, @audience, @now, @access_expires_at
		FROM refresh_tokens rt JOIN grants g ON g.id = rt.grant_id`+Standing+`
		WHERE rt.parent_hash = @old AND `+LiveRoot, args)
	return issued("repeat refresh", kept, err)
}

// Successor returns the refresh token that takes the place of token, the same
// one every time.
func (s *Store) Successor(token string) string { return s.keys.Successor(token) }
