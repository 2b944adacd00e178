package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

const (
	floodRate      = 500 // wrong passwords a second
	beside         = 4   // workers that get tokens meanwhile
	disturbedSince = 2 * time.Second
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

// flood measures in turn: quiet, beside a program that only fills a processor,
// flooded, and quiet again. Hashing fills a processor too: what the program
// does to others is what the kernel's sharing does to them, and no server's
// fault.
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
	stages := []struct {
		name  string
		begin func() (end func() map[string]int, err error)
	}{
		{"quiet", undisturbed},
		{"one processor busy", func() (func() map[string]int, error) { return fillProcessor(ctx) }},
		{"flooded", func() (func() map[string]int, error) { return driver.Flood(server, floodRate) }},
		{"quiet again", undisturbed},
	}
	results, answers := make([]*driver.Result, len(stages)), make([]string, len(stages))
	for n, stage := range stages {
		end, err := stage.begin()
		if err != nil {
			return nil, err
		}
		time.Sleep(disturbedSince)
		results[n], err = driver.Run(server, load)
		answers[n] = shown(end())
		if err != nil {
			return nil, err
		}
	}
	quiet := max(results[0].P99, results[len(results)-1].P99)
	for n, one := range results {
		rows = append(rows, []any{stages[n].name, fmt.Sprintf("%.0f", one.PerSecond), fixed(one.P50), fixed(one.P99), fixed(one.P99 / quiet), one.Errors, answers[n]})
	}
	return rows, nil
}

func undisturbed() (end func() map[string]int, err error) {
	return func() map[string]int { return nil }, nil
}

// fillProcessor runs a program that does nothing and never waits.
func fillProcessor(ctx context.Context) (end func() map[string]int, err error) {
	loop := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
	if err := loop.Start(); err != nil {
		return nil, fmt.Errorf("fill a processor: %w", err)
	}
	return func() map[string]int {
		_ = loop.Process.Kill() // it cannot end before
		_ = loop.Wait()         // and does not end well
		return nil
	}, nil
}

// shown writes how often each answer came.
func shown(answers map[string]int) string {
	var list []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		list = append(list, fmt.Sprintf("%s: %d", status, answers[status]))
	}
	return strings.Join(list, ", ")
}
