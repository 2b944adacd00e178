package storagetest

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign/storage"
)

// Plan is how a database finds the rows of a statement: what it reads, and by
// which index, a table a line.
type Plan []string

// Whole returns the steps that read all of a table.
func (p Plan) Whole() []string {
	return slices.DeleteFunc(slices.Clone(p), func(step string) bool { return !strings.HasPrefix(step, "all of ") })
}

var (
	pgParameter = regexp.MustCompile(`\$(\d+)`)
	pgStep      = regexp.MustCompile(`(?:Index(?: Only)? Scan|Bitmap Index Scan)(?: Backward)?(?: using| on) (\w+)(?: on (\w+))?|(Seq Scan) on (\w+)`)
	liteStep    = regexp.MustCompile(`^(SEARCH|SCAN) (\w+)(.*)$`)
)

// PlanOf asks the database for the plan of a statement as hooks see them. As
// the tables of tests are small, PostgreSQL is kept from reading them whole: one
// that is read whole even so, or all of an index, has no index that serves.
func PlanOf(tb testing.TB, db *storage.DB, statement string) Plan {
	tb.Helper()
	if db.Dialect() == storage.PostgreSQL {
		return planOfPostgres(tb, db, statement)
	}
	var steps []struct{ Detail string }
	values := make([]any, strings.Count(statement, "?"))
	if err := db.With(tb.Context()).Raw("EXPLAIN QUERY PLAN "+statement, values...).Scan(&steps).Error; err != nil {
		tb.Fatalf("explain %s: %v", statement, err)
	}
	var p Plan
	for _, s := range steps {
		switch m := liteStep.FindStringSubmatch(s.Detail); {
		case m == nil || m[2] == "CONSTANT" || strings.HasSuffix(m[3], "ROW VALUES CLAUSE"): // values, no table
		case m[1] == "SCAN" && !strings.Contains(m[3], "VIRTUAL TABLE"):
			p = append(p, "all of "+m[2]+m[3])
		default:
			p = append(p, m[2]+m[3])
		}
	}
	return p
}

func planOfPostgres(tb testing.TB, db *storage.DB, statement string) (p Plan) {
	tb.Helper()
	count := 0
	for _, m := range pgParameter.FindAllStringSubmatch(statement, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			tb.Fatal(err)
		}
		count = max(count, n)
	}
	execute := "planned"
	if count > 0 {
		execute += "(" + strings.TrimSuffix(strings.Repeat("NULL,", count), ",") + ")"
	}
	err := db.InTx(tb.Context(), func(ctx context.Context) error {
		for _, first := range []string{
			"SET LOCAL enable_seqscan = off", "SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE planned AS " + statement,
		} {
			if err := db.With(ctx).Exec(first).Error; err != nil {
				return err
			}
		}
		var lines []string
		if err := db.With(ctx).Raw("EXPLAIN (COSTS OFF) EXECUTE " + execute).Scan(&lines).Error; err != nil {
			return err
		}
		p = stepsOf(lines)
		return db.With(ctx).Exec("DEALLOCATE planned").Error
	})
	if err != nil {
		tb.Fatalf("explain %s: %v", statement, err)
	}
	return p
}

// stepsOf are the steps of PostgreSQL's plan in an order that does not depend on
// how it joins.
func stepsOf(lines []string) (p Plan) {
	for i, line := range lines {
		m := pgStep.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		step := "by " + m[1]
		if m[2] != "" {
			step = m[2] + " " + step
		}
		switch {
		case m[3] != "":
			step = "all of " + m[4]
		case !isSearch(lines[i+1:]):
			step = "all of " + step
		}
		p = append(p, step)
	}
	slices.Sort(p)
	return p
}

// isSearch reports whether the step that the lines go on with looks for
// something in its index.
func isSearch(lines []string) bool {
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "->") {
			return false
		}
		if strings.Contains(line, "Index Cond:") {
			return true
		}
	}
	return false
}

// Reads reports whether a statement, as hooks see them, reads or writes tables.
func Reads(statement string) bool {
	words := strings.Fields(statement)
	return len(words) > 0 && slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, strings.ToUpper(words[0]))
}

// Multiply fills the tables of a PostgreSQL database with copies of what is in
// them, so many for each row, and has the database count: what it plans for a
// handful of rows tells nothing. Copies have keys of their own, and refer to
// copies.
func Multiply(tb testing.TB, db *storage.DB, tables []string, copies int) {
	tb.Helper()
	for _, table := range tables {
		var columns []struct {
			Name, Type string
			IsKey      bool
		}
		err := db.With(tb.Context()).Raw(`
			SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
				EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey::int2[]))
				OR EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'f' AND a.attnum = ANY (c.conkey)) AS is_key
			FROM pg_attribute a WHERE a.attrelid = CAST(? AS regclass) AND a.attnum > 0 AND NOT a.attisdropped`, table).Scan(&columns).Error
		if err != nil {
			tb.Fatalf("look at table %s: %v", table, err)
		}
		var names, values []string
		for _, c := range columns {
			value := `"` + c.Name + `"`
			names = append(names, value)
			switch {
			case c.IsKey && c.Type == "text":
				value = `CASE "` + c.Name + `" WHEN '' THEN '' ELSE "` + c.Name + `" || '-' || n END`
			case c.IsKey && c.Type == "bytea":
				value = `sha256("` + c.Name + `" || n::text::bytea)`
			}
			values = append(values, value)
		}
		err = db.With(tb.Context()).Exec(`INSERT INTO "`+table+`" (`+strings.Join(names, ", ")+`)
			SELECT `+strings.Join(values, ", ")+` FROM "`+table+`", generate_series(1, ?::int) n ON CONFLICT DO NOTHING`, copies).Error
		if err != nil {
			tb.Fatalf("fill table %s: %v", table, err)
		}
	}
	if err := db.With(tb.Context()).Exec(`ANALYZE`).Error; err != nil {
		tb.Fatalf("count the rows: %v", err)
	}
}
