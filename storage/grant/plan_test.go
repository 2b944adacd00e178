package grant_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

var (
	parameter = regexp.MustCompile(`\$\d+`)
	wholePG   = regexp.MustCompile(`Seq Scan on \w+`)
	wholeLite = regexp.MustCompile(`SCAN (\w+)`)
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
			if slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, strings.Fields(statement)[0]) {
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
		if control := compiled(db, `SELECT id FROM grants WHERE scope = `); len(scans(w, control)) == 0 {
			t.Errorf("a table is read and not seen: %s", control)
		}
		slices.Sort(statements)
		for _, statement := range slices.Compact(statements) {
			if whole := scans(w, statement); len(whole) > 0 {
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

// scans returns the whole tables that a statement's plan reads.
func scans(w *world, statement string) []string {
	w.Helper()
	if w.db.Dialect() == storage.PostgreSQL {
		return scansOfPostgres(w, statement)
	}
	var steps []struct{ Detail string }
	values := make([]any, strings.Count(statement, "?"))
	w.must(w.db.With(w.Context()).Raw("EXPLAIN QUERY PLAN "+statement, values...).Scan(&steps).Error)
	var whole []string
	for _, step := range steps {
		for _, found := range wholeLite.FindAllStringSubmatch(step.Detail, -1) {
			if found[1] != "CONSTANT" {
				whole = append(whole, step.Detail)
			}
		}
	}
	return whole
}

func scansOfPostgres(w *world, statement string) (whole []string) {
	w.Helper()
	count := 0
	for _, p := range parameter.FindAllString(statement, -1) {
		var n int
		_, err := fmt.Sscanf(p, "$%d", &n)
		w.must(err)
		count = max(count, n)
	}
	values := strings.TrimSuffix(strings.Repeat("NULL,", count), ",")
	w.must(w.db.InTx(w.Context(), func(ctx context.Context) error {
		for _, first := range []string{"SET LOCAL enable_seqscan = off", "SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE planned AS " + statement} {
			if err := w.db.With(ctx).Exec(first).Error; err != nil {
				return err
			}
		}
		var lines []string
		if err := w.db.With(ctx).Raw("EXPLAIN EXECUTE planned(" + values + ")").Scan(&lines).Error; err != nil {
			return err
		}
		for _, line := range lines {
			whole = append(whole, wholePG.FindAllString(line, -1)...)
		}
		return w.db.With(ctx).Exec("DEALLOCATE planned").Error
	}))
	return whole
}
