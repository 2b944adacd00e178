package conformance

import (
	"flag"
	"testing"

	"countersign/cmd/countersign/e2e/e2etest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Some modules wait, up to a minute. How many are at work is bounded by slots.
	if err := flag.Set("test.parallel", "400"); err != nil {
		panic(err)
	}
	e2etest.Main(m, writeDocument)
}
