package storage_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// The text of a statement that was scanned had its values in it, which may be
// hashes of secrets.
func TestSlowStatementsAreLoggedWithoutValues(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		db, err := storage.Open(t.Context(), storage.Config{URL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		slow := `WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000000) SELECT count(*) FROM c WHERE '' <> ?`
		if db.Dialect() == storage.PostgreSQL {
			slow = `SELECT count(*) FROM pg_sleep(0.3) WHERE '' <> ?`
		}
		var n int64
		if err := db.With(t.Context()).Raw(slow, "a secret").Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		if got := log.String(); !strings.Contains(got, "slow statement") || strings.Contains(got, "a secret") {
			t.Errorf("the log says %s", got)
		}
	})
}
