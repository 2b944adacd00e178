package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"countersign/cmd/countersign/e2e/e2etest"
)

func TestMain(m *testing.M) { e2etest.Main(m) }

// TestSmoke is the lab in little: replicas are killed while approvals come and
// go. A red run stays where its message says.
func TestSmoke(t *testing.T) {
	little(t, nemesis{id: "NM-13", name: "approvals toggled while replicas are killed", strike: (*lab).toggleFast, rest: afterKill, share: 1})
}

// Nothing that was answered is lost when a synchronous standby takes the place
// of a PostgreSQL that died.
func TestPromotedStandby(t *testing.T) {
	little(t, nemesis{id: "NM-16", name: "a standby that takes the place of PostgreSQL", strike: (*lab).promoteStandby, rest: afterDatabase, share: 1})
}

// little is a lab with one nemesis for four seconds.
func little(t *testing.T, n nemesis) {
	t.Helper()
	var out bytes.Buffer
	err := experiment(t.Context(), config{
		bin: e2etest.PlainBinary(t), length: 4 * time.Second, seed: uint64(time.Now().UnixNano()), replicas: 3, workers: 3,
		nemeses: []nemesis{n}, brief: true, dir: filepath.Join(os.TempDir(), "countersign-faultlab-runs"), out: &out,
	})
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}
