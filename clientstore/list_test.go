package clientstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

func TestList(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		keys := map[string]string{} // by key, the name
		for _, name := range []string{"Zeta", "alpha", "Beta 100%", "beta_100", "Ärger"} {
			r := webClient(name)
			r.Metadata.RedirectURIs = []string{"https://" + strings.ToLower(name[:1]) + "-host.example/Cb?a=b&c=d"}
			if name == "Ärger" {
				r.Type, r.Metadata = clientstore.OAuth1, clientstore.Metadata{}
			}
			c, _ := register(t, clients, r)
			keys[c.ID] = name
			if name == "Zeta" {
				if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		key := func(name string) string {
			for id, n := range keys {
				if n == name {
					return id
				}
			}
			return ""
		}
		tests := []struct {
			name   string
			filter clientstore.Filter
			want   []string
		}{
			{"all, by name", clientstore.Filter{}, []string{"alpha", "Beta 100%", "beta_100", "Zeta", "Ärger"}},
			{"a type", clientstore.Filter{Type: clientstore.OAuth1}, []string{"Ärger"}},
			{"a status", clientstore.Filter{Status: clientstore.Approved}, []string{"Zeta"}},
			{"in the name, however cased", clientstore.Filter{Search: "BETA"}, []string{"Beta 100%", "beta_100"}},
			{"a percent sign is one", clientstore.Filter{Search: "0%"}, []string{"Beta 100%"}},
			{"an underscore is one", clientstore.Filter{Search: "a_1"}, []string{"beta_100"}},
			{"a backslash is one", clientstore.Filter{Search: `\`}, nil},
			{"in the key", clientstore.Filter{Search: strings.ToUpper(key("alpha")[:20])}, []string{"alpha"}},
			{"in the redirect URIs", clientstore.Filter{Search: "Z-HOST.example/cb?A=b&c"}, []string{"Zeta"}},
			{"not in the rest of the metadata", clientstore.Filter{Search: "authorization_code"}, nil},
			{"a quotation mark", clientstore.Filter{Search: `' OR ''='`}, nil},
			{"the first two", clientstore.Filter{Limit: 2}, []string{"alpha", "Beta 100%"}},
			{"what follows one", clientstore.Filter{After: "Beta 100%\x00" + key("Beta 100%"), Limit: 2}, []string{"beta_100", "Zeta"}},
		}
		for _, tt := range tests {
			list, err := clients.List(t.Context(), tt.filter)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			var got []string
			for _, c := range list {
				got = append(got, c.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
			}
		}
	})
}

func TestListPagesEndToEnd(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		for range 4 {
			register(t, clients, webClient("Same"))
			register(t, clients, webClient("same"))
		}
		seen := map[string]bool{}
		var f clientstore.Filter
		for f.Limit = 3; ; {
			page, err := clients.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, c := range page {
				if seen[c.ID] {
					t.Fatalf("%s is on two pages", c.ID)
				}
				seen[c.ID] = true
			}
			f.After = page[len(page)-1].Cursor()
		}
		if len(seen) != 8 {
			t.Errorf("saw %d clients; want 8", len(seen))
		}
	})
}

// AD-18: filters that are not acceptable are faults of who asks.
func TestListRefusals(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	for name, f := range map[string]clientstore.Filter{
		"page of a billion":     {Limit: 1e9},
		"negative page":         {Limit: -1},
		"forged cursor":         {After: "name"},
		"cursor with SQL":       {After: "a\x00') OR 1=1 --"},
		"cursor with a NUL":     {After: "a\x00b\x00c"},
		"cursor in broken text": {After: "\xff\x00abc"},
		"search with a NUL":     {Search: "a\x00"},
		"search of 1 KiB":       {Search: strings.Repeat("a", 1024)},
		"unknown type":          {Type: "saml"},
		"unknown status":        {Status: "active"},
	} {
		if _, err := clients.List(t.Context(), f); !isMetadataError(err) {
			t.Errorf("%s: %v; want a refusal", name, err)
		}
	}
}

// world fills the tables that Impact reads.
type world struct {
	t   *testing.T
	db  *storage.DB
	now time.Time
	n   byte
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if err := w.db.With(context.Background()).Exec(query, args...).Error; err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) account(id string) {
	w.t.Helper()
	w.exec(`INSERT INTO accounts (id, username, username_key, password_hash, permissions, claims, created_at, updated_at, password_changed_at)
		VALUES (@id, @id, @id, '', '[]', '{}', @now, @now, @now)`, map[string]any{"id": id, "now": w.now})
}

// grant makes a grant with two access tokens and a refresh token.
func (w *world) grant(id, client, account string) {
	w.t.Helper()
	w.exec(`INSERT INTO grants (id, kind, client_id, client_epoch, account_id, subject, scope, offline, created_at, expires_at)
		VALUES (@id, 'authorization_code', @client, 0, @account, 'sub', '', true, @now, @later)`,
		map[string]any{"id": id, "client": client, "account": account, "now": w.now, "later": w.now.Add(time.Hour)})
	for range 2 {
		w.n++
		w.exec(`INSERT INTO access_tokens (grant_id, hash, scope, created_at, expires_at) VALUES (@grant, @hash, '', @now, @later)`,
			map[string]any{"grant": id, "hash": []byte{w.n}, "now": w.now, "later": w.now.Add(10 * time.Minute)})
	}
	w.n++
	w.exec(`INSERT INTO refresh_tokens (grant_id, hash, created_at, expires_at) VALUES (@grant, @hash, @now, @later)`,
		map[string]any{"grant": id, "hash": []byte{w.n}, "now": w.now, "later": w.now.Add(time.Hour)})
}

// Whoever decides about a client that may come back by itself is told for how
// many people, also while it holds no token.
func TestImpactOnTheAbsent(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		nightly := webClient("Nightly")
		nightly.Metadata.GrantTypes, nightly.Metadata.JWKSURI = []string{clientstore.GrantAuthorizationCode, clientstore.GrantJWTBearer}, "https://rp.example/jwks"
		c, _ := register(t, clients, nightly)
		w := &world{t: t, db: db, now: db.Now()}
		for _, a := range []struct {
			id, digest string
			disabled   bool
		}{
			{"ada", c.ConsentOf(0), false},
			{"bob", c.ConsentOf(0), false},
			{"an epoch ago", c.ConsentOf(1), false},
			{"another client", "x@0", false},
			{"not that", c.ConsentDigest, false},
			{"disabled", c.ConsentOf(0), true},
		} {
			w.account(a.id)
			w.exec(`INSERT INTO consents (account_id, client_id, scope, digest, created_at, updated_at) VALUES (@id, @client, '', @digest, @now, @now)`,
				map[string]any{"id": a.id, "client": c.ID, "digest": a.digest, "now": w.now})
			if a.disabled {
				w.exec(`UPDATE accounts SET disabled_at = @now WHERE id = @id`, map[string]any{"id": a.id, "now": w.now})
			}
		}
		if got, err := clients.Impact(t.Context(), c.ID); err != nil || got != (clientstore.Impact{Absent: 2}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestImpact(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		other, _ := register(t, clients, webClient("Other"))
		for _, id := range []string{c.ID, other.ID} {
			if _, err := clients.Approve(t.Context(), ada, id); err != nil {
				t.Fatal(err)
			}
		}
		w := &world{t: t, db: db, now: db.Now()}
		expect := func(when string, want clientstore.Impact) {
			t.Helper()
			if got, err := clients.Impact(t.Context(), c.ID); err != nil || got != want {
				t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
			}
		}
		expect("without grants", clientstore.Impact{})
		w.account("ada")
		w.account("bob")
		w.grant("g1", c.ID, "ada")
		w.grant("g2", c.ID, "ada")
		w.grant("g3", c.ID, "bob")
		w.grant("g4", c.ID, "")
		w.grant("g5", other.ID, "bob")
		counted := storagetest.CountStatements(db)
		expect("four grants of two accounts", clientstore.Impact{Tokens: 12, Accounts: 2})
		if n := counted.Count(); n != 2 {
			t.Errorf("%d statements; want 2", n)
		}
		db.SetHook(nil)
		w.exec(`UPDATE grants SET revoked_at = @now WHERE id = 'g1'`, map[string]any{"now": w.now})
		expect("one revoked", clientstore.Impact{Tokens: 9, Accounts: 2})
		w.exec(`UPDATE accounts SET disabled_at = @now WHERE id = 'bob'`, map[string]any{"now": w.now})
		expect("an account disabled", clientstore.Impact{Tokens: 6, Accounts: 1})
		w.exec(`UPDATE refresh_tokens SET used_at = @now WHERE grant_id = 'g2'`, map[string]any{"now": w.now})
		expect("a refresh token used", clientstore.Impact{Tokens: 5, Accounts: 1})
		w.exec(`UPDATE grants SET offline = false WHERE id = 'g2'`)
		expect("a session over", clientstore.Impact{Tokens: 3, Accounts: 0})
		clock.Advance(10 * time.Minute)
		expect("access tokens over", clientstore.Impact{Tokens: 1, Accounts: 0})
		if _, err := clients.Disapprove(t.Context(), ada, c.ID, ""); err != nil {
			t.Fatal(err)
		}
		expect("disapproved", clientstore.Impact{})
		if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		expect("approved again", clientstore.Impact{})
		if err := clients.Remove(t.Context(), ada, c.ID); err != nil {
			t.Errorf("remove a client with grants: %v", err)
		}
	})
}
