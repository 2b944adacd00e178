package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// A database is used by one test after another, because to empty one takes a
// tenth of the time that it takes to make one. Whatever a test may have done to
// the schema shows in its fingerprint: such a database is dropped.

// pristine is what a migrated database is before a test uses it.
type pristine struct {
	fingerprint string
	refill      string // statements that bring back what migrations put into tables
}

// fingerprint tells one state of a schema from another: each row of the
// catalogue has the transaction that wrote it.
const fingerprint = `SELECT md5(string_agg(entry, ',' ORDER BY entry)) FROM (
	SELECT 'class ' || c.oid || ' ' || c.xmin AS entry FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
	UNION ALL SELECT 'attribute ' || a.attrelid || ' ' || a.attnum || ' ' || a.xmin FROM pg_attribute a
		JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = current_schema()::regnamespace
	UNION ALL SELECT 'constraint ' || oid || ' ' || xmin FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
	UNION ALL SELECT 'trigger ' || oid || ' ' || xmin FROM pg_trigger
	UNION ALL SELECT 'function ' || oid || ' ' || xmin FROM pg_proc WHERE pronamespace = current_schema()::regnamespace) entries`

// examine returns what the database is.
func examine(ctx context.Context, db *sql.DB) (p pristine, err error) {
	if err := db.QueryRowContext(ctx, fingerprint).Scan(&p.fingerprint); err != nil {
		return p, err
	}
	tables, err := tablesOf(ctx, db)
	if err != nil {
		return p, err
	}
	var refill strings.Builder
	for _, t := range tables {
		var rows sql.NullString
		if err := db.QueryRowContext(ctx, `SELECT json_agg(t) FROM `+t+` t`).Scan(&rows); err != nil {
			return p, err
		}
		fmt.Fprintf(&refill, "DELETE FROM %s;\n", t)
		if rows.Valid {
			fmt.Fprintf(&refill, "INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT x.* FROM json_populate_recordset(NULL::%s, $rows$%s$rows$) x;\n", t, t, rows.String)
		}
	}
	p.refill = refill.String()
	return p, nil
}

func tablesOf(ctx context.Context, db *sql.DB) (tables []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, rows.Err()
}

var errChanged = errors.New("the test changed the schema")

// restore makes the database what it was before the test. Its foreign keys do
// not matter meanwhile, because all tables are emptied.
func (p pristine) restore(ctx context.Context, url string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	var now string
	if err := db.QueryRowContext(ctx, fingerprint).Scan(&now); err != nil {
		return err
	}
	if now != p.fingerprint {
		return errChanged
	}
	_, err = db.ExecContext(ctx, "SET session_replication_role = replica; SET statement_timeout = '20s'; "+p.refill)
	return err
}
