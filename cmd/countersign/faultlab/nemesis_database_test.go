package main

import (
	"slices"
	"testing"
	"time"
)

// A short run has not the time to make every operation of the stores fail.
// Several come to all of them, and the same seed to the same.
func TestStoresFrom(t *testing.T) {
	t.Parallel()
	const inShortRun = 10 * time.Second / storeFailsFor / 2 // triggers take their time, too
	reached := map[failing]bool{}
	for seed := range uint64(200) {
		turns := storesFrom(seed)
		if !slices.Equal(turns, storesFrom(seed)) {
			t.Fatalf("the seed %d yields something else", seed)
		}
		all := map[failing]bool{}
		for i, f := range turns {
			all[f] = true
			reached[f] = reached[f] || i < int(inShortRun)
		}
		if len(turns) != len(stores) || len(all) != len(stores) {
			t.Fatalf("the seed %d yields %d operations, %d of them different; want %d", seed, len(turns), len(all), len(stores))
		}
	}
	for _, f := range stores {
		if !reached[f] {
			t.Errorf("no short run has come to %s %s", f.event, f.table)
		}
	}
}
