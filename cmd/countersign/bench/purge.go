package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

const (
	// waves are the parts in which what is deleted expires, one each minute, shortly
	// before the server looks for it: it deletes for a part of each minute and has
	// nothing to delete for the rest, so that the two are compared in turns on a
	// machine that is not equally fast at all times.
	waves     = 16
	waveEvery = time.Minute
	// fillPatience is how long it may take to fill the database, from the start of
	// the server on, which looks for the third time five seconds later.
	fillPatience = 2*waveEvery - 5*time.Second
	// quietBefore is how long before the first wave is measured, as long as between
	// two of them: a table that was just filled is faster at first.
	quietBefore = waveEvery / 2
	// quietAfter is how long before another wave would come nothing more is measured.
	quietAfter = 10 * time.Second
	// purgePatience is how long after the last wave all must be deleted.
	purgePatience = 10 * time.Minute
)

// expired fills a database with grants of a client that end in waves, each grant
// with its access token. Within a wave they end a few microseconds after one
// another: what ends at one moment is put in order before some of it is deleted.
var expired = []string{
	`INSERT INTO grants (id, kind, client_id, client_epoch, subject, scope, audience, offline, confirmation, created_at, expires_at)
		SELECT 'over-' || n, 'client_credentials', c.id, c.epoch, c.id, 'api', '', false, '', now() - interval '2 days', ` + wave + `
		FROM generate_series(0, $1::bigint - 1) n, (SELECT * FROM clients ORDER BY id LIMIT 1) c`,
	`INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at)
		SELECT 'over-' || n, sha256(('over ' || n)::bytea), 'api', '', now() - interval '2 days', ` + wave + ` FROM generate_series(0, $1::bigint - 1) n`,
}

const wave = `$2::timestamptz + (n / $3::bigint) * interval '1 minute' + n % $3::bigint * interval '10 us'`

// overdue counts what has expired since $1 and is still there.
const overdue = `SELECT (SELECT count(*) FROM grants WHERE expires_at BETWEEN $1 AND now())
	+ (SELECT count(*) FROM access_tokens WHERE expires_at BETWEEN $1 AND now())`

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
	serve := i.command("serve")
	// What the load itself is given does not expire while it is measured.
	serve.env = append(serve.env, "COUNTERSIGN_ACCESS_TOKEN_LIFETIME=1h")
	server, stop, err := l.serve(ctx, i, serve)
	if err != nil {
		return err
	}
	defer stop()
	p := &purging{lab: l, db: db, server: server, base: time.Now().Add(fillPatience)}
	if p.load.Scenario, err = driver.Find("cc"); err != nil {
		return err
	}
	p.load.Concurrency, p.load.Warm, p.load.For = 16, o.warm, o.benchtime
	if err := p.fill(ctx, o.expired); err != nil {
		return err
	}
	c, err := p.measure(ctx)
	if err != nil {
		return err
	}
	s, err := c.section(o.expired)
	if err != nil {
		return err
	}
	r.note(s)
	return nil
}

// purging is a server that deletes while it serves.
type purging struct {
	*lab
	db     *sql.DB
	server *driver.Server
	load   driver.Load
	base   time.Time // the first wave
}

var (
	errFilledLate = errors.New("what was to expire had begun to before all of it was there")
	errNotDeleted = errors.New("the server did not delete what has expired in time")
	errNoTurn     = errors.New("the server was deleting all the time, and nothing is there to compare with: the run is too large for this machine")
)

func (p *purging) fill(ctx context.Context, rows int) error {
	for _, statement := range expired {
		if _, err := p.db.ExecContext(ctx, statement, rows, p.base, (rows+waves-1)/waves); err != nil {
			return fmt.Errorf("fill the database with what will expire: %w", err)
		}
	}
	if _, err := p.db.ExecContext(ctx, "VACUUM ANALYZE"); err != nil {
		return fmt.Errorf("fill the database with what will expire: %w", err)
	}
	if time.Now().After(p.base) {
		return errFilledLate
	}
	return nil
}

