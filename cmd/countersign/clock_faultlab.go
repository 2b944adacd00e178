//go:build faultlab

package main

import (
	"fmt"
	"os"
	"time"

	"countersign/storage"
)

// shiftClock makes this server's time another one, as FAULTLAB_CLOCK says.
func shiftClock(db *storage.DB) error {
	raw := os.Getenv("FAULTLAB_CLOCK")
	if raw == "" {
		return nil
	}
	offset, err := time.ParseDuration(raw)
	if err != nil {
		return fmt.Errorf("FAULTLAB_CLOCK: %w", err)
	}
	now := db.Now
	db.Now = func() time.Time { return now().Add(offset) }
	return nil
}
