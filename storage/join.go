package storage

import (
	"context"
	"sync"
)

// Joiner lets concurrent requests share a transaction where each would have
// made one of its own for a row or two: what arrives while one is being
// committed goes into the next. Under load that is one commit for many
// requests; a request that comes alone waits for nobody. Each is answered once
// the transaction that holds its rows is durable.
type Joiner[T any] struct {
	db      *DB
	flush   func(ctx context.Context, all []T) (kept []bool, err error)
	flights int // that may be under way

	mu      sync.Mutex
	waiting []waiter[T]
	flying  int
}

// waiter is one request's part of a transaction.
type waiter[T any] struct {
	ctx    context.Context //nolint:containedctx // it waits for the turn of its statement
	what   T
	answer chan<- joined
}

type joined struct {
	kept     bool
	err      error
	panicked any
}

const (
	// maxJoined bounds one transaction, and with it how long the first of its
	// requests waits for the last.
	maxJoined = 64
	// maxFlying is how many transactions run beside one another on PostgreSQL:
	// while one is on its way to the disk, the next is made. On SQLite the next
	// could only wait for the one, with fewer aboard than if it had not begun.
	maxFlying = 2
)

// NewJoiner returns a joiner of what flush keeps. It says of each part whether
// it was kept, and keeps all of them or, when it fails, none.
func NewJoiner[T any](db *DB, flush func(ctx context.Context, all []T) ([]bool, error)) *Joiner[T] {
	j := &Joiner[T]{db: db, flush: flush, flights: maxFlying}
	if db.Dialect() == SQLite {
		j.flights = 1
	}
	return j
}

// Keep has what kept together with what others bring at the same time, and
// reports whether it was. In a transaction of the caller it is part of that.
// When ctx ends while it waits, what becomes of it is not known.
func (j *Joiner[T]) Keep(ctx context.Context, what T) (bool, error) {
	if j.db.InTransaction(ctx) {
		kept, err := j.flush(ctx, []T{what})
		return err == nil && kept[0], err
	}
	answer := make(chan joined, 1)
	j.enqueue(waiter[T]{ctx, what, answer})
	select {
	case a := <-answer:
		if a.panicked != nil {
			panic(a.panicked) // where each request's own would be caught
		}
		return a.kept, a.err
	case <-ctx.Done():
		return false, Err("wait for a transaction", context.Cause(ctx))
	}
}

func (j *Joiner[T]) enqueue(w waiter[T]) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, w)
	if j.flying < j.flights {
		j.flying++
		go j.fly()
	}
}

// fly makes transactions until nobody waits.
func (j *Joiner[T]) fly() {
	for batch := j.board(); batch != nil; batch = j.board() {
		j.carry(batch)
	}
}

// board takes who waits, or lands when nobody does.
func (j *Joiner[T]) board() []waiter[T] {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.waiting), maxJoined)
	if n == 0 {
		j.flying--
		j.waiting = nil
		return nil
	}
	batch := j.waiting[:n:n]
	j.waiting = j.waiting[n:]
	return batch
}

// carry makes one transaction. A client that hangs up does not end what others
// wait for.
func (j *Joiner[T]) carry(batch []waiter[T]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), txTimeout)
	defer cancel()
	all := make([]T, len(batch))
	for i, w := range batch {
		all[i] = w.what
	}
	kept, err, panicked := j.try(ctx, all)
	for i, w := range batch {
		w.answer <- joined{err == nil && panicked == nil && kept[i], err, panicked}
	}
}

// try is flush, whose panic would end the program here, where no request is.
func (j *Joiner[T]) try(ctx context.Context, all []T) (kept []bool, err error, panicked any) { //nolint:staticcheck,ireturn // a panic is anything, and none of the errors
	defer func() { panicked = recover() }()
	kept, err = j.flush(ctx, all)
	return kept, err, nil
}
