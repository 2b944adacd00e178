package e2e

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"countersign/storage"
)

// line is the way from a server to PostgreSQL, on which answers can be kept.
type line struct {
	listener net.Listener
	network  string // of PostgreSQL, with its address
	address  string
	direct   string // the database's URL beside the line

	mu    sync.Mutex
	keeps func() bool   // whether the answer that came is kept
	kept  chan struct{} // is told of the first answer that is
	freed chan struct{} // is closed when no more answers are
}

// onLine puts a line between the server, which does not run yet, and its
// database.
func onLine(s *server) *line {
	s.t.Helper()
	l := &line{freed: make(chan struct{})}
	for _, variable := range s.env {
		if value, ok := strings.CutPrefix(variable, "COUNTERSIGN_DATABASE="); ok {
			l.direct = value
		}
	}
	config, err := pgconn.ParseConfig(l.direct)
	if err != nil {
		s.t.Fatal(err)
	}
	l.network, l.address = pgconn.NetworkAddress(config.Host, config.Port)
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		s.t.Fatal(err)
	}
	go l.run()
	s.t.Cleanup(func() { _ = l.listener.Close() }) // nobody comes any more
	u, err := url.Parse(l.direct)
	if err != nil {
		s.t.Fatal(err)
	}
	q := u.Query()
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = l.listener.Addr().String(), q.Encode()
	s.set("DATABASE", u.String())
	return l
}

func (l *line) run() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.pass(in)
	}
}

// pass passes on one connection. When either side ends it, so does the other.
func (l *line) pass(in net.Conn) {
	defer func() { _ = in.Close() }() // it may have ended already
	out, err := net.DialTimeout(l.network, l.address, 10*time.Second)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(out, in) // either side may end it
		_ = out.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := out.Read(buffer)
		if err != nil {
			return
		}
		l.consider()
		if _, err := in.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// consider waits for as long as the answer at hand is kept.
func (l *line) consider() {
	l.mu.Lock()
	keeps, kept, freed := l.keeps, l.kept, l.freed
	l.mu.Unlock()
	if keeps == nil || !keeps() {
		return
	}
	select {
	case kept <- struct{}{}:
	default: // it is not the first
	}
	<-freed
}

// keep keeps every answer from now on that comes while keeps says so, and tells
// of the first.
func (l *line) keep(t testing.TB, keeps func() bool) <-chan struct{} {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keeps, l.kept, l.freed = keeps, make(chan struct{}, 1), make(chan struct{})
	t.Cleanup(sync.OnceFunc(l.free))
	return l.kept
}

// free lets go of every answer that was kept, and keeps none.
func (l *line) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keeps != nil {
		close(l.freed)
	}
	l.keeps = nil
}

// database opens the database beside the line.
func (l *line) database(t testing.TB) *storage.DB {
	t.Helper()
	db, err := storage.Open(context.Background(), storage.Config{URL: l.direct, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // nothing to lose
	return db
}
