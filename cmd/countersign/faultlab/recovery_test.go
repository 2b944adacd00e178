package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/cmd/countersign/e2e/e2etest"
)

// recovery is a lab whose database goes back to an earlier moment.
type recovery struct {
	*testing.T
	lab *lab
	r   *replica
}

// A database that PostgreSQL's own means bring back to an earlier moment has
// what was revoked since: that is why docs/backup.md has a backup of it
// restored. Then nothing of before is good any more (INV-22, NM-15).
func TestPointInTimeRecovery(t *testing.T) {
	dir := t.TempDir()
	l, err := open(t.Context(), config{bin: e2etest.PlainBinary(t), seed: 1, replicas: 1, dir: dir, out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	t.Cleanup(func() {
		if log, err := os.ReadFile(l.db.log.Name()); err == nil && t.Failed() {
			t.Logf("PostgreSQL said:\n%s", log)
		}
	})
	w := recovery{t, l, l.replicas[0]}
	l.cast, err = hire(t.Context(), w.r, l.vault, 0)
	w.must(err)
	resource, toggled := l.cast.resource, l.cast.toggled[0]
	token := w.ask(l.cast.confidential, pathToken, url.Values{"grant_type": {"client_credentials"}}, http.StatusOK)["access_token"].(string)

	w.do(`ALTER SYSTEM SET wal_keep_size = '512MB'`)
	w.do(`SELECT pg_reload_conf()`)
	w.must(l.db.copy(t.Context(), "recovered"))
	w.query(`SELECT pg_create_restore_point('earlier')`)
	w.ask(l.cast.confidential, pathRevoke, url.Values{"token": {token}}, http.StatusOK)
	w.must(w.r.cli(t.Context(), nil, "client", "disapprove", toggled.ID, "--yes"))
	w.query(`SELECT pg_switch_wal()`)
	w.goBack()

	w.must(w.r.start(t.Context()))
	w.must(w.r.await(t.Context()))
	if w.ask(resource, pathIntrospect, url.Values{"token": {token}}, http.StatusOK)["active"] != true {
		t.Error("the database did not go back: the test tells nothing")
	}
	w.must(w.r.stop())
	file := filepath.Join(dir, "of-the-result.backup")
	w.must(w.r.cli(t.Context(), nil, "backup", file))
	w.must(w.r.cli(t.Context(), nil, "restore", file, "--replace", "--yes"))
	w.must(w.r.start(t.Context()))
	w.must(w.r.await(t.Context()))
	w.ask(resource, pathIntrospect, url.Values{"token": {token}}, http.StatusUnauthorized) // nobody asks before an administrator approves
	var renewed struct {
		Secret string `json:"client_secret"`
	}
	w.must(w.r.cli(t.Context(), &renewed, "client", "rotate-secret", resource.ID, "-o", "json"))
	w.must(w.r.cli(t.Context(), nil, "client", "approve", resource.ID, "--yes"))
	resource.Secret = renewed.Secret
	if w.ask(resource, pathIntrospect, url.Values{"token": {token}}, http.StatusOK)["active"] != false {
		t.Error("INV-22: a token that was revoked is good again")
	}
	var shown struct{ Status string }
	w.must(w.r.cli(t.Context(), &shown, "client", "show", toggled.ID, "-o", "json"))
	if shown.Status != "pending" {
		t.Errorf("INV-22: the client that was disapproved is %s", shown.Status)
	}
}

// goBack stops the server, and starts the copy with what was logged up to the
// moment.
func (w recovery) goBack() {
	w.Helper()
	db := w.lab.db
	w.must(w.r.stop())
	w.must(db.stop(syscall.SIGINT))
	old, now := filepath.Join(db.dir, db.data), filepath.Join(db.dir, "recovered")
	settings := fmt.Sprintf("restore_command = 'cp \"%s/pg_wal/%%f\" \"%%p\"'\nrecovery_target_name = 'earlier'\nrecovery_target_action = 'promote'\n", old)
	f, err := os.OpenFile(filepath.Join(now, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	w.must(err)
	_, err = f.WriteString(settings)
	w.must(err)
	w.must(f.Close())
	signal := filepath.Join(now, "recovery.signal")
	w.must(os.WriteFile(signal, nil, 0o600))
	if c := db.as.Credential; c != nil {
		w.must(os.Chown(signal, int(c.Uid), int(c.Gid)))
	}
	db.data = "recovered"
	w.must(db.start(w.Context()))
	for end := time.Now().Add(pgPatience); w.query(`SELECT pg_is_in_recovery()::text`) != "false"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatal("the recovery does not end")
		}
	}
}

func (w recovery) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// query asks the database for one value.
func (w recovery) query(statement string) (value string) {
	w.Helper()
	db, err := w.lab.db.open("lab")
	w.must(err)
	defer func() { _ = db.Close() }() // nothing to lose
	w.must(db.QueryRowContext(w.Context(), statement).Scan(&value))
	return value
}

func (w recovery) do(statement string) {
	w.Helper()
	db, err := w.lab.db.open("lab")
	w.must(err)
	defer func() { _ = db.Close() }() // nothing to lose
	_, err = db.ExecContext(w.Context(), statement)
	w.must(err)
}

// ask sends a form to the server as the client, and returns the answer's JSON.
func (w recovery) ask(c *client, path string, form url.Values, status int) (answer map[string]any) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, "http://"+w.r.address+path, strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	res, err := http.DefaultClient.Do(r)
	w.must(err)
	defer func() { _ = res.Body.Close() }() // all of it is read
	body, err := io.ReadAll(res.Body)
	w.must(err)
	if res.StatusCode != status {
		w.Fatalf("%s: %s %s; want %d", path, res.Status, body, status)
	}
	_ = json.Unmarshal(body, &answer) // a revocation has none
	return answer
}
