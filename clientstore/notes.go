package clientstore

import (
	"sync"
	"time"
)

// notes are things that happened and wait in memory, each with when it last
// did, for somebody to write them down: so a request costs no statement for it.
type notes[K comparable] struct {
	mu      sync.Mutex
	waiting map[K]time.Time
}

// add notes that it happened.
func (n *notes[K]) add(key K, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.put(key, at)
}

func (n *notes[K]) put(key K, at time.Time) {
	if n.waiting == nil {
		n.waiting = map[K]time.Time{}
	}
	if at.After(n.waiting[key]) {
		n.waiting[key] = at
	}
}

// take returns at most limit of the notes and forgets them.
func (n *notes[K]) take(limit int) map[K]time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := map[K]time.Time{}
	for key, at := range n.waiting {
		if len(taken) == limit {
			break
		}
		taken[key] = at
		delete(n.waiting, key)
	}
	return taken
}

// putBack has notes wait again, where nothing newer does.
func (n *notes[K]) putBack(taken map[K]time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, at := range taken {
		n.put(key, at)
	}
}

// any reports whether something waits.
func (n *notes[K]) any() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.waiting) > 0
}
