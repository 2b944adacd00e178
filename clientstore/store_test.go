package clientstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

const redirect = "https://rp.example/cb"

var ada = audit.Actor{AccountID: "ada-id", Name: "ada", Via: audit.ViaCLI, IP: "192.0.2.1", RequestID: "request-1"}

func newStore(t *testing.T, db *storage.DB) *clientstore.Store {
	t.Helper()
	return clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Policy: clientstore.Default})
}

func webClient(name string) clientstore.Registration {
	return clientstore.Registration{
		Type: clientstore.OIDC, Name: name,
		Metadata: clientstore.Metadata{RedirectURIs: []string{redirect}, Scope: "openid email"},
	}
}

// register returns a pending client and its secret.
func register(t *testing.T, clients *clientstore.Store, r clientstore.Registration) (*clientstore.Client, string) {
	t.Helper()
	c, secret, err := clients.Register(t.Context(), ada, r)
	if err != nil {
		t.Fatal(err)
	}
	return c, secret
}

// events returns the audit record of the client, oldest first.
func events(t *testing.T, db *storage.DB, id string) []audit.Event {
	t.Helper()
	list, err := audit.New(db).List(t.Context(), audit.Filter{TargetType: "client", TargetID: id, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func actions(list []audit.Event) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = strings.TrimPrefix(e.Action, "client.")
	}
	return strings.Join(names, " ")
}

// raw reads a client's standing past the store, as another program would.
func raw(t *testing.T, db *storage.DB, id string) (status string, epoch int64) {
	t.Helper()
	var row struct {
		Status string
		Epoch  int64
	}
	if err := db.With(context.Background()).Raw("SELECT status, epoch FROM clients WHERE id = ?", id).Scan(&row).Error; err != nil {
		t.Fatal(err)
	}
	return row.Status, row.Epoch
}

func TestRegister(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, secret := register(t, clients, webClient("Modeler"))
		if c.Status != clientstore.Pending || c.Version != 1 || c.Epoch != 0 || c.CreatedBy != ada.AccountID {
			t.Errorf("got %+v; want a pending client of ada's", c)
		}
		if len(c.ID) < 26 || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("key %q; want 130 bits of letters and digits", c.ID)
		}
		read, err := clients.Get(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := document(t, read), document(t, c); got != want {
			t.Errorf("read back\n%s\nwant\n%s", got, want)
		}
		if !read.CreatedAt.Equal(c.CreatedAt) || read.ConsentDigest != c.ConsentDigest || read.ConsentDigest == "" {
			t.Errorf("read back %+v; want %+v", read, c)
		}
		if ok, err := clients.VerifySecret(t.Context(), read, secret); !ok || err != nil {
			t.Errorf("its secret: %v, %v", ok, err)
		}
		other, _ := register(t, clients, webClient("Modeler"))
		if other.ID == c.ID {
			t.Error("two clients have one key")
		}
		if _, _, err := clients.Register(t.Context(), ada, clientstore.Registration{Type: clientstore.OIDC}); !isMetadataError(err) {
			t.Errorf("a client without a name: %v", err)
		}
	})
}

func isMetadataError(err error) bool {
	_, ok := errors.AsType[*clientstore.MetadataError](err)
	return ok
}

func document(t *testing.T, c *clientstore.Client) string {
	t.Helper()
	b, err := json.Marshal(c.Document())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLifeCycle also reads past the store: an update that a library leaves out
// because a value is zero would not be seen otherwise (LC-25, G1).
func TestLifeCycle(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		steps := []struct {
			name   string
			do     func() (*clientstore.Client, error)
			status string
			epoch  int64
			reason string
		}{
			{"approve", func() (*clientstore.Client, error) { return clients.Approve(t.Context(), ada, c.ID) }, "approved", 0, ""},
			{"approve again", func() (*clientstore.Client, error) { return clients.Approve(t.Context(), ada, c.ID) }, "approved", 0, ""},
			{"disapprove", func() (*clientstore.Client, error) { return clients.Disapprove(t.Context(), ada, c.ID, " leaked ") }, "disapproved", 1, "leaked"},
			{"disapprove again", func() (*clientstore.Client, error) { return clients.Disapprove(t.Context(), ada, c.ID, "other") }, "disapproved", 1, "leaked"},
			{"approve after", func() (*clientstore.Client, error) { return clients.Approve(t.Context(), ada, c.ID) }, "approved", 1, ""},
			{"disapprove without a reason", func() (*clientstore.Client, error) { return clients.Disapprove(t.Context(), ada, c.ID, "") }, "disapproved", 2, ""},
		}
		for _, step := range steps {
			clock.Advance(time.Minute)
			got, err := step.do()
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if status, epoch := raw(t, db, c.ID); status != step.status || epoch != step.epoch {
				t.Errorf("%s: the database has %s, epoch %d; want %s, %d", step.name, status, epoch, step.status, step.epoch)
			}
			if string(got.Status) != step.status || got.Epoch != step.epoch || got.StatusReason != step.reason {
				t.Errorf("%s: returned %s, epoch %d, %q; want %s, %d, %q", step.name, got.Status, got.Epoch, got.StatusReason, step.status, step.epoch, step.reason)
			}
			if usable := got.Usable(); (usable == nil) != (step.status == "approved") {
				t.Errorf("%s: Usable() = %v", step.name, usable)
			}
		}
		if err := clients.Remove(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Get(t.Context(), c.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("removed client: %v", err)
		}
		if got, want := actions(events(t, db, c.ID)), "register approve disapprove approve disapprove remove"; got != want {
			t.Errorf("audit record: %s; want %s", got, want)
		}
	})
}

