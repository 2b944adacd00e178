package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Diagnosis is what can be said of a database from outside its records.
type Diagnosis struct {
	Version string
	// Journal is SQLite's journal mode, which has to be wal.
	Journal string
	// Skew is how far the database's clock is ahead of this machine's; SQLite
	// has none of its own.
	Skew time.Duration
}

// errUndo ends a transaction that must leave nothing behind.
var errUndo = errors.New("undo")

// Diagnose asks the database about itself and tries to write to it. It leaves
// nothing behind. The schema has to be current.
func (db *DB) Diagnose(ctx context.Context) (Diagnosis, error) {
	var d Diagnosis
	err := db.InTx(ctx, func(ctx context.Context) error {
		if err := db.With(ctx).Exec(`UPDATE installation SET created_at = created_at`).Error; err != nil {
			return fmt.Errorf("write to the database: %w", err)
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		return d, Err("diagnose", err)
	}
	if db.Dialect() == SQLite {
		return d, Err("diagnose", db.With(ctx).Raw(`SELECT sqlite_version() AS version, journal_mode AS journal FROM pragma_journal_mode`).Scan(&d).Error)
	}
	var answer struct {
		Version string
		Now     time.Time
	}
	before := db.clock.machine()
	err = db.With(ctx).Raw(`SELECT current_setting('server_version') AS version, clock_timestamp() AS now`).Scan(&answer).Error
	d.Version = answer.Version
	d.Skew = answer.Now.Sub(before.Add(db.clock.machine().Sub(before) / 2)) // asked and answered half the time ago
	return d, Err("diagnose", err)
}
