package grant

import (
	"context"

	"countersign/storage"
)

// Narrow keeps a further access token of the grant that the access token
// belongs to, if that one is good at this moment; otherwise [ErrNotPermitted].
func (s *Store) Narrow(ctx context.Context, token string, i Issue) error {
	args := s.issueArgs(i)
	args["subject_token"] = s.Hash(token)
	kept, err := s.db.Exec(ctx, `
		INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
		SELECT g.id, @access, @scope, @audience, @now, @access_expires_at
		FROM access_tokens t JOIN grants g ON g.id = t.grant_id`+Standing+`
		WHERE t.hash = @subject_token AND t.revoked_at IS NULL AND t.expires_at > @now AND `+Live, args)
	return issued("narrow access token", kept, err)
}

// derivedGrant takes over whose the parent is and how that person signed in. A
// grant that has a parent has no children: what holds is looked up one level
// up, and no further.
func derivedGrant(hash, token string) string {
	return `
	INSERT INTO grants (id, kind, client_id, client_epoch, account_id, account_epoch, subject, scope, audience,
		acr, amr, auth_time, offline, confirmation, created_at, expires_at, parent_id, parent_hash)
	SELECT @grant, @kind, nc.id, nc.epoch, g.account_id, g.account_epoch, @subject, @scope, @audience,
		g.acr, g.amr, g.auth_time, @offline, @confirmation, @now, @grant_expires_at, g.id, ` + hash + `
	FROM grants g` + Standing + ` JOIN clients nc ON nc.id = @client AND ` + storage.Approved("nc") + ` AND ` + Admitted("nc", "g.account_id") + token + `
	WHERE g.id = @parent AND g.account_id <> '' AND ` + LiveRoot
}

var (
	derivedFromToken = derivedGrant("t.hash", `
		JOIN access_tokens t ON t.hash = @parent_hash AND t.grant_id = g.id AND t.revoked_at IS NULL AND t.expires_at > @now`)
	derivedFromCredentials = derivedGrant("NULL", "")
)

// Derive keeps a grant that stems from its parent, and its access token, if at
// this moment the client is approved, the parent holds and is about an account,
// and the token that it is given for, if any, is good; otherwise
// [ErrNotPermitted]. The scope and audience of the issue are the grant's.
func (s *Store) Derive(ctx context.Context, g Grant, i Issue) error {
	args := s.grantArgs(g)
	args["parent"], args["parent_hash"] = g.ParentID, g.ParentHash
	args["access"], args["access_expires_at"] = s.Hash(i.AccessToken), i.AccessTokenExpiresAt
	grant := derivedFromCredentials
	if g.ParentHash != nil {
		grant = derivedFromToken
	}
	return s.keepGrant(ctx, "derive grant", grant, []string{insertFirstAccess}, args)
}
