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
	stmt, tx := db.runner(ctx, f) //nolint:sqlclosecheck // it is kept for the next call, or ends with its transaction
	switch {
	case stmt != nil:
		return stmt.QueryContext(ctx, values...)
	case tx != nil:
		return tx.QueryContext(ctx, f.sql, values...)
	default:
		conns, _ := db.connsOf(ctx, f)
		return conns.QueryContext(ctx, f.sql, values...)
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
		conns, _ := db.connsOf(ctx, f)
		return conns.ExecContext(ctx, f.sql, values...)
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
	conns, c := db.connsOf(ctx, f)
	prepared := c.prepared.Load()
	switch {
	case prepared == nil:
		db.prepare(ctx, conns, c, f.sql)
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