// measure measures until the last wave is deleted, and some time after it. The
// load is there before.
func (p *purging) measure(ctx context.Context) (*course, error) {
	for time.Until(p.base) > quietBefore && ctx.Err() == nil {
		if _, err := driver.Run(p.server, p.load); err != nil {
			return nil, err
		}
	}
	c := &course{asked: time.Now()}
	for end := p.base.Add(waves*waveEvery - quietAfter); ; {
		one, err := driver.Run(p.server, p.load)
		if err != nil {
			return nil, err
		}
		left, err := p.overdue(ctx)
		if err != nil {
			return nil, err
		}
		p.log.InfoContext(ctx, "measured", slog.Int64("overdue", left), slog.Float64("per_second", one.PerSecond))
		now := time.Now()
		c.take(one, left, now)
		switch {
		case left == 0 && now.After(end):
			return c, nil
		case now.After(end.Add(purgePatience)), ctx.Err() != nil:
			return nil, errors.Join(errNotDeleted, ctx.Err())
		}
	}
}

func (p *purging) overdue(ctx context.Context) (left int64, err error) {
	if err := p.db.QueryRowContext(ctx, overdue, p.base.Add(-time.Second)).Scan(&left); err != nil {
		return 0, fmt.Errorf("count what has expired: %w", err)
	}
	return left, nil
}

// side is what was measured, some seconds each time.
type side []*driver.Result

func (s side) mean(of func(*driver.Result) float64) (mean float64) {
	for _, one := range s {
		mean += of(one) / float64(len(s))
	}
	return mean
}

func (s side) perSecond() float64 {
	return s.mean(func(one *driver.Result) float64 { return one.PerSecond })
}

func (s side) row(name string, more ...any) []any {
	p99 := s.mean(func(one *driver.Result) float64 { return one.P99 })
	var faults int64
	for _, one := range s {
		faults += one.Errors
	}
	return append([]any{name, fmt.Sprintf("%.0f", s.perSecond()), fixed(p99), faults}, more...)
}

// turn is what was measured while nothing was deleted, and then while something
// was.
type turn struct{ quiet, deleting side }

// course sorts what is measured into turns.
type course struct {
	turns   []*turn
	left    int64 // of what has expired, when last asked
	going   bool  // whether something was deleted until then
	asked   time.Time
	deleted int64 // within took
	took    time.Duration
}

// take takes what was measured until so much was left. What was measured while the
// server began to delete, or came to the end, belongs to neither side.
func (c *course) take(one *driver.Result, left int64, now time.Time) {
	gone, going, took := c.left-left, c.going, now.Sub(c.asked)
	c.left, c.going, c.asked = left, gone > 0, now
	switch {
	case gone == 0:
		c.quiet(one)
	case gone > 0 && going && left > 0 && len(c.turns) > 0:
		last := c.turns[len(c.turns)-1]
		last.deleting = append(last.deleting, one)
		c.deleted, c.took = c.deleted+gone, c.took+took
	}
}

func (c *course) quiet(one *driver.Result) {
	if n := len(c.turns); n == 0 || len(c.turns[n-1].deleting) > 0 {
		c.turns = append(c.turns, &turn{})
	}
	last := c.turns[len(c.turns)-1]
	last.quiet = append(last.quiet, one)
}

// section is what the report says: the sums, and the middle of the turns, each of
// which is compared with what came before it and after it.
func (c *course) section(grants int) (section, error) {
	var ratios []float64
	var all turn
	for i, t := range c.turns {
		all.quiet, all.deleting = append(all.quiet, t.quiet...), append(all.deleting, t.deleting...)
		if len(t.deleting) > 0 && i+1 < len(c.turns) {
			beside := (t.quiet.perSecond() + c.turns[i+1].quiet.perSecond()) / 2
			ratios = append(ratios, t.deleting.perSecond()/beside)
		}
	}
	if len(ratios) < waves/2 {
		return section{}, fmt.Errorf("%d of %d waves: %w", len(ratios), waves, errNoTurn)
	}
	slices.Sort(ratios)
	return section{
		Title: fmt.Sprintf("client_credentials while %d expired grants with a token each are deleted, in %d turns", grants, len(ratios)),
		Head:  []string{"", "tokens a second", "p99 ms", "errors", "of quiet in the middle turn", "least", "most", "rows deleted a second"},
		Rows: [][]any{
			all.quiet.row("quiet", "", "", "", ""),
			all.deleting.row("while deleting", fixed(ratios[len(ratios)/2]), fixed(ratios[0]), fixed(ratios[len(ratios)-1]),
				fmt.Sprintf("%.0f", float64(c.deleted)/c.took.Seconds())),
		},
	}, nil
}
