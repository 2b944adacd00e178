package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
)

// bulk fills a database with what is shaped as the server's own rows, so that
// its tables and indexes are as large as they would be: $1 clients and as many
// people, $2 grants, of which every second one is a person's, with a refresh
// token, and a tenth as many live sessions, each with a client that was signed
// in to, and consents. What lives for moments, as authorization codes do, is as
// little as ever.
var bulk = []struct{ what, statement string }{
	{"clients", `INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
		SELECT 'bulk-' || n, c.type, c.name || ' ' || n, c.status, c.metadata, c.secrets, c.consent_digest, c.created_at, c.created_by, c.updated_at, c.status_at
		FROM generate_series(1, $1::bigint) n, (SELECT * FROM clients ORDER BY id LIMIT 1) c`},
	{"accounts", `INSERT INTO accounts (id, username, username_key, password_hash, permissions, claims, created_at, updated_at, password_changed_at)
		SELECT 'bulk-' || n, 'bulk-' || n, 'bulk-' || n, a.password_hash, a.permissions, a.claims, a.created_at, a.updated_at, a.password_changed_at
		FROM generate_series(1, $1::bigint) n, (SELECT * FROM accounts ORDER BY id LIMIT 1) a`},
	{"sessions", `INSERT INTO sessions (id, hash, account_id, account_epoch, auth_time, acr, amr, ip, created_at, user_agent, last_seen_at, expires_at)
		SELECT 'bulk-' || n, sha256(('session ' || n)::bytea), 'bulk-' || 1 + n % $1::bigint, 0, now(), '1', '["pwd"]', '192.0.2.1', now(), 'bulk', now(), now() + interval '1 day'
		FROM generate_series(1, $2::bigint / 10) n`},
	{"sessions' clients", `INSERT INTO session_clients (session_id, client_id, subject, created_at)
		SELECT 'bulk-' || n, 'bulk-' || 1 + n % $1::bigint, 'bulk-' || 1 + n % $1::bigint, now() FROM generate_series(1, $2::bigint / 10) n`},
	{"consents", `INSERT INTO consents (account_id, client_id, scope, created_at, digest, updated_at)
		SELECT 'bulk-' || 1 + n % $1::bigint, 'bulk-' || 1 + (n + n / $1::bigint) % $1::bigint, 'openid profile email offline_access', now(), '', now()
		FROM generate_series(1, $2::bigint / 10) n`},
	{"clients' grants", `INSERT INTO grants (id, kind, client_id, client_epoch, subject, scope, offline, created_at, expires_at)
		SELECT 'bulk-' || n, 'client_credentials', 'bulk-' || 1 + n % $1::bigint, 0, 'bulk-' || 1 + n % $1::bigint, 'api', false, now(), now() + interval '1 day'
		FROM generate_series(1, $2::bigint, 2) n`},
	{"people's grants", `INSERT INTO grants (id, kind, client_id, client_epoch, account_id, session_id, subject, scope, acr, amr, auth_time, offline, created_at, expires_at)
		SELECT 'bulk-' || n, 'authorization_code', 'bulk-' || 1 + n % $1::bigint, 0, s.account_id, s.id, s.account_id, 'openid profile email offline_access', '1', 'pwd', now(), true, now(), now() + interval '30 days'
		FROM generate_series(2, $2::bigint, 2) n JOIN sessions s ON s.id = 'bulk-' || 1 + n % ($2::bigint / 10)`},
	{"access tokens", `INSERT INTO access_tokens (grant_id, hash, scope, created_at, expires_at)
		SELECT 'bulk-' || n, sha256(('bulk ' || n)::bytea), 'api', now(), now() + interval '1 day' FROM generate_series(1, $2::bigint) n WHERE $1::bigint > 0`},
	{"refresh tokens", `INSERT INTO refresh_tokens (grant_id, hash, created_at, expires_at)
		SELECT 'bulk-' || n, sha256(('refresh ' || n)::bytea), now(), now() + interval '30 days' FROM generate_series(2, $2::bigint, 2) n WHERE $1::bigint > 0`},
}

func (l *lab) fill(ctx context.Context, name string, o options) error {
	db, err := l.postgres.open(name)
	if err != nil {
		return fmt.Errorf("open the database to fill: %w", err)
	}
	defer func() { _ = db.Close() }()
	for _, one := range bulk {
		rows, err := insert(ctx, db, one.statement, o)
		if err != nil {
			return fmt.Errorf("fill the database with %s: %w", one.what, err)
		}
		l.log.InfoContext(ctx, "filled", slog.String("with", one.what), slog.Int64("rows", rows))
	}
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} { // or either would fall into a run
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("fill the database: %w", err)
		}
	}
	return nil
}

// insert passes the numbers that the statement uses: PostgreSQL takes no other.
func insert(ctx context.Context, db *sql.DB, statement string, o options) (rows int64, err error) {
	args := []any{o.clients}
	if strings.Contains(statement, "$2") {
		args = append(args, o.grants)
	}
	res, err := db.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
