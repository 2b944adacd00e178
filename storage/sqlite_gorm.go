package storage

import (
	"errors"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

var (
	_ gorm.Dialector       = (*sqliteDialector)(nil)
	_ gorm.ErrorTranslator = (*sqliteDialector)(nil)
)

// sqliteDialector teaches gorm SQLite over the pure Go driver. The official
// dialector links a C library; see docs/decisions/0002-sqlite-without-c.md.
// There is no migrator: the schema is SQL in migrations/.
type sqliteDialector struct{ conn gorm.ConnPool }

// Name names the dialect.
func (*sqliteDialector) Name() string { return string(SQLite) }

// Initialize tells gorm which clauses SQLite knows.
func (d *sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.conn
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE", "RETURNING"},
	})
	return nil
}

// Migrator is not used: the schema is SQL in migrations/.
func (*sqliteDialector) Migrator(*gorm.DB) gorm.Migrator { return nil } //nolint:ireturn // gorm's contract

// DataTypeOf is not used: the schema is SQL in migrations/.
func (*sqliteDialector) DataTypeOf(*schema.Field) string { return "" }

// DefaultValueOf is what gorm writes for a column left to its default.
func (*sqliteDialector) DefaultValueOf(*schema.Field) clause.Expression { //nolint:ireturn // gorm's contract
	return clause.Expr{SQL: "NULL"}
}

// BindVarTo writes a placeholder.
func (*sqliteDialector) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) {
	_ = w.WriteByte('?') // a strings.Builder cannot fail
}

// QuoteTo quotes an identifier, part by part: gorm passes table.column as one.
// Identifiers come from struct tags, never from a request.
func (*sqliteDialector) QuoteTo(w clause.Writer, name string) {
	for i, part := range strings.Split(name, ".") {
		if i > 0 {
			_ = w.WriteByte('.') // a strings.Builder cannot fail
		}
		part = strings.Trim(part, "`\"") // quoted already
		_, _ = w.WriteString(`"` + strings.ReplaceAll(part, `"`, `""`) + `"`)
	}
}

// Explain renders a statement for a log line.
func (*sqliteDialector) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, `"`, vars...)
}

// Translate restates the driver's constraint errors in gorm's words.
func (*sqliteDialector) Translate(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_UNIQUE:
		return gorm.ErrDuplicatedKey
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return gorm.ErrForeignKeyViolated
	case lib.SQLITE_CONSTRAINT_CHECK:
		return gorm.ErrCheckConstraintViolated
	default:
		return err
	}
}
