//go:build race

package e2etest

// raceFlag makes the binary like the tests: with -race, the server is raced
// too, and what the packages' own tests compiled is used again.
const raceFlag = "-race=true"
