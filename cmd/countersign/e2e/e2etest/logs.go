package e2etest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// FreeAddress returns an address of 127.0.0.1 on which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // it was only to learn the port
	return l.Addr().String()
}

// Logs is what a server printed.
type Logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*Logs)(nil)

func (l *Logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Tail returns the end of the log, which is what matters in a failure.
func (l *Logs) Tail() string {
	all := l.String()
	return all[max(0, len(all)-4000):]
}
