package middleware

import (
	"context"
	"sync"
	"time"
)

// untilContext ends at a time, as that of [context.WithDeadline] does, but sets an
// alarm only once somebody waits for its end: what is answered from memory never
// does.
type untilContext struct {
	parent context.Context //nolint:containedctx // it is one itself
	at     time.Time

	mu     sync.Mutex
	ended  bool
	armed  context.Context //nolint:containedctx // nil until somebody waits
	cancel context.CancelFunc
}

func until(parent context.Context, at time.Time) *untilContext {
	return &untilContext{parent: parent, at: at}
}

// end frees what the context holds. Whoever still waits for it waits no longer.
func (c *untilContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *untilContext) arm() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil {
		c.armed, c.cancel = context.WithDeadline(c.parent, c.at)
		if c.ended {
			c.cancel()
		}
	}
	return c.armed
}

// Deadline is the sooner of its own and its parent's.
func (c *untilContext) Deadline() (time.Time, bool) {
	if at, ok := c.parent.Deadline(); ok && at.Before(c.at) {
		return at, true
	}
	return c.at, true
}

// Done sets the alarm.
func (c *untilContext) Done() <-chan struct{} { return c.arm().Done() }

// Err sets the alarm as well, so that it never says anything else than Done.
func (c *untilContext) Err() error { return c.arm().Err() }

// Value is the parent's. To the package context, which looks for what it can
// cancel by a key of its own, the alarm answers if there is one.
func (c *untilContext) Value(key any) any { //nolint:ireturn // as context.Context has it
	c.mu.Lock()
	armed := c.armed
	c.mu.Unlock()
	if armed != nil {
		return armed.Value(key)
	}
	return c.parent.Value(key)
}
