//go:build !faultlab

package main

import "time"

// machineClock is this machine's time; only the build for the fault lab has
// another one.
func machineClock() func() time.Time { return time.Now }
