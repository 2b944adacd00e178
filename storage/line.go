package storage

import (
	"context"
	"errors"
	"time"
)

// line is where who wants to write to SQLite waits for its turn, first come
// first served. SQLite itself has one writer at a time and no line: who finds
// another one sleeps, for longer each time, up to 100 ms, and whoever comes at
// the right moment is first. And it sleeps with a connection, so that a few
// writers kept everybody from reading; here it has none yet. Other processes
// are still waited for by SQLite's means. PostgreSQL's line is nil and lets
// everybody pass.
type line chan struct{}

// busyTimeout is how long a write waits for another one.
const busyTimeout = 10 * time.Second

var errBusyTimeout = errors.New("another write took too long")

// lineOf is the line of a dialect's database.
func lineOf(d Dialect) line {
	if d == SQLite {
		return make(line, 1)
	}
	return nil
}

// enter waits for the turn to write, which lasts until leave.
func (l line) enter(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case l <- struct{}{}:
		return nil
	default:
		return l.wait(ctx)
	}
}

func (l line) wait(ctx context.Context) error {
	patience := time.NewTimer(busyTimeout)
	defer patience.Stop()
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-patience.C:
		return errBusyTimeout
	}
}

func (l line) leave() {
	if l != nil {
		<-l
	}
}
