package main

import (
	"context"
	"fmt"

	"countersign/cmd/countersign/bench/driver"
)

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
