package storage_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// A statement that was planned while its table was known to be nearly empty
// reads all of it, on a connection that keeps that plan, until the table is
// analysed.
func TestOutgrownPlansAreMadeAnew(t *testing.T) {
	t.Parallel()
	db := storagetest.OpenPostgres(t)
	conn, err := db.Pool().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	run(t, conn, `ALTER TABLE used_jtis SET (autovacuum_enabled = off)`) // not by chance in between
	defer run(t, conn, `ALTER TABLE used_jtis RESET (autovacuum_enabled)`)
	run(t, conn, manyJTIs, 1, 10)
	run(t, conn, `VACUUM ANALYZE used_jtis`)
	run(t, conn, `SET plan_cache_mode = force_generic_plan`)
	run(t, conn, `PREPARE looked_for AS SELECT expires_at FROM used_jtis WHERE hash = $1`)
	wantPlan(t, conn, "Seq Scan")
	wantAnalyzed(t, db)

	run(t, conn, manyJTIs, 11, 5000)
	run(t, conn, `SELECT pg_stat_force_next_flush()`) // as happens by itself within a second
	run(t, conn, `SELECT 1`)
	wantPlan(t, conn, "Seq Scan")
	wantAnalyzed(t, db, "public.used_jtis")
	wantPlan(t, conn, "Index Scan")
	wantAnalyzed(t, db)
}

// SQLite has nothing to look at.
func TestAnalyzeOnSQLite(t *testing.T) {
	t.Parallel()
	wantAnalyzed(t, storagetest.Open(t))
}

const manyJTIs = `INSERT INTO used_jtis (hash, expires_at) SELECT sha256(n::text::bytea), now() + interval '1 hour' FROM generate_series($1::int, $2::int) n`

func run(t *testing.T, conn *sql.Conn, statement string, values ...any) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), statement, values...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// wantPlan fails unless the plan that the connection keeps has the step.
func wantPlan(t *testing.T, conn *sql.Conn, step string) {
	t.Helper()
	var plan string
	if err := conn.QueryRowContext(t.Context(), `EXPLAIN (COSTS OFF) EXECUTE looked_for('')`).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, step) {
		t.Errorf("the plan is %q; want a %s", plan, step)
	}
}

func wantAnalyzed(t *testing.T, db *storage.DB, want ...string) {
	t.Helper()
	if tables, err := db.Analyze(t.Context()); err != nil || !slices.Equal(tables, want) {
		t.Errorf("analyzed %v, %v; want %v", tables, err, want)
	}
}
