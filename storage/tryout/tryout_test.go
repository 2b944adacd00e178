package tryout_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
	"countersign/storage/tryout"
)

const clientID = "c1"

// bench is a store with a client and an administrator to test it.
type bench struct {
	*tryout.Store
	db      *storage.DB
	clock   *storagetest.StoppedClock
	account *account.Account
	browser string
}

func each(t *testing.T, test func(t *testing.T, b bench)) {
	t.Helper()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		keys, trail, by := storagetest.Keys(t), audit.New(db), audit.Actor{Name: "root", Via: audit.ViaCLI}
		b := bench{Store: tryout.New(db, keys), db: db, clock: storagetest.Clock(db), browser: seal.NewToken(seal.BrowserCookie)}
		now := db.Now()
		err := db.With(t.Context()).Exec(`INSERT INTO clients (id, type, name, status, metadata, secrets, consent_digest, created_at, created_by, updated_at, status_at)
			VALUES (?, 'oauth1', 'Bridge', 'pending', '{}', '[]', '', ?, '', ?, ?)`, clientID, now, now, now).Error
		if err != nil {
			t.Fatal(err)
		}
		accounts := account.New(db, account.Config{Keys: keys, Audit: trail, Cost: account.HashCost{Memory: 8, Passes: 1}})
		if b.account, err = accounts.Create(t.Context(), by, account.Registration{Username: "ada", Password: "correct horse battery staple"}); err != nil {
			t.Fatal(err)
		}
		test(t, b)
	})
}

func (b bench) begin(t *testing.T) *tryout.Tryout {
	t.Helper()
	tried, err := b.Begin(t.Context(), tryout.Start{
		ClientID: clientID, AccountID: b.account.ID, Browser: b.browser, Base: "https://id.example",
		Document: func(uri string) ([]byte, error) { return []byte("what was sent to " + uri), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return tried
}

func (b bench) lends(t *testing.T, client, account, uri string) bool {
	t.Helper()
	lent, err := b.Lends(t.Context(), client, account, uri)
	if err != nil {
		t.Fatal(err)
	}
	return lent
}

// A test is its administrator's, in their browser, for as long as it may take.
func TestBelongsToWhoBegan(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bench) {
		begun := b.begin(t)
		got, err := b.Get(t.Context(), begun.ID, b.account.ID, b.browser)
		if err != nil {
			t.Fatal(err)
		}
		if document, err := b.Read(got); err != nil || string(document) != "what was sent to "+begun.RedirectURI || bytes.Contains(got.Document, []byte("sent")) {
			t.Errorf("kept as %q, opened as %q: %v", got.Document, document, err)
		}
		for name, who := range map[string][3]string{
			"another account": {begun.ID, "somebody", b.browser}, "another browser": {begun.ID, b.account.ID, seal.NewToken(seal.BrowserCookie)},
			"no browser": {begun.ID, b.account.ID, ""}, "another test": {strings.Repeat("A", 26), b.account.ID, b.browser}, "no test": {"\x00", b.account.ID, b.browser},
		} {
			if _, err := b.Get(t.Context(), who[0], who[1], who[2]); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s gets the test: %v", name, err)
			}
		}
		b.clock.Advance(tryout.Lifetime)
		if _, err := b.Get(t.Context(), begun.ID, b.account.ID, b.browser); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("after its time: %v", err)
		}
		if n, err := b.Purge(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%d purged: %v", n, err)
		}
	})
}

// The redirect URI is lent to one client, and by the account's own test, until
// the test is closed or its time is up.
func TestLends(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bench) {
		begun := b.begin(t)
		uri := begun.RedirectURI
		for _, tt := range []struct {
			name, client, account, uri string
			want                       bool
		}{
			{"nobody yet", clientID, "", uri, true},
			{"who runs it", clientID, b.account.ID, uri, true},
			{"somebody else", clientID, "somebody", uri, false},
			{"another client", "other", b.account.ID, uri, false},
			{"longer", clientID, b.account.ID, uri + "/", false},
			{"elsewhere", clientID, b.account.ID, "https://evil.example" + tryout.Path + begun.ID, false},
			{"with a query", clientID, b.account.ID, uri + "?x", false},
			{"nothing of ours", clientID, b.account.ID, "https://app.example/cb", false},
		} {
			if got := b.lends(t, tt.client, tt.account, tt.uri); got != tt.want {
				t.Errorf("%s: %v", tt.name, got)
			}
		}
		counted := storagetest.CountStatements(b.db)
		b.lends(t, clientID, "", "https://app.example/cb")
		if n := counted.Count(); n != 0 {
			t.Errorf("%d statements for what cannot be lent", n)
		}
		if err := b.Claim(t.Context(), begun); err != nil {
			t.Fatal(err)
		}
		if err := b.Save(t.Context(), begun, []byte("over"), true); err != nil {
			t.Fatal(err)
		}
		if b.lends(t, clientID, b.account.ID, uri) {
			t.Error("a test that is over lends its redirect URI")
		}
		second := b.begin(t)
		b.clock.Advance(tryout.Lifetime)
		if b.lends(t, clientID, b.account.ID, second.RedirectURI) {
			t.Error("a test whose time is up lends its redirect URI")
		}
	})
}

// Of several that take a step at the same moment one does.
func TestClaimOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bench) {
		begun := b.begin(t)
		var won atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				mine := *begun
				switch err := b.Claim(t.Context(), &mine); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, storage.ErrConflict):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Errorf("%d took the step", won.Load())
		}
		if err := b.Save(t.Context(), begun, nil, false); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("kept by one who did not take it: %v", err)
		}
	})
}
