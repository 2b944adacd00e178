package grant

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign/storage"
)

// Edition tells what one change of a client made of it from what others did.
type Edition struct {
	Version   int64
	UpdatedAt time.Time
}

// own is a grant in which a client acts for itself, and its access token.
type own struct {
	grant Grant
	by    Edition // the client as the request was judged by
	issue Issue
}

// IssueToClient keeps a grant in which the client acts for itself, and its
// access token, if at this moment the client is approved and of this edition;
// otherwise [ErrNotPermitted]. The scope and audience of the issue are the
// grant's. Concurrent requests share a transaction.
func (s *Store) IssueToClient(ctx context.Context, g Grant, by Edition, i Issue) error {
	kept, err := s.owns.Keep(ctx, own{g, by, i})
	if err == nil && !kept {
		return fmt.Errorf("issue token to client: %w", ErrNotPermitted)
	}
	return storage.Err("issue token to client", err)
}

// keepOwns keeps grants of clients for themselves, as one.
func (s *Store) keepOwns(ctx context.Context, all []own) ([]bool, error) {
	if s.db.Dialect() == storage.PostgreSQL {
		return s.keepOwnsInOne(ctx, all)
	}
	kept := make([]bool, len(all))
	err := s.db.InTx(ctx, func(ctx context.Context) (err error) {
		for i, o := range all {
			if kept[i], err = s.keepOwn(ctx, o); err != nil {
				return err
			}
		}
		return nil
	})
	return kept, err
}

var insertOwnGrant = `
	INSERT INTO grants (id, kind, client_id, client_epoch, subject, scope, audience, offline, confirmation, created_at, expires_at)
	SELECT @grant, @kind, c.id, c.epoch, @subject, @scope, @audience, @offline, @confirmation, @now, @grant_expires_at
	FROM clients c WHERE c.id = @client` + ofEdition + ` AND ` + storage.Approved("c")

// ofEdition matches the client as a request was judged by.
const ofEdition = ` AND c.version = @version AND c.updated_at = @updated_at`

const insertOwnAccess = `
	INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
	VALUES (@grant, @access, @scope, @audience, @now, @access_expires_at)`

// keepOwn keeps one of them on SQLite.
func (s *Store) keepOwn(ctx context.Context, o own) (bool, error) {
	args := s.grantArgs(o.grant)
	args["version"], args["updated_at"] = o.by.Version, o.by.UpdatedAt
	args["access"], args["access_expires_at"] = s.Hash(o.issue.AccessToken), o.issue.AccessTokenExpiresAt
	kept, err := s.db.Exec(ctx, insertOwnGrant, args)
	if err != nil || kept == 0 {
		return false, err
	}
	_, err = s.db.Exec(ctx, insertOwnAccess, args)
	return err == nil, err
}

const ownColumns = "id, kind, client_id, version, updated_at, subject, scope, audience, offline, confirmation, expires_at, access, access_expires_at"

// insertOwns is all of them as one PostgreSQL statement: a row for each place
// of the arrays.
var insertOwns = `
	WITH v AS (SELECT ` + ownColumns + ` FROM unnest(@grants::text[], @kinds::text[], @clients::text[], @versions::bigint[], @updates::timestamptz[],
			@subjects::text[], @scopes::text[], @audiences::text[], @offlines::boolean[], @confirmations::text[], @ends::timestamptz[],
			@accesses::bytea[], @access_ends::timestamptz[])
		AS v(` + ownColumns + `)),
	g AS (INSERT INTO grants (id, kind, client_id, client_epoch, subject, scope, audience, offline, confirmation, created_at, expires_at)
		SELECT v.id, v.kind, c.id, c.epoch, v.subject, v.scope, v.audience, v.offline, v.confirmation, @now, v.expires_at
		FROM v JOIN clients c ON c.id = v.client_id AND c.version = v.version AND c.updated_at = v.updated_at
		WHERE ` + storage.Approved("c") + ` RETURNING id),
	t AS (INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
		SELECT g.id, v.access, v.scope, v.audience, @now, v.access_expires_at FROM g JOIN v ON v.id = g.id)
	SELECT id FROM g`

func (s *Store) keepOwnsInOne(ctx context.Context, all []own) ([]bool, error) {
	found, err := storage.Select[string](ctx, s.db, insertOwns, s.ownArgs(all))
	if err != nil {
		return nil, err
	}
	kept := make([]bool, len(all))
	for i, o := range all {
		kept[i] = slices.Contains(found, o.grant.ID)
	}
	return kept, nil
}

func (s *Store) ownArgs(all []own) map[string]any {
	column := func(of func(own) string) []string { return each(all, of) }
	return map[string]any{
		"now":           s.db.Now(),
		"grants":        column(func(o own) string { return o.grant.ID }),
		"kinds":         column(func(o own) string { return o.grant.Kind }),
		"clients":       column(func(o own) string { return o.grant.ClientID }),
		"subjects":      column(func(o own) string { return o.grant.Subject }),
		"scopes":        column(func(o own) string { return o.grant.Scope }),
		"audiences":     column(func(o own) string { return o.grant.Audience }),
		"confirmations": column(func(o own) string { return o.grant.Confirmation }),
		"offlines":      each(all, func(o own) bool { return o.grant.Offline }),
		"ends":          each(all, func(o own) time.Time { return o.grant.ExpiresAt }),
		"versions":      each(all, func(o own) int64 { return o.by.Version }),
		"updates":       each(all, func(o own) time.Time { return o.by.UpdatedAt }),
		"accesses":      each(all, func(o own) []byte { return s.Hash(o.issue.AccessToken) }),
		"access_ends":   each(all, func(o own) time.Time { return o.issue.AccessTokenExpiresAt }),
	}
}

func each[T, V any](list []T, of func(T) V) []V {
	values := make([]V, len(list))
	for i, one := range list {
		values[i] = of(one)
	}
	return values
}
