package storage

import (
	"context"
	"maps"
	"strconv"
	"strings"
)

// Part is what one store has another write along with something of its own: all
// of it or, if that is not written, nothing.
type Part struct {
	// Statements end in a condition, so that AND may follow.
	Statements []string
	// Args are their values. Their names are unlike those of other stores.
	Args map[string]any
}

// After returns the part as what goes on with the WITH clause of a PostgreSQL
// statement, to be done where the condition is true, and adds its values to the
// statement's.
func (p Part) After(condition string, args map[string]any) string {
	var b strings.Builder
	for i, s := range p.Statements {
		b.WriteString(`, part` + strconv.Itoa(i) + ` AS (` + s + ` AND ` + condition + `)`)
	}
	maps.Copy(args, p.Args)
	return b.String()
}

// ExecPart does the part, one statement after another, in a transaction.
func (db *DB) ExecPart(ctx context.Context, p Part) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		for _, s := range p.Statements {
			if _, err := db.Exec(ctx, s, p.Args); err != nil {
				return err
			}
		}
		return nil
	})
}
