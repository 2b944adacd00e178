// Package e2etest is what the whole-program tests share: the program itself,
// built once per test process, servers that outlive a single test, and a real
// browser.
package e2etest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Main runs the tests and then ends what lives as long as the process. Each
// package of whole-program tests calls it from its TestMain. The functions
// after, if any, run between the two and return how many faults they found.
func Main(m *testing.M, after ...func() int) {
	code := m.Run()
	faults := 0
	for _, f := range after {
		faults += f()
	}
	faults += Process.end()
	if faults > 0 && code == 0 {
		code = 1
	}
	os.Exit(code)
}

// raceEnv has the servers watched for data races. The tests themselves need not
// be: they are slow enough, and the fault that they look for is the program's.
const raceEnv = "COUNTERSIGN_TEST_RACE"

// Binary builds the program, once per test process, and returns its path: with
// -race where the environment asks for it.
func Binary(t testing.TB) string { t.Helper(); return built(t, raced) }

// PlainBinary is the program as users build it, for tests of what it answers
// that keep it busy: others race the same code.
func PlainBinary(t testing.TB) string { t.Helper(); return built(t, plain) }

func built(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var raced, plain = building(raceFlags()), building([]string{"-race=false"})

// raceFlags are those of the Makefile, so that what the packages' own tests
// compiled is used again: SQLite is left out, which is translated C.
func raceFlags() []string {
	if os.Getenv(raceEnv) == "" {
		return []string{"-race=false"}
	}
	return []string{"-race=true", "-gcflags=modernc.org/...=-race=false"}
}

func building(flags []string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(Process.TempDir(), flags[0], "countersign")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		args := append(append([]string{"build"}, flags...), "-o", path, "countersign/cmd/countersign")
		cmd := exec.CommandContext(Process.Context(), "go", args...) //nolint:gosec // our own program
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build the program: %w\n%s", err, out)
		}
		return path, nil
	})
}

// Process stands in for a test where something lives as long as the test
// process: the binary, and the servers that tests share.
var Process = &Lifetime{}

// Lifetime is a [testing.TB] that ends with the test process.
type Lifetime struct {
	testing.TB // only for the method that nobody outside can write

	mu       sync.Mutex
	cleanups []func()
	faults   int
}

// Helper does nothing: there are no frames to leave out.
func (*Lifetime) Helper() {}

// Name says in messages who speaks.
func (*Lifetime) Name() string { return "shared" }

// Context never ends.
func (*Lifetime) Context() context.Context { return context.Background() }

// Failed reports whether there was a fault.
func (l *Lifetime) Failed() bool { return l.faults > 0 }

// Cleanup has f run at the end of the process, last first.
func (l *Lifetime) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

// TempDir makes a folder that is removed at the end.
func (l *Lifetime) TempDir() string {
	dir, err := os.MkdirTemp("", "countersign-e2e-")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) }) // a temporary folder
	return dir
}

// Logf prints.
func (*Lifetime) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Errorf prints and counts a fault, which fails the test process.
func (l *Lifetime) Errorf(format string, args ...any) {
	l.faults++
	l.Logf("FAIL: "+format, args...)
}

// Error is Errorf without a format.
func (l *Lifetime) Error(args ...any) { l.Errorf("%s", fmt.Sprint(args...)) }

// Fatal is Fatalf without a format.
func (l *Lifetime) Fatal(args ...any) { l.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the process: no test can do without what is shared.
func (l *Lifetime) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	l.end()
	os.Exit(1)
}

// Watch has a server killed that still runs when the test process has died,
// however that happened.
func Watch(t testing.TB, pid int) {
	t.Helper()
	if _, err := fmt.Fprintln(watchdog(), pid); err != nil {
		t.Fatal(err)
	}
}

// watchdog kills the servers that still run when the test process has died. It
// reads their process identifiers, and ends in peace when it reads "done".
var watchdog = sync.OnceValue(func() io.Writer {
	const watch = `while read -r line; do [ "$line" = done ] && exit; pids="$pids $line"; done; kill -9 $pids`
	cmd := exec.CommandContext(Process.Context(), "/bin/sh", "-c", watch)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		Process.Fatal(err)
	}
	Process.Cleanup(func() {
		_, _ = io.WriteString(stdin, "done\n") // at worst it kills what has ended
		_ = cmd.Wait()
	})
	return stdin
})

// end runs the cleanups, last first, and returns how many faults they found.
func (l *Lifetime) end() int {
	for i := len(l.cleanups) - 1; i >= 0; i-- {
		l.cleanups[i]()
	}
	return l.faults
}
