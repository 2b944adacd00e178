package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

const (
	floodRate     = 500 // wrong passwords a second
	beside        = 4   // workers that get tokens meanwhile
	floodingSince = 2 * time.Second
)

// floods measures what a flood of wrong passwords, hashed at their real cost,
// does to who gets tokens meanwhile.
func floods(ctx context.Context, l *lab, o options, r *report) error {
	s := section{
		Title: fmt.Sprintf("client_credentials beside %d wrong passwords a second", floodRate),
		Head:  []string{"database", "", "tokens a second", "p50 ms", "p99 ms", "p99 of quiet", "errors", "the flood's answers"},
	}
	for _, database := range o.databases {
		i := &installation{name: "flood, " + database, binary: l.built.countersign, folder: l.folder, database: "sqlite://" + l.path("flood.db")}
		if database == onPostgres {
			if err := l.postgres.create(ctx, "bench_flood"); err != nil {
				return err
			}
			i.database = l.postgres.of("bench_flood")
		}
		if err := i.install(ctx, 1); err != nil {
			return err
		}
		rows, err := l.flood(ctx, i, o)
		if err != nil {
			return err
		}
		for _, row := range rows {
			s.Rows = append(s.Rows, append([]any{database}, row...))
		}
	}
	r.note(s)
	return nil
}

// flood measures in turn: quiet, flooded, and quiet again.
func (l *lab) flood(ctx context.Context, i *installation, o options) (rows [][]any, err error) {
	server, stop, err := l.serve(ctx, i, i.command("serve"))
	if err != nil {
		return nil, err
	}
	defer stop()
	scenario, err := driver.Find("cc")
	if err != nil {
		return nil, err
	}
	load := driver.Load{Scenario: scenario, Concurrency: beside, Warm: o.warm, For: 2 * o.benchtime}
	quiet, err := driver.Run(server, load)
	if err != nil {
		return nil, err
	}
	end, err := driver.Flood(server, floodRate)
	if err != nil {
		return nil, err
	}
	time.Sleep(floodingSince)
	flooded, err := driver.Run(server, load)
	answers := end()
	if err != nil {
		return nil, err
	}
	after, err := driver.Run(server, load)
	if err != nil {
		return nil, err
	}
	row := func(name string, one *driver.Result, answers string) []any {
		return []any{name, fmt.Sprintf("%.0f", one.PerSecond), fixed(one.P50), fixed(one.P99), fixed(one.P99 / max(quiet.P99, after.P99)), one.Errors, answers}
	}
	return [][]any{row("quiet", quiet, ""), row("flooded", flooded, shown(answers)), row("quiet again", after, "")}, nil
}

// shown writes how often each answer came.
func shown(answers map[string]int) string {
	var list []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		list = append(list, fmt.Sprintf("%s: %d", status, answers[status]))
	}
	return strings.Join(list, ", ")
}
