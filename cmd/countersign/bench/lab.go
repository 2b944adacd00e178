package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startPatience = 30 * time.Second
	stopPatience  = 15 * time.Second
)

// lab is a folder that is deleted in the end, with the programs that were built
// for this run and the processes that it started.
type lab struct {
	folder string
	logs   string // folder for the servers' logs, empty to drop them
	log    *slog.Logger
	closes []func()
	// built are the programs of this run, and postgres the database server.
	built    binaries
	postgres *cluster
}

func newLab(o options, log *slog.Logger) (*lab, error) {
	folder, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	return &lab{folder: folder, logs: o.logs, log: log}, nil
}

// close ends what was started, last things first, and deletes the folder.
func (l *lab) close() {
	for i := len(l.closes) - 1; i >= 0; i-- {
		l.closes[i]()
	}
	if err := os.RemoveAll(l.folder); err != nil { //nolint:gosec // newLab made it
		l.log.Warn("the folder was not deleted", "cause", err.Error())
	}
}

func (l *lab) path(name string) string { return filepath.Join(l.folder, name) }

// build builds a command of this module as it is released.
func (l *lab) build(ctx context.Context, pkg, name string) (string, error) {
	to := l.path(name)
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-trimpath", "-ldflags", "-s -w", "-o", to, pkg) //nolint:gosec // of this program
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, text)
	}
	return to, nil
}

// revision says which state of the sources a program was built from, as far as it
// knows.
func revision(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "unknown"
	}
	known := map[string]string{"vcs.revision": "unknown"}
	for _, s := range info.Settings {
		known[s.Key] = s.Value
	}
	if known["vcs.modified"] == "true" {
		return known["vcs.revision"] + " and changes"
	}
	return known["vcs.revision"]
}

// address returns a free address of this machine.
func address(ctx context.Context) (string, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return socket.Addr().String(), socket.Close()
}

// command is a program that is to be started.
type command struct {
	name   string // of its log
	path   string
	args   []string
	env    []string // beside that of this process
	folder string   // where it works
}

func (c command) cmd() *exec.Cmd {
	cmd := exec.Command(c.path, c.args...) //nolint:noctx,gosec // it is ended by a signal, so that it stops in order; this program names it
	cmd.Env = append(bare(os.Environ()), c.env...)
	cmd.Dir = c.folder
	return cmd
}

// bare leaves out what would set a server otherwise than this program means.
func bare(environment []string) (list []string) {
	for _, entry := range environment {
		if !strings.HasPrefix(entry, "COUNTERSIGN_") && !strings.HasPrefix(entry, "OTEL_") {
			list = append(list, entry)
		}
	}
	return list
}

// start starts a server and waits until the URL answers. It ends with the lab,
// or sooner by stop.
func (l *lab) start(ctx context.Context, c command, url string) (pid int, stop func(), err error) {
	cmd := c.cmd()
	log, err := l.output(c.name)
	if err != nil {
		return 0, nil, err
	}
	if log != nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	if err := cmd.Start(); err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	stop = ending(cmd, log)
	l.closes = append(l.closes, stop)
	if err := awaitAnswer(ctx, url); err != nil {
		return 0, nil, fmt.Errorf("start %s (see its log with -logs FOLDER): %w", c.name, err)
	}
	return cmd.Process.Pid, stop, nil
}

func (l *lab) output(name string) (io.WriteCloser, error) {
	if l.logs == "" {
		return nil, nil //nolint:nilnil // a process without an output has none
	}
	f, err := os.Create(filepath.Join(l.logs, name+".log")) //nolint:gosec // the command line names the folder
	if err != nil {
		return nil, fmt.Errorf("keep a log: %w", err)
	}
	return f, nil
}

// ending returns what ends a process, which may be called again.
func ending(cmd *exec.Cmd, log io.Closer) func() {
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it was told to end
		if log != nil {
			_ = log.Close()
		}
		close(ended)
	}()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(stopPatience):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
}

var errSilent = errors.New("no answer in time")

// awaitAnswer waits for the first 200.
func awaitAnswer(ctx context.Context, url string) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(startPatience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		res, err := client.Do(r)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errSilent
}

// run runs a program to its end and returns what it printed.
func (c command) run(input string) ([]byte, error) {
	cmd := c.cmd()
	var out, faults bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &faults
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(c.path), strings.Join(c.args, " "), err, faults.Bytes())
	}
	return out.Bytes(), nil
}
