package logout

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/audit"
	"countersign/storage/keyset"
	"countersign/storage/keyset/keysettest"
	"countersign/storage/storagetest"
)

// FuzzJudge sends logout requests with everything but an ID token that this
// server signed: nobody is believed, and nobody is sent anywhere.
func FuzzJudge(f *testing.F) {
	db := storagetest.Open(f)
	events := audit.New(db)
	keys := keysettest.Open(f, db, keyset.Config{Audit: events, KeptAfter: time.Hour})
	clients := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(f), Audit: events})
	h := New(Config{Issuer: "https://id.example", Keys: keys, Clients: clients})
	access, err := keys.Sign(f.Context(), keyset.Algorithms[0], "at+jwt", []byte(`{"iss":"https://id.example","sub":"a","aud":"c"}`))
	if err != nil {
		f.Fatal(err)
	}
	foreign, err := keys.Sign(f.Context(), keyset.Algorithms[0], "JWT", []byte(`{"iss":"https://other.example","sub":"a","aud":"c"}`))
	if err != nil {
		f.Fatal(err)
	}
	bare, err := keys.Sign(f.Context(), keyset.Algorithms[0], "JWT", []byte(`{"iss":"https://id.example","sub":"a","aud":[]}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		"", "client_id=c&post_logout_redirect_uri=https://rp.example/&state=x", "id_token_hint=a.b.c", "id_token_hint=eyJhbGciOiJub25lIn0.e30.",
		"id_token_hint=" + access, "id_token_hint=" + foreign, "id_token_hint=" + bare, "state=1&state=2", "%zz", "a=%00", "client_id=" + strings.Repeat("x", 300), "ui_locales=de&logout_hint=ada",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p, err := protocol.Parse(query)
		if err != nil {
			return
		}
		q, err := h.judge(t.Context(), p)
		if err != nil {
			if p.Repeated() == "" {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		if q.client != nil || q.session != "" || q.redirect != "" {
			t.Fatalf("%q: believed %+v", query, q)
		}
		for _, field := range q.fields() {
			if !slices.Contains(carried, field.Name) {
				t.Fatalf("%q: carries %q", query, field.Name)
			}
		}
	})
}

// FuzzDestination holds the address that a person is sent to after signing out
// to what was registered: nothing but the state is added.
func FuzzDestination(f *testing.F) {
	for _, s := range [][2]string{{"https://rp.example/bye", "x"}, {"https://rp.example/bye?a=b", "a&b=c"}, {"https://rp.example/", "#\r\n"}, {"https://rp.example/bye", ""}} {
		f.Add(s[0], s[1])
	}
	registered := []string{"https://rp.example/bye", "https://rp.example/bye?a=b"}
	c := &clientstore.Client{Metadata: clientstore.Metadata{PostLogoutRedirectURIs: registered}}
	f.Fuzz(func(t *testing.T, uri, state string) {
		p, err := protocol.Parse(url.Values{"post_logout_redirect_uri": {uri}, "state": {state}}.Encode())
		if err != nil {
			return
		}
		to := destination(c, p)
		if !slices.Contains(registered, uri) {
			if to != "" {
				t.Fatalf("%q, which nobody registered, leads to %q", uri, to)
			}
			return
		}
		u, err := url.Parse(to)
		if err != nil || !strings.HasPrefix(to, uri) || u.Fragment != "" || u.Host != "rp.example" {
			t.Fatalf("%q with state %q leads to %q (%v)", uri, state, to, err)
		}
		if u.Query().Get("state") != state {
			t.Fatalf("state %q arrives as %q", state, u.Query().Get("state"))
		}
	})
}
