package clientstore_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/locale"
	"countersign/storage/storagetest"
)

// serving is an account that a client may act as without a person.
func serving(t *testing.T, db *storage.DB, username string, permissions ...account.Permission) (*account.Store, *account.Account) {
	t.Helper()
	accounts := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}})
	a, err := accounts.Create(t.Context(), ada, account.Registration{Username: username, Password: "correct horse battery staple", Permissions: permissions})
	if err != nil {
		t.Fatal(err)
	}
	return accounts, a
}

func consumer(m clientstore.Metadata) clientstore.Registration {
	return clientstore.Registration{Type: clientstore.OAuth1, Name: "Tool", Metadata: m}
}

func TestWhatAnAdministratorDecidesOfAConsumer(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		strict := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Policy: clientstore.Strict})
		clients := newStore(t, db)
		_, export := serving(t, db, "export")
		_, root := serving(t, db, "root", account.ConfigureServer)
		for name, tt := range map[string]struct {
			clients *clientstore.Store
			give    clientstore.Registration
			fault   string // empty for none
		}{
			"trusted":                       {clients, consumer(clientstore.Metadata{OAuth1Trusted: true}), ""},
			"functional":                    {clients, consumer(clientstore.Metadata{OAuth1FunctionalAccount: export.ID}), ""},
			"without verifier":              {clients, consumer(clientstore.Metadata{OAuth1WithoutVerifier: true}), ""},
			"without verifier, strict":      {strict, consumer(clientstore.Metadata{OAuth1WithoutVerifier: true}), "strict policy"},
			"without verifier, and trusted": {clients, consumer(clientstore.Metadata{OAuth1WithoutVerifier: true, OAuth1Trusted: true}), "oauth1_trusted"},
			"nobody":                        {clients, consumer(clientstore.Metadata{OAuth1FunctionalAccount: "nobody"}), "no account"},
			"no identifier":                 {clients, consumer(clientstore.Metadata{OAuth1FunctionalAccount: "' OR 1=1 --"}), "not the identifier"},
			"an administrator":              {clients, consumer(clientstore.Metadata{OAuth1FunctionalAccount: root.ID}), `"root"`},
			"of another protocol":           {clients, clientstore.Registration{Type: clientstore.OIDC, Name: "Web", Metadata: clientstore.Metadata{RedirectURIs: []string{redirect}, OAuth1Trusted: true}}, "OAuth 1.0a"},
		} {
			c, _, err := tt.clients.Register(t.Context(), ada, tt.give)
			fault, refused := errors.AsType[*clientstore.MetadataError](err)
			switch {
			case tt.fault == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case tt.fault != "" && (!refused || !strings.Contains(fault.Error(), tt.fault)):
				t.Errorf("%s: %v; want a fault with %q", name, err, tt.fault)
			case tt.fault == "" && len(c.Warnings()) != 1:
				t.Errorf("%s: warnings %q; want one", name, c.Warnings())
			}
		}
		lax, _, err := clients.Register(t.Context(), ada, consumer(clientstore.Metadata{OAuth1WithoutVerifier: true}))
		if err != nil || !clients.SkipsVerifier(lax) || strict.SkipsVerifier(lax) {
			t.Errorf("%v: a policy that has become strict skips verifiers: %v", err, strict.SkipsVerifier(lax))
		}
	})
}

