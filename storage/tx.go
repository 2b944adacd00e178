package storage

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// txTimeout bounds a transaction: it is longer than any of ours takes and
// shorter than a client waits.
const txTimeout = 5 * time.Second

// txKey finds the transaction of one database in a context.
type txKey struct{ db *DB }

// With returns the handle for one statement: the transaction in ctx if there
// is one, else the pool. Every statement starts here.
func (db *DB) With(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{db}).(*gorm.DB); ok {
		return tx.WithContext(ctx)
	}
	return db.pool.WithContext(ctx)
}

// InTransaction reports whether statements with ctx are part of a transaction.
func (db *DB) InTransaction(ctx context.Context) bool { return ctx.Value(txKey{db}) != nil }

// Tx runs transactions, and nothing else. It is all of the database that the
// doors get to see.
type Tx struct{ db *DB }

// Tx returns the transactions of db.
func (db *DB) Tx() Tx { return Tx{db} }

// InTx runs fn in a transaction, which fn's statements join through their
// context. A nested call joins the outer transaction, which its error must
// end: PostgreSQL does nothing more in a transaction in which a statement has
// failed. What the caller does to its own context no longer matters once the
// transaction has begun, so that a client that hangs up cannot split it. An
// error of fn is returned as it is.
func (t Tx) InTx(ctx context.Context, fn func(context.Context) error) error {
	return t.db.InTx(ctx, fn)
}

// InTx is [Tx.InTx].
func (db *DB) InTx(ctx context.Context, fn func(context.Context) error) error {
	if db.InTransaction(ctx) {
		return fn(ctx)
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	begun := context.AfterFunc(ctx, cancel) // until then the caller may give up
	defer begun()
	var ours error // what fn said, as opposed to what the transaction said
	err := db.pool.WithContext(detached).Transaction(func(tx *gorm.DB) error {
		if !begun() {
			ours = Err("begin transaction", context.Cause(ctx))
			return ours
		}
		ours = fn(context.WithValue(detached, txKey{db}, tx))
		return ours
	})
	if ours != nil {
		return ours
	}
	return Err("transaction", err)
}
