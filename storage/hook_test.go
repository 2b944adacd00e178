package storage

import "testing"

// A statement that nobody watches costs a look at a pointer.
func TestUnwatchedStatementsCostNothing(t *testing.T) {
	var h hooks
	if n := testing.AllocsPerRun(100, func() { h.begin(t.Context(), "SELECT 1")(nil) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
