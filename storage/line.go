package storage

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// line is where who wants to write to SQLite waits for its turn, first come
// first served. SQLite itself has one writer at a time and no line: who finds
// another one sleeps, for longer each time, up to 100 ms, and whoever comes at
// the right moment is first. And it sleeps with a connection, so that a few
// writers kept everybody from reading; the line has one for all of them.
// PostgreSQL's line is nil and lets everybody pass.
type line struct {
	turn   chan struct{}
	waited atomic.Int64 // ns, of all
}

const (
	// linePatience is how long a write waits for its turn. It is shorter than
	// [txTimeout], so that who has waited has time left for what it waited for.
	linePatience = 3 * time.Second
	// busyTimeout is how long a write waits for another process, and busyPause
	// how often it looks: often, because a server that has much to write
	// leaves the file alone for moments only.
	busyTimeout = 10 * time.Second
	busyPause   = 2 * time.Millisecond
)

var errLineTimeout = errors.New("the writes before this one took too long")

// lineOf is the line of a dialect's database.
func lineOf(d Dialect) *line {
	if d == SQLite {
		return &line{turn: make(chan struct{}, 1)}
	}
	return nil
}

// take runs do, a write by itself, in its turn.
func (l *line) take(ctx context.Context, do func() error) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return patiently(ctx, do)
}

// enter waits for the turn to write, which lasts until leave.
func (l *line) enter(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
		return nil
	default:
		return l.wait(ctx)
	}
}

func (l *line) wait(ctx context.Context) error {
	begun := time.Now() //nolint:forbidigo // measures, and decides nothing
	defer func() { l.waited.Add(int64(time.Since(begun))) }()
	patience := time.NewTimer(linePatience)
	defer patience.Stop()
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-patience.C:
		return errLineTimeout
	}
}

func (l *line) leave() {
	if l != nil {
		<-l.turn
	}
}

// patiently does again what the write of another process is in the way of:
// SQLite has then done nothing.
func patiently(ctx context.Context, do func() error) (err error) {
	for range busyTimeout / busyPause {
		if err = do(); !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(busyPause):
		}
	}
	return err
}

// WriteWait is how long all requests together have waited for their turn to
// write to SQLite.
func (db *DB) WriteWait() time.Duration {
	if db.line == nil {
		return 0
	}
	return time.Duration(db.line.waited.Load())
}
