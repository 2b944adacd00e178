//go:build !race

package e2etest

// raceFlags make the binary like the tests.
var raceFlags = []string{"-race=false"}
