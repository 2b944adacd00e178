package conformance

import (
	"flag"
	"testing"

	"countersign/cmd/countersign/e2e/e2etest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most modules wait most of the time, some of them a minute.
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	e2etest.Main(m, writeDocument)
}
