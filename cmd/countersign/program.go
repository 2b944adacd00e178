package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"countersign/cmd/countersign/config"
	"countersign/cmd/countersign/middleware"
)

// process is what the operating system gives a program. Data goes to stdout,
// talk to stderr.
type process struct {
	args   []string
	env    []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// The exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitChanges = 3 // of client apply --dry-run --detailed-exitcode
)

// run is the whole program. It ends when the command is done, or for servers
// when ctx is.
func run(ctx context.Context, p process) int {
	root := newRoot(&program{process: p}) //nolint:contextcheck // cobra hands it to the commands
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errChanges) {
		return exitChanges
	}
	cause, fix := explain(err)
	_, _ = fmt.Fprintln(p.stderr, "countersign: "+cause) // where else to complain
	if fix != "" {
		_, _ = fmt.Fprintln(p.stderr, "Fix: "+fix)
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailure
}

// program is what commands share.
type program struct {
	process
	configFile string
}

// talk writes a line for the person at the terminal.
func (p *program) talk(format string, args ...any) {
	_, _ = fmt.Fprintf(p.stderr, format+"\n", args...) // where else to complain
}

// config reads the configuration that the command was given.
func (p *program) config(cmd *cobra.Command) (*config.Config, error) {
	src := config.Source{File: p.settingsFile(), Env: p.env, Flags: map[string]string{}}
	for _, k := range config.Keys() {
		if k.Flag == "" {
			continue
		}
		if f := cmd.Flags().Lookup(k.Flag); f != nil && f.Changed && len(f.Annotations[settingFlag]) > 0 {
			src.Flags[k.Name] = f.Value.String()
		}
	}
	cfg, err := config.Load(src)
	if err != nil {
		return nil, &configError{err}
	}
	return cfg, nil
}

// settingsFile is the file that the program reads its settings from, empty for
// none.
func (p *program) settingsFile() string { return cmp.Or(p.configFile, p.getenv(config.ConfigEnv)) }

func (p *program) getenv(name string) string {
	for _, entry := range p.env {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// logger logs as the configuration says.
func (p *program) logger(cfg *config.Config) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "text" || cfg.LogFormat == "auto" && isTerminal(p.stderr) {
		return slog.New(middleware.Log(slog.NewTextHandler(p.stderr, opts)))
	}
	return slog.New(middleware.Log(slog.NewJSONHandler(p.stderr, opts)))
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