// An approval with further decisions is one change, of what was looked at, and
// both are in its record.
func TestApproveEdited(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		_, export := serving(t, db, "export")
		c, _ := register(t, clients, consumer(clientstore.Metadata{}))
		m := c.Metadata
		m.OAuth1Trusted, m.OAuth1FunctionalAccount = true, export.ID
		after, err := clients.ApproveEdited(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: c.Version})
		if err != nil || after.Status != clientstore.Approved || !after.Metadata.OAuth1Trusted || after.Metadata.OAuth1FunctionalAccount != export.ID {
			t.Fatalf("ApproveEdited() = %+v, %v", after, err)
		}
		if _, err := clients.ApproveEdited(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: c.Version}); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("of what is not that any more: %v; want ErrConflict", err)
		}
		list := events(t, db, c.ID)
		if got := actions(list); got != "register approve" {
			t.Fatalf("audit record %q", got)
		}
		for member, want := range map[string]any{"oauth1_trusted": true, "oauth1_functional_account": export.ID, "status": "approved"} {
			var before, now map[string]any
			if err := errors.Join(json.Unmarshal([]byte(list[1].Before), &before), json.Unmarshal([]byte(list[1].After), &now)); err != nil {
				t.Fatal(err)
			}
			if now[member] != want || before[member] == want {
				t.Errorf("recorded %s: %v to %v; want %v", member, before[member], now[member], want)
			}
		}
	})
}

// A registrant gives itself none of it, and takes none of it away.
func TestRegistrantsDecideNothingOfAConsumer(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		wish := clientstore.Metadata{OAuth1Trusted: true, OAuth1FunctionalAccount: "root", OAuth1WithoutVerifier: true}
		e, err := clients.Enrol(t.Context(), ada, clientstore.Enrolment{Type: clientstore.OAuth1, Name: "Tool", Metadata: wish})
		if err != nil {
			t.Fatal(err)
		}
		if m := e.Client.Metadata; m.OAuth1Trusted || m.OAuth1FunctionalAccount != "" || m.OAuth1WithoutVerifier {
			t.Errorf("a registrant decided %+v", m)
		}
	})
}

// The account is read with the client, as it is at that moment.
func TestSigningReadsTheFunctionalAccount(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, grants := newStore(t, db), grant.New(db, storagetest.Keys(t))
		accounts, export := serving(t, db, "export")
		serving(t, db, "root", account.ConfigureServer)
		c, _ := register(t, clients, consumer(clientstore.Metadata{OAuth1FunctionalAccount: export.ID}))
		plain, _ := register(t, clients, consumer(clientstore.Metadata{}))
		read := func(id, token string) clientstore.Functional {
			t.Helper()
			counter := storagetest.CountStatements(db)
			s, err := clients.Signing(t.Context(), id, grants, token)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(counter.Statements()); n != 1 {
				t.Errorf("it takes %d statements", n)
			}
			return s.Functional
		}
		want := clientstore.Functional{AccountID: export.ID, Username: "export", Live: true}
		if got := read(c.ID, ""); got != want {
			t.Errorf("%+v; want %+v", got, want)
		}
		for name, got := range map[string]clientstore.Functional{"with a token": read(c.ID, "x"), "without an account": read(plain.ID, "")} {
			if got != (clientstore.Functional{}) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if err := accounts.Disable(t.Context(), ada, export.ID); err != nil {
			t.Fatal(err)
		}
		if got := read(c.ID, ""); got.Live {
			t.Errorf("disabled: %+v", got)
		}
		if err := errors.Join(accounts.Enable(t.Context(), ada, export.ID), accounts.SetPermissions(t.Context(), ada, export.ID, []account.Permission{account.ConfigureServer})); err != nil {
			t.Fatal(err)
		}
		if got := read(c.ID, ""); got.Live {
			t.Errorf("an account that became an administrator's: %+v", got)
		}
		if err := accounts.Remove(t.Context(), ada, export.ID); err != nil {
			t.Fatal(err)
		}
		if got := read(c.ID, ""); got != (clientstore.Functional{}) {
			t.Errorf("removed: %+v", got)
		}
		// Its client can be edited all the same.
		name := "Tool 2"
		edited, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
		if err != nil || !slices.ContainsFunc(edited.Warnings(), func(w locale.Message) bool { return strings.Contains(w.String(), "functional") }) {
			t.Errorf("%+v, %v", edited, err)
		}
	})
}
