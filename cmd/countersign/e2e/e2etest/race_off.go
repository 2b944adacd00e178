//go:build !race

package e2etest

// raceFlag makes the binary like the tests.
const raceFlag = "-race=false"
