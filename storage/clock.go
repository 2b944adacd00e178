package storage

import (
	"context"
	"sync/atomic"
	"time"
)

// clock tells the time of the database. Replicas compare it with what others of
// them wrote: one whose machine has another time would else refuse what is
// valid, or take what has expired.
type clock struct {
	machine func() time.Time
	ahead   atomic.Int64 // how far the database's clock is ahead
}

// tolerated is a difference that does not matter: a statement takes longer now
// and then.
const tolerated = time.Second

func (c *clock) now() time.Time {
	return c.machine().Add(time.Duration(c.ahead.Load())).UTC().Truncate(time.Microsecond)
}

// follow sets the clock by what the database answered between two moments.
func (c *clock) follow(asked, database, answered time.Time) (skew time.Duration) {
	took := answered.Sub(asked)
	skew = database.Sub(asked.Add(took / 2))
	if skew.Abs() <= tolerated+took/2 {
		skew = 0
	}
	c.ahead.Store(int64(skew))
	return skew
}

// FollowClock asks the database for its time, which from now on is that of
// [DB.Now], too, unless somebody has replaced it. It returns how far that is
// ahead of this machine's: 0 when they agree to about a second, and on SQLite.
func (db *DB) FollowClock(ctx context.Context) (time.Duration, error) {
	if db.Dialect() == SQLite {
		return 0, nil
	}
	var now time.Time
	asked := db.clock.machine()
	if err := db.conns.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return 0, Err("ask the database for the time", err)
	}
	return db.clock.follow(asked, now, db.clock.machine()), nil
}