// AD-13: every change has one event with who, from where, before and after,
// and none has a secret.
func TestChangesAreAudited(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, secret := register(t, clients, webClient("Modeler"))
		name := "Modeller"
		if _, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version}); err != nil {
			t.Fatal(err)
		}
		_, second, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{Overlap: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := clients.RevokeSecret(t.Context(), ada, c.ID, c.Secrets[0].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Disapprove(t.Context(), ada, c.ID, "why"); err != nil {
			t.Fatal(err)
		}
		list := events(t, db, c.ID)
		if got, want := actions(list), "register edit rotate_secret revoke_secret disapprove"; got != want {
			t.Fatalf("audit record: %s; want %s", got, want)
		}
		for _, e := range list {
			if e.ActorID != ada.AccountID || e.ActorName != ada.Name || e.IP != ada.IP || e.RequestID != ada.RequestID || e.Via != ada.Via {
				t.Errorf("%s: by %+v; want %+v", e.Action, e, ada)
			}
			both := string(e.Before) + string(e.After)
			for _, hidden := range []string{secret, second, `"value"`} {
				if strings.Contains(both, hidden) {
					t.Errorf("%s has a secret: %s", e.Action, both)
				}
			}
		}
		edit := list[1]
		if !strings.Contains(string(edit.Before), `"client_name":"Modeler"`) || !strings.Contains(string(edit.After), `"client_name":"Modeller"`) {
			t.Errorf("edit from %s to %s", edit.Before, edit.After)
		}
		if list[0].Before != "" || list[0].After == "" {
			t.Errorf("registration from %q to %q", list[0].Before, list[0].After)
		}
	})
}

// The command line registers and approves in one go.
func TestRegisterAndApproveInOneTransaction(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		var c *clientstore.Client
		approve := func(then error) error {
			return db.Tx().InTx(t.Context(), func(ctx context.Context) error {
				registered, _, err := clients.Register(ctx, ada, webClient("Modeler"))
				if err != nil {
					return err
				}
				if c, err = clients.Approve(ctx, ada, registered.ID); err != nil {
					return err
				}
				return then
			})
		}
		if err := approve(nil); err != nil {
			t.Fatal(err)
		}
		if status, _ := raw(t, db, c.ID); status != "approved" || c.Status != clientstore.Approved {
			t.Errorf("the database has %s, the client %s", status, c.Status)
		}
		sentinel := errors.New("no")
		if err := approve(sentinel); !errors.Is(err, sentinel) {
			t.Errorf("got %v", err)
		}
		if _, err := clients.Get(t.Context(), c.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("a client of an undone transaction: %v", err)
		}
	})
}

func TestEdit(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		m := c.Metadata
		m.RedirectURIs = []string{"https://rp.example/new"}
		edited, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: 2})
		if err != nil {
			t.Fatal(err)
		}
		// RU-25: what was taken away is gone at once.
		if edited.MatchRedirectURI(redirect) || !edited.MatchRedirectURI("https://rp.example/new") {
			t.Errorf("redirect URIs after the edit: %q", edited.Metadata.RedirectURIs)
		}
		if edited.ID != c.ID || edited.Type != c.Type || edited.Status != clientstore.Approved || edited.Version != 3 || edited.ConsentDigest == c.ConsentDigest {
			t.Errorf("got %+v", edited)
		}
		if _, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &c.Metadata, Version: 2}); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("an edit of what has changed: %v", err)
		}
		bad := m
		bad.RedirectURIs = []string{"https://rp.example/#"}
		if _, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &bad, Version: 3}); !isMetadataError(err) {
			t.Errorf("an edit against the rules: %v", err)
		}
		same, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: 3})
		if err != nil || same.Version != 3 {
			t.Errorf("an edit that changes nothing: version %d, %v", same.Version, err)
		}
		if got, want := actions(events(t, db, c.ID)), "register approve edit"; got != want {
			t.Errorf("audit record: %s; want %s", got, want)
		}
	})
}

// AD-22: of two edits at once, one is told that it saw an old client.
func TestConcurrentEdits(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for _, name := range []string{"One", "Two"} {
			wg.Go(func() {
				_, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, storage.ErrConflict):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 1 {
			t.Errorf("%d won and %d lost; want one each", won.Load(), lost.Load())
		}
	})
}

// LC-22: however approvals and disapprovals meet, every disapproval ends one
// epoch and has one event.
func TestConcurrentApproval(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 5 {
					var err error
					if i%2 == 0 {
						_, err = clients.Approve(t.Context(), ada, c.ID)
					} else {
						_, err = clients.Disapprove(t.Context(), ada, c.ID, "")
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		list := events(t, db, c.ID)
		_, epoch := raw(t, db, c.ID)
		if n := strings.Count(actions(list), "disapprove"); epoch != int64(n) {
			t.Errorf("epoch %d after %d disapprovals", epoch, n)
		}
		for i := 1; i < len(list); i++ {
			if list[i].Action == list[i-1].Action {
				t.Errorf("two %s follow one another", list[i].Action)
			}
		}
		if read, err := clients.Get(t.Context(), c.ID); err != nil || read.Version != int64(len(list)) {
			t.Errorf("version %d after %d changes, %v", read.Version, len(list), err)
		}
	})
}

func TestDisapprovalReasonIsText(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clients := newStore(t, db)
	c, _ := register(t, clients, webClient("Modeler"))
	for _, reason := range []string{"a\nb", "\x00", strings.Repeat("a", 501), "\u202e"} {
		if _, err := clients.Disapprove(t.Context(), ada, c.ID, reason); !isMetadataError(err) {
			t.Errorf("reason %.10q: %v", reason, err)
		}
	}
}
