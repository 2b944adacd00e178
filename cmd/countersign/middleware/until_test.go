package middleware

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type inContext struct{}

// A context that sets its alarm late ends when it should have, for who waits for it
// and for what was derived from it.
func TestUntil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent := context.WithValue(t.Context(), inContext{}, "kept")
		ctx := until(parent, time.Now().Add(time.Second))
		if at, ok := ctx.Deadline(); !ok || !at.Equal(time.Now().Add(time.Second)) {
			t.Errorf("deadline %v, %t", at, ok)
		}
		if ctx.armed != nil || ctx.Value(inContext{}) != "kept" {
			t.Error("it set its alarm before anybody waited, or lost a value")
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		select {
		case <-child.Done():
			t.Error("it ended at once")
		case <-time.After(time.Second - time.Millisecond):
		}
		if ctx.Err() != nil || child.Value(inContext{}) != "kept" {
			t.Errorf("before its end: %v", ctx.Err())
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("after its end: %v, %v", ctx.Err(), child.Err())
		}
	})
}

func TestUntilEndsWithItsRequestAndItsParent(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithTimeout(t.Context(), time.Minute)
	soon, late, orphan := until(parent, time.Now().Add(time.Hour)), until(parent, time.Now().Add(time.Hour)), until(parent, time.Now().Add(time.Hour))
	if at, _ := soon.Deadline(); time.Until(at) > time.Minute {
		t.Errorf("it outlives its parent: %v", at)
	}
	done := soon.Done()
	soon.end()
	<-done
	late.end() // before anybody waited
	<-late.Done()
	cancel()
	<-orphan.Done()
	for name, err := range map[string]error{"waited for": soon.Err(), "ended before": late.Err(), "orphan": orphan.Err()} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v; want %v", name, err, context.Canceled)
		}
	}
}
