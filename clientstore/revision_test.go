package clientstore_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

func enrolment(name string) clientstore.Enrolment {
	return clientstore.Enrolment{Name: name, Type: clientstore.OIDC, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://rp.example/cb"}}}
}

// enrolled is an approved client that registered itself, and its token.
func enrolled(t *testing.T, clients *clientstore.Store) (*clientstore.Client, string) {
	t.Helper()
	e, err := clients.Enrol(t.Context(), ada, enrolment("Robot"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := clients.Approve(t.Context(), ada, e.Client.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c, e.Token
}

// revise has the client ask for another name.
func revise(t *testing.T, clients *clientstore.Store, token, name string) *clientstore.Revision {
	t.Helper()
	r, _, err := clients.Replace(t.Context(), ada, token, enrolment(name))
	if err != nil {
		t.Fatal(err)
	}
	return &r.Revision
}

// AD-14: no decision without its audit record.
func TestFailingAuditLeavesTheRevision(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, token := enrolled(t, clients)
		r := revise(t, clients, token, "Bank")
		for name, decide := range map[string]func() error{
			"approve": func() error { _, err := clients.ApproveRevision(t.Context(), ada, c.ID, r.ID); return err },
			"reject":  func() error { _, err := clients.RejectRevision(t.Context(), ada, c.ID, r.ID, ""); return err },
			"revise":  func() error { _, _, err := clients.Replace(t.Context(), ada, token, enrolment("Other")); return err },
		} {
			restore := storagetest.FailStatements(db, storagetest.Containing("audit_events"))
			err := decide()
			restore()
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v; want an unavailable database", name, err)
			}
			left, err := clients.Revision(t.Context(), c.ID)
			if err != nil || left == nil || left.ID != r.ID || left.Name != "Bank" {
				t.Errorf("%s left %+v, %v", name, left, err)
			}
			if read, err := clients.Get(t.Context(), c.ID); err != nil || document(t, read) != document(t, c) {
				t.Errorf("%s left %+v, %v", name, read, err)
			}
		}
	})
}

// Many decide and change at once: a revision is decided about once, and what
// is approved is what was decided about.
func TestRaceForOneRevision(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, token := enrolled(t, clients)
		r := revise(t, clients, token, "Bank")
		var wg sync.WaitGroup
		var mu sync.Mutex
		approved := 0
		for i := range 12 {
			wg.Go(func() {
				if i%3 == 0 {
					if _, _, err := clients.Replace(t.Context(), ada, token, enrolment("Evil "+strconv.Itoa(i))); err != nil {
						t.Error(err)
					}
					return
				}
				after, err := clients.ApproveRevision(t.Context(), ada, c.ID, r.ID)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && after.Name == "Bank":
					approved++
				case errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrNotFound):
				default:
					t.Errorf("approved %+v, %v", after, err)
				}
			})
		}
		wg.Wait()
		read, err := clients.Get(t.Context(), c.ID)
		if err != nil || approved > 1 || (read.Name == "Bank") != (approved == 1) || read.Name != "Bank" && read.Name != "Robot" {
			t.Errorf("approved %d times: %+v, %v", approved, read, err)
		}
	})
}

// What a revision changes is another thing once an administrator has changed
// the client: who looked at it before has not seen that.
func TestEditRenewsTheRevision(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, token := enrolled(t, clients)
		seen := revise(t, clients, token, "Bank")
		name := "Robot 2"
		if _, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version}); err != nil {
			t.Fatal(err)
		}
		if _, err := clients.ApproveRevision(t.Context(), ada, c.ID, seen.ID); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("approving what was looked at before: %v; want ErrConflict", err)
		}
		now, err := clients.Revision(t.Context(), c.ID)
		if err != nil || now == nil || now.Name != "Bank" {
			t.Fatalf("Revision() = %+v, %v", now, err)
		}
		if after, err := clients.ApproveRevision(t.Context(), ada, c.ID, now.ID); err != nil || after.Name != "Bank" {
			t.Errorf("approving what is there now: %+v, %v", after, err)
		}
	})
}

func TestNaturalType(t *testing.T) {
	t.Parallel()
	age := int64(1)
	for name, tt := range map[string]struct {
		m    clientstore.Metadata
		want clientstore.Type
	}{
		"nothing":                   {clientstore.Metadata{}, clientstore.OIDC},
		"openid":                    {clientstore.Metadata{Scope: "a openid"}, clientstore.OIDC},
		"no openid":                 {clientstore.Metadata{Scope: "openid2 a"}, clientstore.OAuth2},
		"ID token":                  {clientstore.Metadata{Scope: "a", ResponseTypes: []string{"token id_token"}}, clientstore.OIDC},
		"access token alone":        {clientstore.Metadata{ResponseTypes: []string{"token"}}, clientstore.OAuth2},
		"a member that is OpenID's": {clientstore.Metadata{Scope: "a", DefaultMaxAge: &age}, clientstore.OIDC},
	} {
		if got := tt.m.NaturalType(); got != tt.want {
			t.Errorf("%s: %s; want %s", name, got, tt.want)
		}
	}
}
