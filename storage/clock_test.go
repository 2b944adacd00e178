package storage_test

import (
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// TestReplicasShareTheDatabasesClock opens one database from machines with other
// times: they agree on the time all the same (INV-17).
func TestReplicasShareTheDatabasesClock(t *testing.T) {
	t.Parallel()
	url := storagetest.PostgresURL(t)
	for _, offset := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute, time.Hour, -1500 * time.Millisecond} {
		machine := offset
		db, err := storage.Open(t.Context(), storage.Config{URL: url, Clock: func() time.Time { return time.Now().Add(machine) }}) //nolint:forbidigo // this machine's clock is what is tried
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if off := time.Since(db.Now()).Abs(); off > 1200*time.Millisecond {
			t.Errorf("a machine that is off by %v tells a time that is off by %v", offset, off)
		}
		machine = 0 // somebody sets its clock
		if skew, err := db.FollowClock(t.Context()); err != nil || skew != 0 {
			t.Errorf("FollowClock() = %v, %v", skew, err)
		}
		if off := time.Since(db.Now()).Abs(); off > time.Second {
			t.Errorf("the time is off by %v after the clock was set right", off)
		}
	}
}
