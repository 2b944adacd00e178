package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Kind is the type of a column as both dialects know it.
type Kind string

// The kinds.
const (
	Text  Kind = "text"
	Bytes Kind = "bytes"
	Time  Kind = "time"
	Int   Kind = "int"
	Bool  Kind = "bool"
)

var kinds = map[string]Kind{
	"TEXT": Text, "BLOB": Bytes, "DATETIME": Time, "INTEGER": Int, "BOOLEAN": Bool,
	"text": Text, "bytea": Bytes, "timestamp with time zone": Time, "bigint": Int, "boolean": Bool,
}

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table of the schema.
type Table struct {
	Name    string
	Columns []Column
}

// schemaTables are those that belong to the schema and not to what it holds.
var schemaTables = []string{"goose_db_version", "schema_support"}

// Tables walks the schema and returns its tables, each after those that it
// refers to, without those that belong to the schema itself. A column of a
// type that the other dialect does not have is an error.
func (c Conn) Tables(ctx context.Context) ([]Table, error) {
	const doing = "read the schema"
	query := `SELECT m.name, c.name, c.type FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY m.name, c.cid`
	if c.Dialect == PostgreSQL {
		query = `SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
			JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
			WHERE c.table_schema = current_schema() ORDER BY c.table_name, c.ordinal_position`
	}
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return nil, Err(doing, err)
	}
	defer func() { _ = rows.Close() }()
	var list []Table
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			return nil, Err(doing, err)
		}
		if slices.Contains(schemaTables, table) {
			continue
		}
		if kinds[kind] == "" {
			return nil, fmt.Errorf("%s: column %s.%s has type %s, which not both databases have", doing, table, column, kind)
		}
		if len(list) == 0 || list[len(list)-1].Name != table {
			list = append(list, Table{Name: table})
		}
		last := &list[len(list)-1]
		last.Columns = append(last.Columns, Column{column, kinds[kind]})
	}
	if err := rows.Err(); err != nil {
		return nil, Err(doing, err)
	}
	return c.inOrder(ctx, list)
}

// inOrder puts tables after those that they refer to.
func (c Conn) inOrder(ctx context.Context, list []Table) ([]Table, error) {
	refers, err := c.references(ctx)
	if err != nil {
		return nil, err
	}
	var ordered []Table
	var place func(Table)
	placed := map[string]bool{}
	place = func(t Table) {
		if placed[t.Name] {
			return
		}
		placed[t.Name] = true
		for _, other := range list {
			if slices.Contains(refers[t.Name], other.Name) {
				place(other)
			}
		}
		ordered = append(ordered, t)
	}
	for _, t := range list {
		place(t)
	}
	return ordered, nil
}

// references returns the tables that each table refers to.
func (c Conn) references(ctx context.Context) (map[string][]string, error) {
	query := `SELECT m.name, f."table" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`
	if c.Dialect == PostgreSQL {
		query = `SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
			WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`
	}
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return nil, Err("read the schema", err)
	}
	defer func() { _ = rows.Close() }()
	refers := map[string][]string{}
	for rows.Next() {
		var from, to string
		if err := rows.Scan(&from, &to); err != nil {
			return nil, Err("read the schema", err)
		}
		refers[from] = append(refers[from], to)
	}
	return refers, Err("read the schema", rows.Err())
}

// List names the columns, quoted and separated by commas.
func (t Table) List() string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = `"` + c.Name + `"`
	}
	return strings.Join(names, ", ")
}
