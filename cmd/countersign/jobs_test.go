package main

import (
	"context"
	"testing"
	"time"
)

// Deleting leaves most of the time to who is served, and ends at once when the
// server does.
func TestDeletingRestsBetweenBatches(t *testing.T) {
	t.Parallel()
	const takes = 10 * time.Millisecond
	left := 3
	begun := time.Now()
	n, err := drain(t.Context(), func(context.Context, int) (int64, error) {
		time.Sleep(takes)
		if left--; left < 0 {
			return 7, nil
		}
		return purgeBatch, nil
	})
	if err != nil || n != 3*purgeBatch+7 {
		t.Errorf("drain() = %d, %v", n, err)
	}
	if took := time.Since(begun); took < 4*takes+3*purgeRest*takes {
		t.Errorf("four batches of %s were deleted in %s", takes, took)
	}
	ctx, stop := context.WithCancel(t.Context())
	if n, err := drain(ctx, func(context.Context, int) (int64, error) { stop(); return purgeBatch, nil }); n != purgeBatch || err != nil {
		t.Errorf("when the server stops: drain() = %d, %v", n, err)
	}
}
