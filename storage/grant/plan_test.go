package grant_test

import (
	"context"
	"slices"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// Every statement of the token path finds its rows by an index, however many
// there are: with sequential scans made dear, PostgreSQL plans one only where
// no index serves.
func TestNoStatementReadsAWholeTable(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		issue := clientCredentials(w)
		var statements []string
		db.SetHook(func(_ context.Context, statement string) error {
			if storagetest.Reads(statement) {
				statements = append(statements, statement)
			}
			return nil
		})
		issue()
		refreshes(w)()
		readToken(w)()
		_, err := w.grants.Bearer(t.Context(), w.tokens().AccessToken)
		w.must(err)
		db.SetHook(nil)
		if len(statements) < 5 {
			t.Fatalf("only %d statements were seen", len(statements))
		}
		if control := compiled(db, `SELECT id FROM grants WHERE scope = `); len(storagetest.PlanOf(t, db, control).Whole()) == 0 {
			t.Errorf("a table is read and not seen: %s", control)
		}
		slices.Sort(statements)
		for _, statement := range slices.Compact(statements) {
			if whole := storagetest.PlanOf(t, db, statement).Whole(); len(whole) > 0 {
				t.Errorf("reads all of %q: %s", whole, statement)
			}
		}
	})
}

// compiled ends a statement with a placeholder.
func compiled(db *storage.DB, statement string) string {
	if db.Dialect() == storage.PostgreSQL {
		return statement + "$1"
	}
	return statement + "?"
}
