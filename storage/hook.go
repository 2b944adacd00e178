package storage

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
)

// Hook sees a statement before it runs: its SQL with placeholders, or BEGIN,
// COMMIT, ROLLBACK or PING. An error that it returns takes the statement's
// place. Tests count statements and make any one of them fail with it.
type Hook func(ctx context.Context, statement string) error

// SetHook puts h in front of every statement from now on; nil takes it away.
func (db *DB) SetHook(h Hook) {
	if h == nil {
		db.hook.current.Store(nil)
		return
	}
	db.hook.current.Store(&h)
}

// Watch sees a statement as it begins, as [Hook] does, and what comes of it.
type Watch func(ctx context.Context, statement string) (done func(error))

// SetWatch lets w see every statement from now on; nil takes it away.
func (db *DB) SetWatch(w Watch) {
	if w == nil {
		db.hook.watch.Store(nil)
		return
	}
	db.hook.watch.Store(&w)
}

type hooks struct {
	current atomic.Pointer[Hook]
	watch   atomic.Pointer[Watch]
}

// begin tells of a statement that begins.
func (h *hooks) begin(ctx context.Context, statement string) (done func(error)) {
	if w := h.watch.Load(); w != nil {
		return (*w)(ctx, statement)
	}
	return unwatched
}

func unwatched(error) {}

func (h *hooks) before(ctx context.Context, statement string) error {
	if f := h.current.Load(); f != nil {
		return (*f)(ctx, statement)
	}
	return nil
}

var (
	_ gorm.ConnPoolBeginner = pool{}
	_ gorm.GetDBConnector   = pool{}
	_ gorm.TxCommitter      = (*hookedTx)(nil)
)

// pool is the connection pool as gorm sees it, with the hook in front.
type pool struct {
	*sql.DB
	writes *sql.DB
	hook   *hooks
	line   *line
}

// GetDBConn lets gorm find the pool itself.
func (p pool) GetDBConn() (*sql.DB, error) { return p.DB, nil }

func (p pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := p.hook.before(ctx, query); err != nil {
		return nil, err
	}
	done := p.hook.begin(ctx, query)
	res, err := p.exec(ctx, query, args)
	done(err)
	return res, err
}

// exec runs what writes and is no part of a transaction.
func (p pool) exec(ctx context.Context, query string, args []any) (res sql.Result, err error) {
	err = p.line.take(ctx, func() error {
		res, err = p.writes.ExecContext(ctx, query, args...)
		return err
	})
	return res, err
}

func (p pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := p.hook.before(ctx, query); err != nil {
		return nil, err
	}
	done := p.hook.begin(ctx, query)
	rows, err := p.DB.QueryContext(ctx, query, args...)
	done(err)
	return rows, err
}

func (p pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := p.hook.before(ctx, query); err != nil {
		return p.DB.QueryRowContext(cancelled(ctx, err), query, args...)
	}
	done := p.hook.begin(ctx, query)
	row := p.DB.QueryRowContext(ctx, query, args...)
	done(row.Err())
	return row
}

// BeginTx begins a transaction whose statements pass the hook, too.
func (p pool) BeginTx(ctx context.Context, opts *sql.TxOptions) (gorm.ConnPool, error) { //nolint:ireturn // gorm's contract
	if err := p.hook.before(ctx, "BEGIN"); err != nil {
		return nil, err
	}
	done := p.hook.begin(ctx, "BEGIN")
	tx, err := p.begin(ctx, opts)
	done(err)
	if err != nil {
		return nil, err
	}
	return &hookedTx{Tx: tx, ctx: ctx, hook: p.hook, leave: sync.OnceFunc(p.line.leave)}, nil
}

// begin begins a transaction in its turn, which lasts until the transaction
// has ended.
func (p pool) begin(ctx context.Context, opts *sql.TxOptions) (tx *sql.Tx, err error) {
	if err := p.line.enter(ctx); err != nil {
		return nil, err
	}
	err = patiently(ctx, func() error {
		tx, err = p.writes.BeginTx(ctx, opts)
		return err
	})
	if err != nil {
		p.line.leave()
	}
	return tx, err
}

// hookedTx is a transaction with the hook in front.
type hookedTx struct {
	*sql.Tx
	ctx   context.Context //nolint:containedctx // Commit and Rollback take none, and the hook wants one
	hook  *hooks
	leave func() // of the line; a transaction that cannot be committed is rolled back, too
}

func (t *hookedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := t.hook.before(ctx, query); err != nil {
		return nil, err
	}
	done := t.hook.begin(ctx, query)
	res, err := t.Tx.ExecContext(ctx, query, args...)
	done(err)
	return res, err
}

func (t *hookedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := t.hook.before(ctx, query); err != nil {
		return nil, err
	}
	done := t.hook.begin(ctx, query)
	rows, err := t.Tx.QueryContext(ctx, query, args...)
	done(err)
	return rows, err
}

func (t *hookedTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := t.hook.before(ctx, query); err != nil {
		return t.Tx.QueryRowContext(cancelled(ctx, err), query, args...)
	}
	done := t.hook.begin(ctx, query)
	row := t.Tx.QueryRowContext(ctx, query, args...)
	done(row.Err())
	return row
}

// Commit ends the transaction. A hook that refuses it leaves it undone.
func (t *hookedTx) Commit() error {
	defer t.leave()
	if err := t.hook.before(t.ctx, "COMMIT"); err != nil {
		_ = t.Tx.Rollback() // the hook's error is the answer
		return err
	}
	done := t.hook.begin(t.ctx, "COMMIT")
	err := t.Tx.Commit()
	done(err)
	return err
}

// Rollback undoes the transaction. The hook hears of it and cannot prevent it.
func (t *hookedTx) Rollback() error {
	defer t.leave()
	_ = t.hook.before(t.ctx, "ROLLBACK") // see above
	return t.Tx.Rollback()
}

// cancelled returns ctx ended by cause: the only way to make a *sql.Row that
// holds an error.
func cancelled(ctx context.Context, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(cause)
	return ctx
}
