// Command faultlab does harm to a running Countersign and looks whether it keeps
// its promises: three replicas of the real program behind a balancer on one
// PostgreSQL, and one on SQLite, while people and applications use them. What
// they ask and are answered is written down, and checkers hold it against the
// invariants. docs/reliability.md says what they are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := 0
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faultlab:", err)
		code = 1
	}
	stop()
	os.Exit(code)
}

var errViolated = errors.New("an invariant is violated")

// command runs the lab, or only its checkers over what an earlier run wrote.
func command(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("faultlab", flag.ContinueOnError)
	cfg := config{out: out}
	flags.StringVar(&cfg.bin, "bin", "", "the program; built with the tag faultlab when empty")
	flags.DurationVar(&cfg.length, "for", 150*time.Second, "how long nemeses strike")
	flags.Uint64Var(&cfg.seed, "seed", 0, "the seed of what happens; drawn when 0")
	flags.IntVar(&cfg.replicas, "replicas", 3, "how many replicas there are")
	flags.IntVar(&cfg.workers, "workers", 6, "how many people use them")
	flags.IntVar(&cfg.sqlite, "sqlite-kills", 40, "how often the server on SQLite is killed")
	flags.StringVar(&cfg.dir, "keep", "faultlab-runs", "where red runs are kept")
	names := flags.String("nemeses", "", "which of them strike, as NM-01,NM-03; all when empty, none on PostgreSQL when -, SQLite alone when NM-21")
	history := flags.String("check", "", "a history to check again, instead of a run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *history != "" {
		return recheck(*history, out)
	}
	var err error
	if cfg.nemeses, err = chosen(*names); err != nil {
		return err
	}
	cfg.onlySQLite = len(cfg.nemeses) == 0 && *names != noNemeses
	if cfg.seed == 0 {
		cfg.seed = uint64(time.Now().UnixNano())
	}
	return experiment(ctx, cfg)
}

// noNemeses chooses none.
const noNemeses = "-"

// chosen returns the nemeses that are named. That of SQLite is not among them:
// it strikes in a lab of its own.
func chosen(names string) (list []nemesis, err error) {
	switch names {
	case "":
		return nemeses, nil
	case noNemeses:
		return nil, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		if name == idSQLite {
			continue
		}
		before := len(list)
		for _, n := range nemeses {
			if n.id == name {
				list = append(list, n)
			}
		}
		if len(list) == before {
			return nil, fmt.Errorf("no nemesis is called %s", name)
		}
	}
	return list, nil
}

// recheck runs the checkers over a history.
func recheck(path string, out io.Writer) error {
	file, err := os.Open(path) //nolint:gosec // who runs it names it
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	ops, err := readHistory(file)
	if err != nil {
		return err
	}
	return conclude(ops, out)
}

// conclude prints what a history shows.
func conclude(ops []*Op, out io.Writer) error {
	found := checkAll(ops)
	if err := report(ops, found, out); err != nil {
		return err
	}
	if len(found) > 0 {
		return errViolated
	}
	return nil
}

// experiment runs the lab in a folder, which stays if the run is red.
func experiment(ctx context.Context, cfg config) (err error) {
	if err := os.MkdirAll(cfg.dir, 0o700); err != nil {
		return err
	}
	if cfg.dir, err = os.MkdirTemp(cfg.dir, time.Now().Format("20060102-150405-")); err != nil {
		return err
	}
	if cfg.dir, err = filepath.Abs(cfg.dir); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(cfg.out, "seed %d, in %s\n", cfg.seed, cfg.dir) // nobody may be watching
	if cfg.bin == "" {
		cfg.bin = filepath.Join(cfg.dir, "countersign")
		build := exec.CommandContext(ctx, "go", "build", "-tags", "faultlab", "-o", cfg.bin, "countersign/cmd/countersign") //nolint:gosec // our own program
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the program: %w: %s", err, said)
		}
	}
	for _, part := range parts(cfg) {
		if err := try(ctx, part); err != nil {
			return keepRed(cfg, part, err)
		}
	}
	return os.RemoveAll(cfg.dir)
}

// keepRed says where the red part of a run is, and leaves a note there.
func keepRed(cfg, part config, err error) error {
	note := fmt.Sprintf("seed %d\n%v\n-check %s\n", cfg.seed, err, part.history())
	return errors.Join(fmt.Errorf("%w; what is left of the run is in %s, and `-check %s` looks at it again", err, cfg.dir, part.history()),
		os.WriteFile(filepath.Join(cfg.dir, "red"), []byte(note), 0o600))
}

// parts are the labs of a run, each with a history of its own: the one on
// PostgreSQL, and then the smaller one on SQLite.
func parts(cfg config) (list []config) {
	if !cfg.onlySQLite {
		list = append(list, cfg)
	}
	if cfg.onlySQLite || cfg.sqlite > 0 {
		cfg.onSQLite, cfg.replicas, cfg.workers, cfg.nemeses = true, 1, 3, onSQLite(cfg.sqlite)
		cfg.dir = filepath.Join(cfg.dir, "sqlite")
		list = append(list, cfg)
	}
	return list
}

// try runs a lab and judges it.
func try(ctx context.Context, cfg config) error {
	if err := os.MkdirAll(cfg.dir, 0o700); err != nil {
		return err
	}
	ops, err := attempt(ctx, cfg)
	if err != nil {
		return err
	}
	return conclude(ops, cfg.out)
}

// attempt runs everything and returns what happened.
func attempt(ctx context.Context, cfg config) ([]*Op, error) {
	l, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer l.close()
	err = l.run(ctx)
	return l.history.all(), errors.Join(err, l.history.flush())
}
