//go:build faultlab

package main

import (
	"os"
	"time"
)

// machineClock is a machine's time that is wrong, as FAULTLAB_CLOCK says.
func machineClock() func() time.Time {
	offset, err := time.ParseDuration(os.Getenv("FAULTLAB_CLOCK"))
	if err != nil {
		return time.Now
	}
	return func() time.Time { return time.Now().Add(offset) }
}
