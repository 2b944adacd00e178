package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"countersign/storage"
)

// database opens the server's database beside it.
func (s *server) database() *storage.DB {
	s.t.Helper()
	address := "sqlite://" + filepath.Join(s.dir, "data", "countersign.db")
	for _, variable := range s.env {
		if value, ok := strings.CutPrefix(variable, "COUNTERSIGN_DATABASE="); ok {
			address = value
		}
	}
	db, err := storage.Open(context.Background(), storage.Config{URL: address, MaxConns: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() }) // nothing to lose
	return db
}

// age lets time pass for records: those of the table with the value in the
// column expired that long ago.
func (s *server) age(table, column, value string, by time.Duration) {
	s.t.Helper()
	db := s.database()
	res := db.With(context.Background()).Exec("UPDATE "+table+" SET expires_at = ? WHERE "+column+" = ?", db.Now().Add(-by), value)
	if res.Error != nil || res.RowsAffected == 0 {
		s.t.Fatalf("age %s: %v, %d rows", table, res.Error, res.RowsAffected)
	}
}
