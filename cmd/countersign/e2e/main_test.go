package e2e

import (
	"testing"

	"countersign/cmd/countersign/e2e/e2etest"
)

func TestMain(m *testing.M) { e2etest.Main(m) }

// What the whole-program tests share, by the names that this package uses.
var (
	binary      = e2etest.Binary
	freeAddress = e2etest.FreeAddress
	process     = e2etest.Process
)

type logs = e2etest.Logs
