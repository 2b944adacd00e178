package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// The token path's statements that are a transaction by themselves go to
// PostgreSQL's driver without database/sql in between, which would start a
// goroutine for each, and hand over each column in a box. The pool, and what it
// does with connections that broke, is the same.

// direct reports whether a statement with ctx needs no transaction of ours and
// runs on PostgreSQL.
func (db *DB) direct(ctx context.Context) bool {
	return db.Dialect() == PostgreSQL && !db.InTransaction(ctx)
}

// maxRetries is how often a statement that never reached the database is tried
// with another connection: as often as database/sql does.
const maxRetries = 2

// onConn runs fn with a connection to PostgreSQL of its own, and with another
// if the first turns out to have broken before the statement was sent.
func (db *DB) onConn(ctx context.Context, fn func(*pgx.Conn) error) error {
	for try := 0; ; try++ {
		err := db.onAnyConn(ctx, fn)
		if !errors.Is(err, driver.ErrBadConn) || try == maxRetries {
			return err
		}
	}
}

func (db *DB) onAnyConn(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := db.conns.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // which gives it back
	return conn.Raw(func(raw any) error {
		c, ok := raw.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("%T is not a connection to PostgreSQL", raw)
		}
		err := fn(c.Conn())
		if err != nil && pgconn.SafeToRetry(err) && ctx.Err() == nil {
			return driver.ErrBadConn
		}
		return err
	})
}

// execDirect runs a statement and returns how many rows it changed.
func (db *DB) execDirect(ctx context.Context, f *form, values []any) (n int64, err error) {
	err = db.onConn(ctx, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, f.sql, values...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// selectDirect runs a statement and returns its rows.
func selectDirect[T any](ctx context.Context, db *DB, f *form, values []any) (list []T, err error) {
	err = db.onConn(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, f.sql, values...)
		if err != nil {
			return err
		}
		defer rows.Close()
		list, err = collectDirect[T](ctx, db, f, rows)
		return err
	})
	return list, err
}

func collectDirect[T any](ctx context.Context, db *DB, f *form, rows pgx.Rows) (list []T, err error) {
	var p *plan
	for rows.Next() {
		if p == nil { // the columns are known only now, and only if there is a row
			if p, err = f.plan(db, reflect.TypeFor[T](), columnsOf(rows)); err != nil {
				return nil, err
			}
		}
		list = append(list, *new(T))
		last := &list[len(list)-1]
		if p.fields == nil {
			err = rows.Scan(last)
		} else {
			err = p.decode(ctx, rows, reflect.ValueOf(last).Elem())
		}
		if err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}

func columnsOf(rows pgx.Rows) func() ([]string, error) {
	return func() (names []string, err error) {
		for _, column := range rows.FieldDescriptions() {
			names = append(names, column.Name)
		}
		return names, nil
	}
}
