package e2e

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

func TestMain(m *testing.M) {
	code := m.Run()
	if faults := process.end(); faults > 0 && code == 0 {
		code = 1
	}
	os.Exit(code)
}

// binary builds the program, once per test process, and returns its path.
func binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(process.TempDir(), "countersign")
	cmd := exec.CommandContext(process.Context(), "go", "build", raceFlag, "-o", path, "countersign/cmd/countersign")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

// process stands in for a test where something lives as long as the test
// process: the binary, and the servers that tests share.
var process = &lifetime{}

// lifetime is a [testing.TB] that ends with the test process.
type lifetime struct {
	testing.TB // only for the method that nobody outside can write

	mu       sync.Mutex
	cleanups []func()
	faults   int
}

func (*lifetime) Helper()                  {}
func (*lifetime) Name() string             { return "shared" }
func (*lifetime) Context() context.Context { return context.Background() }
func (l *lifetime) Failed() bool           { return l.faults > 0 }

func (l *lifetime) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

func (l *lifetime) TempDir() string {
	dir, err := os.MkdirTemp("", "countersign-e2e-")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) }) // a temporary folder
	return dir
}

func (*lifetime) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (l *lifetime) Errorf(format string, args ...any) {
	l.faults++
	l.Logf("FAIL: "+format, args...)
}

func (l *lifetime) Error(args ...any) { l.Errorf("%s", fmt.Sprint(args...)) }
func (l *lifetime) Fatal(args ...any) { l.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the process: no test can do without what is shared.
func (l *lifetime) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	l.end()
	os.Exit(1)
}

// watchdog kills the servers that still run when the test process has died,
// however that happened. It reads their process identifiers, and ends in peace
// when it reads "done".
var watchdog = sync.OnceValue(func() io.Writer {
	const watch = `while read -r line; do [ "$line" = done ] && exit; pids="$pids $line"; done; kill -9 $pids`
	cmd := exec.Command("/bin/sh", "-c", watch)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		process.Fatal(err)
	}
	process.Cleanup(func() {
		_, _ = io.WriteString(stdin, "done\n") // at worst it kills what has ended
		_ = cmd.Wait()
	})
	return stdin
})

// end runs the cleanups, last first, and returns how many faults they found.
func (l *lifetime) end() int {
	for i := len(l.cleanups) - 1; i >= 0; i-- {
		l.cleanups[i]()
	}
	return l.faults
}
