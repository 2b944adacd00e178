package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"countersign/cmd/countersign/bench/driver"
)

// bulk fills a database with what is shaped as the server's own rows, so that
// its indexes are as deep as they would be: $1 are clients, $2 grants. Every
// row is a copy of one that the program made, but for what tells it apart.
var bulk = []struct{ what, statement string }{
	{"clients", `INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
		SELECT 'bulk-' || n, c.type, c.name || ' ' || n, c.status, c.metadata, c.secrets, c.consent_digest, c.created_at, c.created_by, c.updated_at, c.status_at
		FROM generate_series(1, $1::bigint) n, (SELECT * FROM clients ORDER BY id LIMIT 1) c`},
	{"grants", `INSERT INTO grants (id, kind, client_id, client_epoch, subject, scope, audience, offline, confirmation, created_at, expires_at)
		SELECT 'bulk-' || n, 'client_credentials', 'bulk-' || 1 + n % $1::bigint, c.epoch, c.id, 'api', '', false, '', now(), now() + interval '1 day'
		FROM generate_series(1, $2::bigint) n, (SELECT * FROM clients WHERE id = 'bulk-1') c`},
	{"access tokens", `INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
		SELECT 'bulk-' || n, sha256(('bulk ' || n)::bytea), 'api', '', now(), now() + interval '1 day' FROM generate_series(1, $2::bigint) n WHERE $1::bigint > 0`},
}

// growths measures an empty database and a full one, one after the other in
// each scenario.
func growths(ctx context.Context, l *lab, o options, r *report) error {
	var targets []target
	for _, size := range []string{"empty", "full"} {
		name := "bench_" + size
		if err := l.postgres.create(ctx, name); err != nil {
			return err
		}
		i := &installation{name: size, binary: l.built.countersign, folder: l.folder, database: l.postgres.of(name)}
		if err := i.install(ctx, o.accounts()); err != nil {
			return err
		}
		if size == "full" {
			if err := l.fill(ctx, name, o); err != nil {
				return err
			}
		}
		server, _, err := l.serve(ctx, i, i.cheaply("serve"))
		if err != nil {
			return err
		}
		server.Processes = append(server.Processes, driver.Process{Name: "database", PID: l.postgres.pid})
		targets = append(targets, target{Server: server, count: l.postgres.count(ctx, name)})
	}
	before := len(r.results)
	if err := l.measure(ctx, o, targets, r); err != nil {
		return err
	}
	r.note(compared(r.results[before:], o))
	return nil
}

func (l *lab) fill(ctx context.Context, name string, o options) error {
	db, err := l.postgres.open(name)
	if err != nil {
		return fmt.Errorf("open the database to fill: %w", err)
	}
	defer func() { _ = db.Close() }()
	for _, one := range bulk {
		if err := insert(ctx, db, one.statement, o); err != nil {
			return fmt.Errorf("fill the database with %s: %w", one.what, err)
		}
		l.log.InfoContext(ctx, "filled", slog.String("with", one.what))
	}
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} { // or either would fall into a run
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("fill the database: %w", err)
		}
	}
	return nil
}

// insert passes both numbers, of which PostgreSQL wants each to be used.
func insert(ctx context.Context, db *sql.DB, statement string, o options) error {
	args := []any{o.clients}
	if statement != bulk[0].statement {
		args = append(args, o.grants)
	}
	_, err := db.ExecContext(ctx, statement, args...)
	return err
}

// compared holds the full database against the empty one.
func compared(results []driver.Result, o options) section {
	s := section{
		Title: fmt.Sprintf("A database with %d live grants and %d clients beside an empty one", o.grants, o.clients),
		Head:  []string{"scenario", "at once", "empty: CPU-ms", "full: CPU-ms", "server, times", "with the database, times", "p50, times"},
	}
	for _, full := range results {
		for _, empty := range results {
			if full.Server == "full" && empty.Server == "empty" && full.Scenario == empty.Scenario && full.Concurrency == empty.Concurrency {
				s.Rows = append(s.Rows, []any{
					full.Scenario, full.Concurrency, costs(empty), costs(full), fixed(middle(full, empty, serverOnly)),
					fixed(middle(full, empty, sum)), fixed(full.P50 / empty.P50),
				})
			}
		}
	}
	return s
}
