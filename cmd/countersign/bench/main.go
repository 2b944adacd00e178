// Command bench measures the whole program: it builds the server, makes
// databases, accounts and clients by the program's own commands, puts load on
// it, and writes a table. Beside it in the same run are programs to compare it
// with, because figures of one run compare, and those of two do not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

const (
	onPostgres = "PostgreSQL"
	onSQLite   = "SQLite"
)

// options are what a run may be told.
type options struct {
	benchtime, warm time.Duration
	concurrency     []int
	scenarios       []string
	databases       []string
	parts           []string
	peer            string
	out, logs       string
	grants, clients int
	expired         int
}

// parts are what a run consists of, by their names.
var parts = map[string]func(context.Context, *lab, options, *report) error{
	"load": loads, "start": starts, "flood": floods, "growth": growths, "purge": purges,
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err == nil {
		err = run(o, log)
	}
	if err != nil {
		log.Error("the benchmark ended early", "cause", err.Error())
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.DurationVar(&o.benchtime, "benchtime", 3*time.Second, "measured `time` of each run")
	flags.DurationVar(&o.warm, "warm", time.Second, "`time` of each run before it is measured")
	concurrency := flags.String("c", "1,16,64", "`list` of how many work at once")
	scenarios := flags.String("scenarios", "all", "`list` of "+strings.Join(names(), ", "))
	databases := flags.String("databases", onPostgres+","+onSQLite, "`list` of databases")
	list := flags.String("parts", "load,start,flood", "`list` of load, start, flood, growth, purge")
	flags.StringVar(&o.peer, "peer", "", "a `server` beside: "+peerName+", or a JSON file that describes one")
	flags.StringVar(&o.out, "out", "", "`folder` for bench.md and bench.jsonl")
	flags.StringVar(&o.logs, "logs", "", "`folder` for the servers' logs")
	flags.IntVar(&o.grants, "grants", 10_000_000, "live `grants` for growth")
	flags.IntVar(&o.clients, "clients", 100_000, "`clients` for growth")
	flags.IntVar(&o.expired, "expired", 500_000, "expired `grants` for purge")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.scenarios, o.databases, o.parts = entries(*scenarios), entries(*databases), entries(*list)
	if *scenarios == "all" {
		o.scenarios = names()
	}
	for _, entry := range entries(*concurrency) {
		n, err := strconv.Atoi(entry)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-c %s: %q is no number of workers", *concurrency, entry)
		}
		o.concurrency = append(o.concurrency, n)
	}
	return o, o.check()
}

func (o options) check() error {
	for _, name := range o.databases {
		if !slices.Contains([]string{onPostgres, onSQLite}, name) {
			return fmt.Errorf("-databases: %q is not known; use %s or %s", name, onPostgres, onSQLite)
		}
	}
	for _, name := range o.parts {
		if parts[name] == nil {
			return fmt.Errorf("-parts: %q is not known; use load, start, flood, growth or purge", name)
		}
	}
	return nil
}

func entries(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func names() (list []string) {
	for _, s := range driver.Scenarios {
		list = append(list, s.Name)
	}
	return list
}

func run(o options, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := newLab(o, log)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.prepare(ctx); err != nil {
		return err
	}
	r := &report{begun: time.Now(), commit: revision(l.built.countersign)}
	for _, name := range o.parts {
		if err := parts[name](ctx, l, o, r); err != nil {
			return errors.Join(err, r.keep(o.out, os.Stdout)) // what was measured is not lost
		}
	}
	return r.keep(o.out, os.Stdout)
}

// binaries are the programs that were built.
type binaries struct{ countersign, floor string }

// prepare builds the programs and opens the database server.
func (l *lab) prepare(ctx context.Context) (err error) {
	if l.built.countersign, err = l.build(ctx, "countersign/cmd/countersign", "countersign"); err != nil {
		return err
	}
	if l.built.floor, err = l.build(ctx, "countersign/cmd/countersign/bench/floor", "floor"); err != nil {
		return err
	}
	l.postgres, err = openCluster(ctx)
	return err
}

// loads runs the scenarios on all servers.
func loads(ctx context.Context, l *lab, o options, r *report) error {
	targets, err := l.targets(ctx, o, l.postgres, l.built)
	if err != nil {
		return err
	}
	return l.measure(ctx, o, targets, r)
}
