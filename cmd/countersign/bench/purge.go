package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

// purgePatience is how long the server may take to delete a thousand rows.
const purgePatience = 2 * time.Second

// expired fills a database with grants of a client that are over, each with its
// access token, as many as said. They ended a millisecond after one another: what
// ends at one moment is put in order before some of it is deleted.
var expired = []string{
	`INSERT INTO grants (id, kind, client_id, client_epoch, subject, scope, audience, offline, confirmation, created_at, expires_at)
		SELECT 'over-' || n, 'client_credentials', c.id, c.epoch, c.id, 'api', '', false, '', now() - interval '2 days', now() - interval '1 day' + n * interval '1 ms'
		FROM generate_series(1, $1::bigint) n, (SELECT * FROM clients ORDER BY id LIMIT 1) c`,
	`INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
		SELECT 'over-' || n, sha256(('over ' || n)::bytea), 'api', '', now() - interval '2 days', now() - interval '1 day' + n * interval '1 ms' FROM generate_series(1, $1::bigint) n`,
	`VACUUM ANALYZE`,
}

const stillThere = `SELECT (SELECT count(*) FROM grants WHERE expires_at < now() - interval '1 hour')
	+ (SELECT count(*) FROM access_tokens WHERE expires_at < now() - interval '1 hour')`

// purges measures what it costs who gets tokens that the server deletes what
// has expired.
func purges(ctx context.Context, l *lab, o options, r *report) error {
	const name = "bench_purge"
	if err := l.postgres.create(ctx, name); err != nil {
		return err
	}
	i := &installation{name: "purge", binary: l.built.countersign, folder: l.folder, database: l.postgres.of(name)}
	if err := i.install(ctx, 1); err != nil {
		return err
	}
	db, err := l.postgres.open(name)
	if err != nil {
		return fmt.Errorf("open the database to fill: %w", err)
	}
	defer func() { _ = db.Close() }()
	server, stop, err := l.serve(ctx, i, i.command("serve"))
	if err != nil {
		return err
	}
	defer stop()
	p := &purging{lab: l, db: db, server: server}
	if p.load.Scenario, err = driver.Find("cc"); err != nil {
		return err
	}
	p.load.Concurrency, p.load.Warm, p.load.For = 16, o.warm, 2*o.benchtime
	return p.measure(ctx, o.expired, r)
}

// purging is a server that deletes while it serves.
type purging struct {
	*lab
	db     *sql.DB
	server *driver.Server
	load   driver.Load
}

func (p *purging) measure(ctx context.Context, rows int, r *report) error {
	quiet, err := driver.Run(p.server, p.load)
	if err != nil {
		return err
	}
	for _, statement := range expired {
		var args []any
		if statement != "VACUUM ANALYZE" {
			args = append(args, rows)
		}
		if _, err := p.db.ExecContext(ctx, statement, args...); err != nil {
			return fmt.Errorf("fill the database with what has expired: %w", err)
		}
	}
	during, deleted, seconds, err := p.during(ctx, rows)
	if err != nil {
		return err
	}
	after, err := driver.Run(p.server, p.load)
	if err != nil {
		return err
	}
	s := section{
		Title: fmt.Sprintf("client_credentials while %d expired grants with a token each are deleted", rows),
		Head:  []string{"", "tokens a second", "of quiet", "p99 ms", "errors", "rows deleted a second"},
	}
	rate := (quiet.PerSecond + after.PerSecond) / 2
	for _, one := range []struct {
		name    string
		result  *driver.Result
		deleted string
	}{{"quiet", quiet, ""}, {"while deleting", during, fmt.Sprintf("%.0f", float64(deleted)/seconds)}, {"quiet again", after, ""}} {
		s.Rows = append(s.Rows, []any{one.name, fmt.Sprintf("%.0f", one.result.PerSecond), fixed(one.result.PerSecond / rate), fixed(one.result.P99), one.result.Errors, one.deleted})
	}
	r.note(s)
	return nil
}

var errNotDeleted = errors.New("the server did not delete what has expired in time")

// during measures one time after another until all is deleted, and returns the
// mean of those in which something was.
func (p *purging) during(ctx context.Context, rows int) (mean *driver.Result, deleted int64, seconds float64, err error) {
	mean = &driver.Result{}
	left, times := int64(2*rows), 0
	for end := time.Now().Add(5*time.Minute + time.Duration(2*rows/1000)*purgePatience); left > 0; {
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, 0, 0, errors.Join(errNotDeleted, ctx.Err())
		}
		one, err := driver.Run(p.server, p.load)
		if err != nil {
			return nil, 0, 0, err
		}
		before := left
		if err := p.db.QueryRowContext(ctx, stillThere).Scan(&left); err != nil {
			return nil, 0, 0, fmt.Errorf("count what has expired: %w", err)
		}
		if before == left {
			continue
		}
		p.log.InfoContext(ctx, "deleted", slog.Int64("rows", before-left), slog.Int64("left", left), slog.Float64("per_second", one.PerSecond))
		times++
		mean.PerSecond += (one.PerSecond - mean.PerSecond) / float64(times)
		mean.P99, mean.Errors = max(mean.P99, one.P99), mean.Errors+one.Errors
		deleted, seconds = deleted+before-left, seconds+one.Seconds
	}
	return mean, deleted, seconds, nil
}
