package grant

import (
	"context"
	"strconv"

	"countersign/storage"
)

// Principal is an account that allowed a client something, which is remembered.
type Principal struct {
	AccountID string
	Epoch     int64  // of the account
	Scope     string // that it allowed, space-separated
	Digest    string // of the consent
	// Client is the one that was allowed it, as the request is judged by.
	Client Edition `gorm:"-"`
}

// Bound is the digest of a consent that ends when the account's epoch does, of
// the digest of what was consented to.
func Bound(digest string, epoch int64) string { return digest + "@" + strconv.FormatInt(epoch, 10) }

// BoundTo is [Bound] in SQL, of a digest and of the account with the name.
func BoundTo(digest, account string) string {
	return digest + ` || '@' || CAST(` + account + `.epoch AS TEXT)`
}

var principal = `
	SELECT a.id AS account_id, a.epoch, k.scope, k.digest FROM accounts a JOIN consents k ON k.account_id = @account
	WHERE a.id = @account AND a.disabled_at IS NULL AND k.client_id = @client AND k.digest = ` + BoundTo("@digest", "a")

// Principal returns the account with the identifier, if it is enabled and since
// its epoch began allowed the client something, by a consent that was bound to
// that, when it looked as the digest says; otherwise [storage.ErrNotFound], which
// does not tell one from the other.
func (s *Store) Principal(ctx context.Context, clientID, digest, accountID string) (*Principal, error) {
	const doing = "get principal"
	if !storage.IsText(accountID) { // PostgreSQL compares neither with anything
		return nil, storage.Err(doing, storage.ErrNotFound)
	}
	found, err := storage.Select[Principal](ctx, s.db, principal, map[string]any{"account": accountID, "client": clientID, "digest": digest})
	if err != nil {
		return nil, storage.Err(doing, err)
	}
	if len(found) == 0 {
		return nil, storage.Err(doing, storage.ErrNotFound)
	}
	return &found[0], nil
}

var grantByConsent = `
	INSERT INTO grants (id, kind, client_id, client_epoch, account_id, account_epoch, subject, scope, audience,
		offline, confirmation, created_at, expires_at)
	SELECT @grant, @kind, c.id, c.epoch, a.id, a.epoch, @subject, @scope, @audience,
		@offline, @confirmation, @now, @grant_expires_at
	FROM clients c, accounts a, consents k
	WHERE c.id = @client` + ofEdition + ` AND ` + storage.Approved("c") + ` AND ` + Admitted("c", "a.id") + `
		AND a.id = @account AND a.disabled_at IS NULL AND a.epoch = @account_epoch
		AND k.account_id = @account AND k.client_id = @client AND k.scope = @allowed AND k.digest = @digest`

// IssueByConsent keeps a grant of a client that acts for somebody who is not
// there, and its access token, once spend has used up what it is given for, in
// the same transaction. It does if at this moment the client is approved and of
// this edition, and the account is what it was when it was read and still allows
// the client what it did; otherwise [ErrNotPermitted]. Whoever withdraws the
// consent at the same time waits for this and ends the grant, or makes it fail.
func (s *Store) IssueByConsent(ctx context.Context, g Grant, of Principal, spend func(context.Context) error, i Issue) error {
	args := s.grantArgs(g)
	args["version"], args["updated_at"] = of.Client.Version, of.Client.UpdatedAt
	args["account_epoch"], args["allowed"], args["digest"] = of.Epoch, of.Scope, of.Digest
	args["access"], args["access_expires_at"] = s.Hash(i.AccessToken), i.AccessTokenExpiresAt
	query := grantByConsent
	if s.db.Dialect() == storage.PostgreSQL {
		query += ` FOR SHARE OF k`
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		if err := spend(ctx); err != nil {
			return err
		}
		return s.keepGrant(ctx, "issue token by consent", query, []string{insertFirstAccess}, args)
	})
}
