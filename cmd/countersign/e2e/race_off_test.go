//go:build !race

package e2e

// raceFlag makes the binary like the tests.
const raceFlag = "-race=false"
