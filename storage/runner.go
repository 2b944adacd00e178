package storage

import (
	"context"
	"database/sql"

	"gorm.io/gorm"
)

// inTurn runs a statement, in its turn if it writes and is no transaction's.
func (db *DB) inTurn(ctx context.Context, f *form, do func() error) error {
	if !f.writes || db.InTransaction(ctx) {
		return do()
	}
	return db.line.take(ctx, do)
}

// connsOf are those on which a statement runs.
func (db *DB) connsOf(ctx context.Context, f *form) (*sql.DB, *compiled) {
	if f.writes || db.InTransaction(ctx) {
		return db.writes, &f.toWrite
	}
	return db.conns, &f.toRead
}

func (db *DB) query(ctx context.Context, f *form, values []any) (*sql.Rows, error) {
	stmt, on := db.runner(ctx, f) //nolint:sqlclosecheck // it is kept for the next call, or ends with its transaction
	if stmt != nil {
		return stmt.QueryContext(ctx, values...)
	}
	return on.QueryContext(ctx, f.sql, values...)
}

func (db *DB) exec(ctx context.Context, f *form, values []any) (sql.Result, error) {
	stmt, on := db.runner(ctx, f) //nolint:sqlclosecheck // it is kept for the next call, or ends with its transaction
	if stmt != nil {
		return stmt.ExecContext(ctx, values...)
	}
	return on.ExecContext(ctx, f.sql, values...)
}

// runner is what the text of a statement runs on.
type runner interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// runner returns the compiled statement, of which SQLite's are kept here, or
// else what the text runs on: the transaction in ctx, or the connections.
// PostgreSQL's driver remembers compiled statements by itself.
func (db *DB) runner(ctx context.Context, f *form) (*sql.Stmt, runner) { //nolint:ireturn // the transaction or the connections
	conns, c := db.connsOf(ctx, f)
	tx := db.transaction(ctx)
	if db.Dialect() == SQLite {
		switch prepared := c.prepared.Load(); {
		case prepared == nil:
			db.prepare(ctx, conns, c, f.sql)
		case tx == nil:
			return prepared, nil
		default:
			return tx.StmtContext(ctx, prepared), nil
		}
	}
	if tx != nil {
		return nil, tx
	}
	return nil, conns
}

// prepare compiles a statement for the next time, beside this one: that takes a
// connection, and whoever waits for one in a transaction may keep all of them
// from going on. Connections that are opened later compile it anew by
// themselves.
func (db *DB) prepare(ctx context.Context, conns *sql.DB, c *compiled, text string) {
	if !c.preparing.CompareAndSwap(false, true) {
		return
	}
	db.preparing.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
		defer cancel()
		stmt, err := conns.PrepareContext(ctx, text)
		if err != nil {
			c.preparing.Store(false) // it runs as it is, and is tried again
			return
		}
		c.prepared.Store(stmt)
	})
}

// transaction returns the transaction in ctx, nil when there is none.
func (db *DB) transaction(ctx context.Context) *sql.Tx {
	handle, ok := ctx.Value(txKey{db}).(*gorm.DB)
	if !ok {
		return nil
	}
	hooked, _ := handle.Statement.ConnPool.(*hookedTx)
	return hooked.Tx
}
