package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Deleting leaves most of the time to who is served, and ends at once when the
// server does. It stops resting where more comes than goes.
func TestDeletingRestsBetweenBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, deletingRests)
}

// deletingRests runs by a clock of its own, that nothing beside it moves.
func deletingRests(t *testing.T) {
	const takes = 5 * time.Millisecond
	var b backlogs
	batches := func(full int, takes time.Duration) func(context.Context, int) (int64, error) {
		return func(context.Context, int) (int64, error) {
			time.Sleep(takes)
			if full--; full < 0 {
				return 7, nil
			}
			return purgeBatch, nil
		}
	}
	run := func(full int, takes time.Duration) (n int64, took time.Duration) {
		t.Helper()
		begun := time.Now()
		n, err := b.drain(t.Context(), "grants", batches(full, takes))
		if err != nil {
			t.Error(err)
		}
		return n, time.Since(begun)
	}
	if n, took := run(3, takes); n != 3*purgeBatch+7 || took != 4*takes+3*purgeRest*takes {
		t.Errorf("%d records were deleted in %s", n, took)
	}
	if n, _ := run(purgeRounds+9, 0); n != purgeRounds*purgeBatch || b["grants"].IsZero() {
		t.Errorf("%d of more than a run's records were deleted, and %v are behind", n, b)
	}
	b["grants"] = time.Now().Add(-2 * purgePatience)
	if n, took := run(3, takes); n != 3*purgeBatch+7 || took != 4*takes || len(b) > 0 {
		t.Errorf("after hours of backlog %d records were deleted in %s, and %v are behind", n, took, b)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopping := func(context.Context, int) (int64, error) {
		time.Sleep(takes)
		stop()
		return purgeBatch, nil
	}
	if n, err := b.drain(ctx, "grants", stopping); n != purgeBatch || err != nil {
		t.Errorf("when the server stops: %d, %v", n, err)
	}
}
