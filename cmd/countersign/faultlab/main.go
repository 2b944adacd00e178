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
	names := flags.String("nemeses", "", "which of them strike, as NM-01,NM-03; all when empty, none when -")
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
	if cfg.seed == 0 {
		cfg.seed = uint64(time.Now().UnixNano())
	}
	return experiment(ctx, cfg)
}

// chosen returns the nemeses that are named.
func chosen(names string) (list []nemesis, err error) {
	if names == "" {
		return nemeses, nil
	}
	for _, name := range strings.FieldsFunc(names, func(c rune) bool { return c == ',' || c == '-' && names == "-" }) {
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
	err = onBoth(ctx, cfg)
	if err != nil {
		note := fmt.Sprintf("seed %d\n%v\n", cfg.seed, err)
		return errors.Join(fmt.Errorf("%w; what is left of the run is in %s, and `-check %s` looks at it again", err, cfg.dir, filepath.Join(cfg.dir, "history.jsonl")),
			os.WriteFile(filepath.Join(cfg.dir, "red"), []byte(note), 0o600))
	}
	return os.RemoveAll(cfg.dir)
}

// onBoth runs the lab on PostgreSQL, and then the smaller one on SQLite.
func onBoth(ctx context.Context, cfg config) error {
	ops, err := attempt(ctx, cfg)
	if err == nil {
		err = conclude(ops, cfg.out)
	}
	if err != nil || cfg.sqlite == 0 {
		return err
	}
	cfg.onSQLite, cfg.replicas, cfg.workers, cfg.nemeses = true, 1, 3, onSQLite(cfg.sqlite)
	cfg.dir = filepath.Join(cfg.dir, "sqlite")
	if err := os.Mkdir(cfg.dir, 0o700); err != nil {
		return err
	}
	if ops, err = attempt(ctx, cfg); err != nil {
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
