package storage

import (
	"context"
	"database/sql"

	"gorm.io/gorm"
)

// turn waits for the turn of a statement that writes and is no transaction's.
func (db *DB) turn(ctx context.Context, f *form) (leave func(), err error) {
	if !f.writes || db.InTransaction(ctx) {
		return func() {}, nil
	}
	if err := db.line.enter(ctx); err != nil {
		return nil, err
	}
	return db.line.leave, nil
}

func (db *DB) query(ctx context.Context, f *form, values []any) (*sql.Rows, error) {
	stmt, tx := db.runner(ctx, f) //nolint:sqlclosecheck // it is kept for the next call, or ends with its transaction
	switch {
	case stmt != nil:
		return stmt.QueryContext(ctx, values...)
	case tx != nil:
		return tx.QueryContext(ctx, f.sql, values...)
	default:
		return db.conns.QueryContext(ctx, f.sql, values...)
	}
}

func (db *DB) exec(ctx context.Context, f *form, values []any) (sql.Result, error) {
	stmt, tx := db.runner(ctx, f) //nolint:sqlclosecheck // it is kept for the next call, or ends with its transaction
	switch {
	case stmt != nil:
		return stmt.ExecContext(ctx, values...)
	case tx != nil:
		return tx.ExecContext(ctx, f.sql, values...)
	default:
		return db.conns.ExecContext(ctx, f.sql, values...)
	}
}

// runner returns what the statement runs on: the transaction in ctx if there
// is one, and on SQLite the compiled statement. PostgreSQL's driver remembers
// compiled statements by itself.
func (db *DB) runner(ctx context.Context, f *form) (*sql.Stmt, *sql.Tx) {
	tx := db.transaction(ctx)
	if db.Dialect() == PostgreSQL {
		return nil, tx
	}
	prepared := f.prepared.Load()
	switch {
	case prepared == nil:
		db.prepare(ctx, f)
		return nil, tx
	case tx == nil:
		return prepared, nil
	default:
		return tx.StmtContext(ctx, prepared), nil
	}
}

// prepare compiles a statement for the next time, beside this one: that takes a
// connection, and whoever waits for one in a transaction may keep all of them
// from going on. Connections that are opened later compile it anew by
// themselves.
func (db *DB) prepare(ctx context.Context, f *form) {
	if !f.preparing.CompareAndSwap(false, true) {
		return
	}
	db.preparing.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
		defer cancel()
		stmt, err := db.conns.PrepareContext(ctx, f.sql)
		if err != nil {
			f.preparing.Store(false) // it runs as it is, and is tried again
			return
		}
		f.prepared.Store(stmt)
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
