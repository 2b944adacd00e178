package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

// target is a server with what counts its statements.
type target struct {
	*driver.Server
	count func() (int64, error)
	only  []string // the scenarios for which it is, of all it could do; none for all
}

func (t target) isFor(scenario string) bool {
	return len(t.only) == 0 || slices.Contains(t.only, scenario)
}

// accounts are as many as there are workers at most.
func (o options) accounts() int { return slices.Max(o.concurrency) }

// targets installs and starts every server of the run.
func (l *lab) targets(ctx context.Context, o options, pg *cluster, b binaries) ([]target, error) {
	var list []target
	for _, database := range o.databases {
		add := l.onSQLite
		if database == onPostgres {
			add = func(ctx context.Context, o options, b binaries) ([]target, error) { return l.onPostgres(ctx, o, pg, b) }
		}
		more, err := add(ctx, o, b)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	if o.peer != "" {
		peer, err := l.peer(ctx, o.peer)
		if err != nil {
			return nil, err
		}
		list = append(list, target{Server: peer})
	}
	return list, nil
}

func (l *lab) onPostgres(ctx context.Context, o options, pg *cluster, b binaries) ([]target, error) {
	for _, name := range []string{"bench", "bench_floor", "bench_joined"} {
		if err := pg.create(ctx, name); err != nil {
			return nil, err
		}
	}
	i := &installation{name: "countersign, " + onPostgres, binary: b.countersign, database: pg.of("bench"), folder: l.folder}
	if err := i.install(ctx, o.accounts()); err != nil {
		return nil, err
	}
	own, _, err := l.serve(ctx, i, i.cheaply("serve"))
	if err != nil {
		return nil, err
	}
	floor, err := l.floor(ctx, b.floor, "floor, "+onPostgres, "-postgres", pg.of("bench_floor"))
	if err != nil {
		return nil, err
	}
	joining, err := l.floor(ctx, b.floor, "floor, "+onPostgres+joined, "-join", "-postgres", pg.of("bench_joined"))
	if err != nil {
		return nil, err
	}
	reads, flows, err := l.floorBeside(ctx, b.floor, i, own)
	if err != nil {
		return nil, err
	}
	list := []target{
		{own, pg.count(ctx, "bench"), nil},
		{floor, pg.count(ctx, "bench_floor"), nil},
		{joining, pg.count(ctx, "bench_joined"), []string{"cc", "cc_jwt"}},
		{reads, pg.count(ctx, "bench"), []string{"introspect", "discovery", "jwks"}},
		{flows, pg.count(ctx, "bench"), []string{"userinfo", "refresh", "code_live", "device_live"}},
	}
	for _, t := range list {
		t.Processes = append(t.Processes, driver.Process{Name: "database", PID: pg.pid})
	}
	return list, nil
}

func (l *lab) onSQLite(ctx context.Context, o options, b binaries) ([]target, error) {
	i := &installation{name: "countersign, " + onSQLite, binary: b.countersign, database: "sqlite://" + l.path("bench.db"), folder: l.folder}
	if err := i.install(ctx, o.accounts()); err != nil {
		return nil, err
	}
	own, _, err := l.serve(ctx, i, i.cheaply("serve"))
	if err != nil {
		return nil, err
	}
	floor, err := l.floor(ctx, b.floor, "floor, "+onSQLite, "-sqlite", l.path("floor.db"))
	return []target{{Server: own}, {Server: floor}}, err
}

// rounds are how often each server takes its turn with a load.
const rounds = 5

// settle is how long a load is on a server before it is measured again.
const settle = 200 * time.Millisecond

// measure puts every scenario on all servers, which take turns of less than a
// second: what is compared was measured at the same time, nearly.
func (l *lab) measure(ctx context.Context, o options, targets []target, into *report) error {
	for _, name := range o.scenarios {
		scenario, err := driver.Find(name)
		if err != nil {
			return err
		}
		for _, c := range o.concurrency {
			if err := l.takeTurns(ctx, o, driver.Load{Scenario: scenario, Concurrency: c}, targets, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeTurns puts a load on the servers in turn.
func (l *lab) takeTurns(ctx context.Context, o options, load driver.Load, targets []target, into *report) error {
	all, err := setUp(ctx, load, targets)
	defer func() {
		for _, r := range all {
			r.Close()
		}
	}()
	warm := o.warm
	for range rounds {
		for _, r := range all {
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			err = r.Slice(warm, o.benchtime/rounds)
		}
		warm = min(settle, o.warm)
	}
	for _, r := range all {
		result := r.Result()
		l.tell(ctx, result)
		into.add(*result)
	}
	return err
}

// setUp sets the load up on each server, unless that is one which cannot do it or
// is for another.
func setUp(ctx context.Context, load driver.Load, targets []target) (all []*driver.Running, err error) {
	for _, t := range targets {
		if ctx.Err() != nil || !t.isFor(load.Scenario.Name) {
			continue
		}
		load.Count = t.count
		r, err := driver.Open(t.Server, load)
		if _, lacks := errors.AsType[driver.UnsupportedError](err); lacks {
			continue
		}
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, ctx.Err()
}

func (l *lab) tell(ctx context.Context, r *driver.Result) {
	l.log.InfoContext(ctx, "measured", slog.String("server", r.Server), slog.String("scenario", r.Scenario), slog.Int("concurrency", r.Concurrency),
		slog.String("cpu_ms", fmt.Sprintf("%.3f + %.3f", r.CPU["server"], r.CPU["database"])), slog.Float64("per_second", r.PerSecond),
		slog.Float64("p99_ms", r.P99), slog.Int64("errors", r.Errors), slog.String("first", r.FirstError))
}
