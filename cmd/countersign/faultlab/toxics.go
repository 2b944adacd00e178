package main

import (
	"errors"
	"net"
	"sync"
	"time"
)

var (
	errReset       = errors.New("the lab reset the connection")
	errPartitioned = errors.New("the lab cut the line")
)

// linePatience is how long somebody waits on a line that is cut.
const linePatience = 20 * time.Second

// ailment is what is wrong with a line; the zero value is nothing.
type ailment struct {
	latency    time.Duration // of each read and write
	jitter     time.Duration // on top, at most
	cut        bool          // nothing passes, and nobody is told
	resetAfter int           // bytes of a connection after which it is reset, drawn anew for each up to twice as many
}

// toxics make a line ill. All its connections are.
type toxics struct {
	dice *dice

	mu      sync.Mutex
	now     ailment
	changed chan struct{}
	conns   map[*illConn]bool
}

func newToxics(d *dice) *toxics {
	return &toxics{dice: d, changed: make(chan struct{}), conns: map[*illConn]bool{}}
}

// set makes the line ill, or well again.
func (t *toxics) set(a ailment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = a
	close(t.changed)
	t.changed = make(chan struct{})
}

// resetAll resets every connection that is open.
func (t *toxics) resetAll() {
	t.mu.Lock()
	var open []*illConn
	for c := range t.conns {
		open = append(open, c)
	}
	t.mu.Unlock()
	for _, c := range open {
		c.reset()
	}
}

func (t *toxics) state() (ailment, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now, t.changed
}

// wrap makes a connection one of the line.
func (t *toxics) wrap(c net.Conn) *illConn {
	ill := &illConn{Conn: c, line: t, closed: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns[ill] = true
	return ill
}

// illConn is a connection of an ill line.
type illConn struct {
	net.Conn
	line   *toxics
	once   sync.Once
	closed chan struct{}

	mu     sync.Mutex
	passed int
	limit  int
}

func (c *illConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		err = c.suffer(n)
	}
	return n, err
}

func (c *illConn) Write(p []byte) (int, error) {
	if err := c.suffer(len(p)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// suffer does to n bytes what is wrong with the line.
func (c *illConn) suffer(n int) error {
	a, changed := c.line.state()
	for deadline := time.After(linePatience); a.cut; a, changed = c.line.state() {
		select {
		case <-changed:
		case <-c.closed:
			return net.ErrClosed
		case <-deadline:
			return errPartitioned
		}
	}
	if wait := a.latency; wait > 0 || a.jitter > 0 {
		if a.jitter > 0 {
			wait += c.line.dice.between(0, a.jitter)
		}
		select {
		case <-time.After(wait):
		case <-c.closed:
			return net.ErrClosed
		}
	}
	if c.exhausted(n, a.resetAfter) {
		c.reset()
		return errReset
	}
	return nil
}

// exhausted reports whether the connection has carried what it may.
func (c *illConn) exhausted(n, resetAfter int) bool {
	if resetAfter == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit == 0 {
		c.limit = c.passed + resetAfter + c.line.dice.below(resetAfter)
	}
	c.passed += n
	return c.passed > c.limit
}

// reset ends the connection with a RST, as a machine that lost its state does.
func (c *illConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is closed either way
	}
	_ = c.Close() // that is the point
}

// Close closes the connection.
func (c *illConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.line.mu.Lock()
		delete(c.line.conns, c)
		c.line.mu.Unlock()
	})
	return c.Conn.Close()
}
