package main

import (
	"testing"

	"countersign/cmd/countersign/e2e/e2etest"
)

func TestMain(m *testing.M) { e2etest.Main(m) }
