package storage

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// The token path runs the same few statements for every request. [Select] and
// [DB.Exec] bring them to the form that the driver takes once, where gorm's
// Raw does so at every call and takes the row apart by way of a copy of each
// column. What they read is the same: columns go where gorm's names say.

// form is a statement as the driver takes it.
type form struct {
	sql    string
	writes bool
	names  []string // of the values, in the order of their placeholders
	plans  sync.Map // reflect.Type of a row to *plan

	toRead, toWrite compiled // on SQLite, whose connections for the two differ
}

// compiled is a statement that was compiled once for each connection.
type compiled struct {
	preparing atomic.Bool
	prepared  atomic.Pointer[sql.Stmt]
}

// form finds the form of a statement whose values are named @name. Statements
// are put together from constants, so that there are few.
func (db *DB) form(text string) *form {
	if f, ok := db.forms.Load(text); ok {
		return f.(*form) //nolint:forcetypeassert // nothing else is stored
	}
	f, _ := db.forms.LoadOrStore(text, compile(text, db.Dialect()))
	return f.(*form) //nolint:forcetypeassert // nothing else is stored
}

// compile writes the dialect's placeholders in the place of names. Each place
// has a value of its own, because PostgreSQL finds the type of each by itself.
func compile(text string, d Dialect) *form {
	f := &form{writes: !strings.HasPrefix(strings.TrimSpace(text), "SELECT")}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		end := i
		switch text[i] {
		case '\'':
			end = i + 1 + strings.IndexByte(text[i+1:], '\'')
			b.WriteString(text[i : end+1])
			i = end
			continue
		case '@':
			end = i + 1 + nameLength(text[i+1:])
		}
		if end <= i+1 {
			b.WriteByte(text[i])
			continue
		}
		f.names = append(f.names, text[i+1:end])
		b.WriteString(placeholder(d, len(f.names)))
		i = end - 1
	}
	f.sql = b.String()
	return f
}

func nameLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if n < 0 {
		return len(s)
	}
	return n
}

func placeholder(d Dialect, n int) string {
	if d == PostgreSQL {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// bind puts the values in order. A name without a value is a mistake in the
// store that the first call of its test shows.
func (f *form) bind(args map[string]any) ([]any, error) {
	values := make([]any, len(f.names))
	for i, name := range f.names {
		v, ok := args[name]
		if !ok {
			return nil, fmt.Errorf("statement without a value for @%s", name)
		}
		values[i] = v
	}
	return values, nil
}

// Exec runs a statement of the token path whose values are named @name, in the
// transaction in ctx if there is one, and returns how many rows it changed.
func (db *DB) Exec(ctx context.Context, text string, args map[string]any) (int64, error) {
	f := db.form(text)
	values, err := f.bind(args)
	if err != nil {
		return 0, err
	}
	if err := db.hook.before(ctx, f.sql); err != nil {
		return 0, err
	}
	done := db.hook.begin(ctx, f.sql)
	n, err := db.run(ctx, f, values)
	done(err)
	if err != nil {
		return 0, db.translate(err)
	}
	return n, nil
}

func (db *DB) run(ctx context.Context, f *form, values []any) (int64, error) {
	if db.direct(ctx) {
		return db.execDirect(ctx, f, values)
	}
	var res sql.Result
	err := db.inTurn(ctx, f, func() (err error) {
		res, err = db.exec(ctx, f, values)
		return err
	})
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Select runs a statement of the token path whose values are named @name, in
// the transaction in ctx if there is one, and returns its rows: structs, whose
// fields have the columns that gorm gives them, or values of one column.
func Select[T any](ctx context.Context, db *DB, text string, args map[string]any) ([]T, error) {
	f := db.form(text)
	values, err := f.bind(args)
	if err != nil {
		return nil, err
	}
	if err := db.hook.before(ctx, f.sql); err != nil {
		return nil, err
	}
	done := db.hook.begin(ctx, f.sql)
	list, err := read[T](ctx, db, f, values)
	done(err)
	if err != nil {
		return nil, db.translate(err)
	}
	return list, nil
}

func read[T any](ctx context.Context, db *DB, f *form, values []any) ([]T, error) {
	if db.direct(ctx) {
		return selectDirect[T](ctx, db, f, values)
	}
	var list []T
	err := db.inTurn(ctx, f, func() error {
		rows, err := db.query(ctx, f, values)
		if err == nil {
			list, err = collect[T](ctx, db, f, rows)
		}
		return err
	})
	return list, err
}

func collect[T any](ctx context.Context, db *DB, f *form, rows *sql.Rows) (list []T, err error) {
	defer func() { _ = rows.Close() }()
	p, err := f.plan(db, reflect.TypeFor[T](), rows.Columns)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		list = append(list, *new(T))
		if err := p.scan(ctx, rows, reflect.ValueOf(&list[len(list)-1]).Elem()); err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}

// translate restates what violates a constraint in gorm's words, which [Err]
// knows.
func (db *DB) translate(err error) error {
	if t, ok := db.pool.Dialector.(gorm.ErrorTranslator); ok {
		return t.Translate(err)
	}
	return err
}

// plan says where the columns of a statement go.
type plan struct {
	fields []*schema.Field // nil for a row that is one value
	cells  sync.Pool       // of *cells
}

func (f *form) plan(db *DB, t reflect.Type, columns func() ([]string, error)) (*plan, error) {
	if p, ok := f.plans.Load(t); ok {
		return p.(*plan), nil //nolint:forcetypeassert // nothing else is stored
	}
	p := &plan{}
	if t.Kind() == reflect.Struct {
		parsed, err := schema.Parse(reflect.New(t).Interface(), &db.schemas, db.pool.NamingStrategy)
		if err != nil {
			return nil, err
		}
		names, err := columns()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			field := parsed.LookUpField(name)
			if field == nil {
				return nil, fmt.Errorf("%s has no field for the column %s", t, name)
			}
			p.fields = append(p.fields, field)
		}
	}
	f.plans.Store(t, p)
	return p, nil
}

func (p *plan) scan(ctx context.Context, rows *sql.Rows, row reflect.Value) error {
	if p.fields == nil {
		return rows.Scan(row.Addr().Interface())
	}
	cells, ok := p.cells.Get().(*cells)
	if !ok {
		cells = p.newCells()
	}
	defer p.cells.Put(cells)
	for i, field := range p.fields {
		cells.list[i] = cell{ctx, field, row}
	}
	defer clear(cells.list)
	return rows.Scan(cells.targets...)
}

// cells are what a row is read by, used for one row after another.
type cells struct {
	list    []cell
	targets []any // the same, as the driver takes them
}

func (p *plan) newCells() *cells {
	c := &cells{make([]cell, len(p.fields)), make([]any, len(p.fields))}
	for i := range c.list {
		c.targets[i] = &c.list[i]
	}
	return c
}
