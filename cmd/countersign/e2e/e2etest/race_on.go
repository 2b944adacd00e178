//go:build race

package e2etest

// raceFlags make the binary like the tests: with -race, the server is raced
// too, and what the packages' own tests compiled is used again. As there
// (Makefile), SQLite is left out, which is translated C.
var raceFlags = []string{"-race=true", "-gcflags=modernc.org/...=-race=false"}
