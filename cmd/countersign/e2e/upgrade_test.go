package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// nextMigration is what a next release might bring: columns for tables that
// every request reads, and a table that this release does not know.
const nextMigration = `-- +goose Up
ALTER TABLE accounts ADD COLUMN next_note TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN next_note TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN next_note TEXT NOT NULL DEFAULT 'none';
ALTER TABLE grants ADD COLUMN next_note TEXT;
ALTER TABLE initial_access_tokens ADD COLUMN next_note TEXT;
ALTER TABLE interactions ADD COLUMN next_note TEXT;
ALTER TABLE refresh_tokens ADD COLUMN next_note TEXT;
ALTER TABLE sessions ADD COLUMN next_note BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE signing_keys ADD COLUMN next_note TEXT;
CREATE TABLE next_things (id TEXT NOT NULL PRIMARY KEY, client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE);
`

const nextVersion = 99001

// nextRelease builds this program with one migration more.
var nextRelease = sync.OnceValues(func() (string, error) {
	dir := process.TempDir()
	root, err := filepath.Abs("../../..")
	if err != nil {
		return "", err
	}
	migration := filepath.Join(dir, "next.sql")
	overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{ // never fails
		fmt.Sprintf("%s/storage/migrations/postgres/%d_next.sql", root, nextVersion): migration,
	}})
	for name, content := range map[string][]byte{migration: []byte(nextMigration), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "countersign-next")
	cmd := exec.CommandContext(process.Context(), "go", "build", "-race=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "countersign/cmd/countersign")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the next release: %w\n%s", err, out)
	}
	return path, nil
})

// TestRollingUpgrade runs this release and the next one side by side on one
// database: the next one migrates it while this one serves, without a failed
// request, and what either issues the other takes (INV-21).
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	next, err := nextRelease()
	if err != nil {
		t.Fatal(err)
	}
	one := start(t, postgres)
	u, c := one.User(), one.Client("--grant", "client_credentials")
	initial := mustJSON[map[string]any](t, one.CLI("", "client", "initial-token", "create", "--name", "pipeline", "--uses", "10000", "-o", "json"))["token"].(string)
	before, stopped := one.Tokens(c, u), one.Tokens(c, u)

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for ctx.Err() == nil {
				one.everyday(c, u, initial)
			}
		})
	}
	two := one.replicaOf(next)
	if out := two.CLI("", "migrate", "status"); !strings.Contains(out, fmt.Sprint(nextVersion)) || strings.Contains(out, "pending") {
		t.Errorf("the next release has not migrated: %s", out)
	}
	for range 2 {
		one.everyday(c, u, initial)
		two.everyday(c, u, initial)
	}
	stop()
	load.Wait()

	for _, pair := range [][2]*server{{one, two}, {two, one}} {
		crosses(t, pair[0], pair[1], c, u)
	}
	if one.Introspect(c, before.access).JSON["active"] != true || two.Introspect(c, before.access).JSON["active"] != true {
		t.Error("a token of before the upgrade is dead")
	}
	two.Revoke(c, stopped.refresh)
	wantInactive(t, one.Introspect(c, stopped.access))

	one.Restart() // a roll back
	one.everyday(c, u, initial)
	one.CLI("", "client", "show", c.ID)
	one.CLI("", "doctor")
	if out := one.refuses("backup", filepath.Join(t.TempDir(), "b")); !strings.Contains(out, "newer release") {
		t.Errorf("a backup by a release that does not know all tables: %s", out)
	}
	one.staysOut(two, c, u, initial)
}

// replicaOf starts a second server, of another release, on the database of the
// first.
func (s *server) replicaOf(release string) *server {
	s.t.Helper()
	before := *s
	before.bin = release
	return before.replica()
}

// everyday does what applications do all day.
func (s *server) everyday(c *client, u *user, initial string) {
	s.t.Helper()
	got := s.Tokens(c, u)
	if a := s.Refresh(c, got.refresh); a.Status != http.StatusOK {
		s.t.Errorf("refresh: %d %s", a.Status, a.Body)
	}
	if a := s.Userinfo(got.access); a.Status != http.StatusOK {
		s.t.Errorf("userinfo: %d %s", a.Status, a.Body)
	}
	if a := s.Post(s.endpoint("token_endpoint"), c, url.Values{"grant_type": {"client_credentials"}}); a.Status != http.StatusOK {
		s.t.Errorf("client credentials: %d %s", a.Status, a.Body)
	}
	if a := s.enrol(initial, "Robot"); a.Status != http.StatusCreated {
		s.t.Errorf("registration: %d %s", a.Status, a.Body)
	}
}

// crosses begins at one server and goes on at the other.
func crosses(t *testing.T, from, to *server, c *client, u *user) {
	t.Helper()
	r := from.Request(c)
	b := from.browse()
	a := to.Exchange(c, from.Code(b, r, u), r)
	if a.Status != http.StatusOK {
		t.Fatalf("a code of the other release: %d %s", a.Status, a.Body)
	}
	if to.Userinfo(a.str("access_token")).Status != http.StatusOK || from.Userinfo(a.str("access_token")).Status != http.StatusOK {
		t.Error("an access token is not taken by both releases")
	}
	if a := from.Refresh(c, a.str("refresh_token")); a.Status != http.StatusOK {
		t.Errorf("a refresh token of the other release: %d %s", a.Status, a.Body)
	}
	if !to.signedIn(b.Cookie(sessionCookie)) {
		t.Error("the session of the other release is not known")
	}
}

// staysOut takes away what this release needs, as a contract migration of a
// later one does: it stops, and does not start.
func (s *server) staysOut(next *server, c *client, u *user, initial string) {
	s.t.Helper()
	db := s.database()
	if err := db.With(s.t.Context()).Exec(`UPDATE schema_support SET oldest = ?`, nextVersion).Error; err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		if err == nil || !strings.Contains(s.log.String(), "newer release") {
			s.t.Errorf("the server ended with %v: %s", err, s.log.Tail())
		}
		s.exited <- nil
	case <-time.After(30 * time.Second):
		s.t.Error("the server goes on with a schema that is not for it")
	}
	if out := s.refuses("serve"); !strings.Contains(out, "newer release") {
		s.t.Errorf("serve: %s", out)
	}
	next.everyday(c, u, initial)
}
