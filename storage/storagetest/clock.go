package storagetest

import (
	"sync"
	"time"

	"countersign/storage"
)

// StoppedClock tells the same time until it is moved.
type StoppedClock struct {
	mu  sync.Mutex
	now time.Time
}

// Clock stops the clock of db at the present moment and returns it. Stop it
// before anything uses the database.
func Clock(db *storage.DB) *StoppedClock {
	c := &StoppedClock{now: db.Now()}
	db.Now = c.Now
	return c
}

// Now tells the time of the clock.
func (c *StoppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock to t.
func (c *StoppedClock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t.UTC().Truncate(time.Microsecond)
}

// Advance moves the clock by d, which may be negative.
func (c *StoppedClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
