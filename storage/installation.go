package storage

import (
	"context"
	"fmt"
	"time"
)

// Installation is what happened to a database as a whole.
type Installation struct {
	// RestoredAt is when it was restored from a backup last; nil for never.
	RestoredAt *time.Time
	// MovedAt is when it was exported to be served elsewhere; nil for never.
	MovedAt *time.Time
	// Oldest is the newest migration of the oldest program that it serves.
	Oldest int64
}

// MovedError reports a database that was exported: it is served elsewhere, and
// two that serve the same tokens would each accept what the other spent.
type MovedError struct{ At time.Time }

func (e *MovedError) Error() string {
	return fmt.Sprintf("this database was exported at %s, to be served from another one; it serves no more", e.At.UTC().Format(time.RFC3339))
}

// ReplacedError reports a database whose contents were replaced while a server
// was running on it.
type ReplacedError struct{}

func (*ReplacedError) Error() string {
	return "the database was restored from a backup while this server was running on it"
}

// Installation reads what happened to the database as a whole. One that is new
// has no history.
func (db *DB) Installation(ctx context.Context) (Installation, error) {
	var i Installation
	err := db.With(ctx).Raw(`SELECT i.restored_at, i.moved_at, s.oldest
		FROM schema_support s LEFT JOIN installation i ON i.id = 1 WHERE s.id = 1`).Scan(&i).Error
	return i, Err("read the installation", err)
}

// CheckHere returns a [MovedError] when the database is served elsewhere.
func (db *DB) CheckHere(ctx context.Context) error {
	i, err := db.Installation(ctx)
	if err == nil && i.MovedAt != nil {
		return &MovedError{*i.MovedAt}
	}
	return err
}

// CheckStill tells a server that began with the installation as it was whether
// it may go on: [ReplacedError], [MovedError] and [SchemaError] say that it may
// not.
func (db *DB) CheckStill(ctx context.Context, was Installation) error {
	is, err := db.Installation(ctx)
	if err != nil {
		return err
	}
	list, err := db.known()
	if err != nil {
		return err
	}
	newest := list[len(list)-1].Version
	switch {
	case is.MovedAt != nil:
		return &MovedError{*is.MovedAt}
	case (is.RestoredAt == nil) != (was.RestoredAt == nil) || is.RestoredAt != nil && !is.RestoredAt.Equal(*was.RestoredAt):
		return &ReplacedError{}
	case is.Oldest > newest:
		return &SchemaError{Database: is.Oldest, Program: newest, Oldest: is.Oldest}
	default:
		return nil
	}
}
