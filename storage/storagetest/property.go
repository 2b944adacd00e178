package storagetest

import (
	"flag"
	"os"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// fewChecks is how often a property is looked at unless somebody asks for more:
// each look is a program of requests at a real database.
const fewChecks = 6

// Property looks for inputs at which a property does not hold, a few of them
// at every run of the tests; -rapid.checks, or the variable RAPID_CHECKS, says
// how many. A failing run names the seed that repeats it.
func Property(t *testing.T, check func(*rapid.T)) {
	t.Helper()
	settleChecks(t)
	rapid.Check(t, check)
}

func settleChecks(tb testing.TB) {
	tb.Helper()
	settled.Do(func() {
		asked := os.Getenv("RAPID_CHECKS") != ""
		flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
		if asked {
			return
		}
		if err := flag.Set("rapid.checks", strconv.Itoa(fewChecks)); err != nil {
			tb.Errorf("set how often properties are checked: %v", err)
		}
	})
}

var settled sync.Once
