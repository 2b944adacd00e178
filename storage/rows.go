package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Rows are the rows of a table, as values that either dialect takes.
type Rows struct {
	table Table
	rows  *sql.Rows
	count int64
	err   error
}

// Read returns all rows of a table. Who reads them closes them.
func (c Conn) Read(ctx context.Context, t Table) (*Rows, error) {
	rows, err := c.QueryContext(ctx, `SELECT `+t.List()+` FROM "`+t.Name+`"`)
	if err != nil {
		return nil, Err("read table "+t.Name, err)
	}
	return &Rows{table: t, rows: rows}, nil
}

// Close ends the reading.
func (r *Rows) Close() { _ = r.rows.Close() } // Err has said what went wrong

// Next goes to the next row.
func (r *Rows) Next() bool {
	if r.err != nil || !r.rows.Next() {
		return false
	}
	r.count++
	return true
}

// Err returns what ended the reading before the last row.
func (r *Rows) Err() error { return errors.Join(r.err, r.rows.Err()) }

// Values returns the row, each value in the Go type of its column's kind, or
// nil.
func (r *Rows) Values() ([]any, error) {
	values, into := make([]any, len(r.table.Columns)), make([]any, len(r.table.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	if r.err = r.rows.Scan(into...); r.err != nil {
		return nil, r.err
	}
	for i, c := range r.table.Columns {
		if values[i], r.err = c.Kind.convert(values[i]); r.err != nil {
			r.err = fmt.Errorf("table %s, column %s: %w", r.table.Name, c.Name, r.err)
			return nil, r.err
		}
	}
	return values, nil
}

// convert returns a value as its column's kind has it. SQLite keeps bytes in a
// column of text, and numbers in one of booleans, when it is given them.
func (k Kind) convert(value any) (any, error) { //nolint:cyclop,ireturn // one case for each pair of types
	switch v := value.(type) {
	case nil:
		return nil, nil
	case []byte:
		if k == Text {
			return string(v), nil
		}
	case string:
		if k == Bytes {
			return []byte(v), nil
		}
	case int64:
		if k == Bool {
			return v != 0, nil
		}
	}
	ok := false
	switch k {
	case Text:
		_, ok = value.(string)
	case Bytes:
		_, ok = value.([]byte)
	case Time:
		_, ok = value.(time.Time)
	case Int:
		_, ok = value.(int64)
	case Bool:
		_, ok = value.(bool)
	}
	if !ok {
		return nil, fmt.Errorf("a value of type %T is no %s", value, k)
	}
	return value, nil
}

// Insert adds the rows to the table and returns how many they were.
func (c Conn) Insert(ctx context.Context, t Table, rows *Rows) (int64, error) {
	var err error
	if c.Dialect == PostgreSQL {
		err = c.insertPostgres(ctx, t, rows)
	} else {
		err = c.insertSQLite(ctx, t, rows)
	}
	return rows.count, Err("write table "+t.Name, errors.Join(err, rows.Err()))
}

func (c Conn) insertPostgres(ctx context.Context, t Table, rows *Rows) error {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = column.Name
	}
	return c.Raw(func(driver any) error {
		conn, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("%T is not a connection to PostgreSQL", driver)
		}
		_, err := conn.Conn().CopyFrom(ctx, pgx.Identifier{t.Name}, names, rows)
		return err
	})
}

func (c Conn) insertSQLite(ctx context.Context, t Table, rows *Rows) error {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	insert, err := c.PrepareContext(ctx, `INSERT INTO "`+t.Name+`" (`+t.List()+`) VALUES (`+marks+`)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	return nil
}

// Empty deletes all rows of the tables, the append-only record too: what takes
// their place is a whole.
func (c Conn) Empty(ctx context.Context, tables []Table) error {
	if c.Dialect == PostgreSQL {
		return c.emptyPostgres(ctx, tables)
	}
	triggers, err := c.triggers(ctx)
	if err != nil {
		return err
	}
	var statements []string
	for name := range triggers {
		statements = append(statements, `DROP TRIGGER "`+name+`"`)
	}
	for i := len(tables) - 1; i >= 0; i-- {
		statements = append(statements, `DELETE FROM "`+tables[i].Name+`"`)
	}
	for _, again := range triggers {
		statements = append(statements, again)
	}
	return c.run(ctx, statements)
}

func (c Conn) emptyPostgres(ctx context.Context, tables []Table) error {
	var off, on []string
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = `"` + t.Name + `"`
		off = append(off, `ALTER TABLE "`+t.Name+`" DISABLE TRIGGER USER`)
		on = append(on, `ALTER TABLE "`+t.Name+`" ENABLE TRIGGER USER`)
	}
	return c.run(ctx, append(append(off, `TRUNCATE `+strings.Join(names, ", ")), on...))
}

func (c Conn) run(ctx context.Context, statements []string) error {
	for _, s := range statements {
		if _, err := c.ExecContext(ctx, s); err != nil {
			return Err("empty the database", err)
		}
	}
	return nil
}

// triggers returns the triggers of a SQLite database with the statements that
// made them.
func (c Conn) triggers(ctx context.Context) (map[string]string, error) {
	rows, err := c.QueryContext(ctx, `SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'`)
	if err != nil {
		return nil, Err("read the schema", err)
	}
	defer func() { _ = rows.Close() }()
	made := map[string]string{}
	for rows.Next() {
		var name, statement string
		if err := rows.Scan(&name, &statement); err != nil {
			return nil, Err("read the schema", err)
		}
		made[name] = statement
	}
	return made, Err("read the schema", rows.Err())
}
