package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// replica is a server of the program: its process, its line to the database,
// and its place behind the balancer.
type replica struct {
	name    string
	bin     string
	dir     string
	env     []string
	address string // where it serves
	private string // where it serves its measurements
	toDB    *relay // nil for SQLite
	mounted bool   // whether its data folder is a file system of its own
	front   *backend
	watch   *watchdog
	logs    *os.File

	mu     sync.Mutex
	extra  []string // settings of this life
	cmd    *exec.Cmd
	exited chan error
}

const (
	startPatience = 30 * time.Second
	stopPatience  = 40 * time.Second
)

// set adds a setting, without COUNTERSIGN_.
func (r *replica) set(name, value string) { r.env = append(r.env, "COUNTERSIGN_"+name+"="+value) }

// command is the program with the replica's environment and nothing else.
func (r *replica) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.bin, args...) //nolint:gosec // our own program
	cmd.Dir = r.dir
	cmd.Env = append([]string{"HOME=" + r.dir, "PATH=" + os.Getenv("PATH"), "USER=lab"}, r.env...)
	cmd.Env = append(cmd.Env, r.extra...)
	return cmd
}

// start runs the server, which lives on when ctx ends. More are settings for this
// life only.
func (r *replica) start(ctx context.Context, more ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.extra = more
	cmd := r.command(context.WithoutCancel(ctx), "serve")
	cmd.Stdout, cmd.Stderr = r.logs, r.logs
	if err := cmd.Start(); err != nil {
		return err
	}
	r.watch.add(cmd.Process.Pid)
	exited := make(chan error, 1)
	go func() {
		exited <- cmd.Wait()
		r.watch.remove(cmd.Process.Pid)
	}()
	r.cmd, r.exited = cmd, exited
	return nil
}

// await waits until the server is ready. One that ended, as one does that finds
// no database, is started again, as a service manager does.
func (r *replica) await(ctx context.Context) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(startPatience); ; {
		if ready(ctx, client, "http://"+r.address) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is not ready after %v; see %s", r.name, startPatience, r.logs.Name())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.exited: //nolint:errcheck // its log says why it ended
			time.Sleep(100 * time.Millisecond)
			if err := r.start(ctx, r.extra...); err != nil {
				return err
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// running reports whether the process lives.
func (r *replica) running() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd != nil && r.cmd.Process.Signal(syscall.Signal(0)) == nil
}

func (r *replica) signal(s os.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return nil
	}
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// kill ends the server without warning.
func (r *replica) kill() {
	_ = r.signal(syscall.SIGKILL) // it may have ended
	if r.cmd != nil {
		<-r.exited //nolint:errcheck // that it was killed is known
		r.cmd = nil
	}
}

// stop ends the server as a service manager does. What is not an exit status of
// 0 in time is an error.
func (r *replica) stop() error {
	if r.cmd == nil {
		return nil
	}
	if err := r.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-r.exited:
		r.cmd = nil
		if err != nil {
			return fmt.Errorf("%s did not stop cleanly: %w", r.name, err)
		}
		return nil
	case <-time.After(stopPatience):
		r.kill()
		return fmt.Errorf("%s does not stop on SIGTERM", r.name)
	}
}

// cli runs a command of the program and decodes the JSON that it prints.
func (r *replica) cli(ctx context.Context, into any, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return r.cliWith(ctx, "", into, args...)
}

func (r *replica) cliWith(ctx context.Context, stdin string, into any, args ...string) error {
	cmd := r.command(ctx, args...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("countersign %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out.Bytes(), into)
}

// newReplica makes a replica that does not run yet, with settings that tests of
// it need on any database.
func newReplica(ctx context.Context, bin, dir, name string, w *watchdog) (*replica, error) {
	r := &replica{name: name, bin: bin, dir: filepath.Join(dir, name), watch: w}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if r.logs, err = os.Create(filepath.Join(dir, name+".log")); err != nil { //nolint:gosec // our own folder
		return nil, err
	}
	for _, at := range []*string{&r.address, &r.private} {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		*at = "127.0.0.1:" + port
	}
	r.set("DATA", filepath.Join(r.dir, "data"))
	r.set("PRIVATE_LISTEN", r.private)
	r.set("PASSWORD_MEMORY", "64") // KiB: hashing is not what is tested here
	r.set("PASSWORD_PASSES", "1")
	r.set("LOG_FORMAT", "json")
	r.set("ACCESS_TOKEN_LIFETIME", "2h") // what the lab asks about has not expired
	return r, nil
}
