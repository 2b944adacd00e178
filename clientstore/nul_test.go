package clientstore_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/logo"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/storagetest"
)

// ecKey is a public key whose kid is the JSON string.
func ecKey(kid string) json.RawMessage {
	return json.RawMessage(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",` +
		`"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":` + kid + `}]}`)
}

const (
	heardAt = "https://rp.example/out"
	broken  = `a\\u0000b \\\u0000\u0000` // as JSON has it: letters, then two NULs behind a backslash
)

// signedInto has somebody use the client in a session.
func signedInto(t *testing.T, db *storage.DB, c *clientstore.Client) {
	t.Helper()
	accounts := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}})
	who, err := accounts.Create(t.Context(), ada, account.Registration{Username: "user-of-" + c.ID, Password: "correct horse battery staple"})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := session.New(db, session.Config{Keys: storagetest.Keys(t)}).Start(t.Context(), session.SignIn{AccountID: who.ID, AccountEpoch: who.Epoch, AMR: []string{"pwd"}})
	if err != nil {
		t.Fatal(err)
	}
	err = db.With(t.Context()).Exec(`INSERT INTO session_clients (session_id, client_id, subject, created_at) VALUES (?, ?, ?, ?)`, s.ID, c.ID, who.ID, db.Now()).Error
	if err != nil {
		t.Fatal(err)
	}
}

// spoil writes a key with a NUL into the client, as an older release kept it.
func spoil(t *testing.T, db *storage.DB, c *clientstore.Client) {
	t.Helper()
	m := c.Metadata
	m.JWKS = ecKey(`"` + broken + `"`)
	encoded, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`UPDATE clients SET metadata = @metadata, rejection = @rejection WHERE id = @id`,
		`INSERT INTO client_revisions (client_id, id, name, metadata, created_at, created_by) VALUES (@id, @id, 'B', @metadata, @now, '')`,
	} {
		if err := db.With(t.Context()).Exec(statement, map[string]any{
			"metadata": string(encoded), "rejection": `{"revision":{"Metadata":` + string(encoded) + `}}`, "id": c.ID, "now": db.Now(),
		}).Error; err != nil {
			t.Fatal(err)
		}
	}
}

func listening(t *testing.T, db *storage.DB, clients *clientstore.Store, name string) *clientstore.Client {
	t.Helper()
	r := webClient(name)
	r.Metadata.BackchannelLogoutURI, r.Metadata.LogoURI = heardAt, "https://rp.example/logo.png"
	c, _ := register(t, clients, r)
	c, err := clients.Approve(t.Context(), ada, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	signedInto(t, db, c)
	return c
}

// JW-18: what the server keeps of keys and addresses has no NUL, at whichever
// door it comes in.
func TestNoNULIsKept(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		pending, token := enrolled(t, clients)
		for name, tt := range map[string]struct {
			field  string
			change func(*clientstore.Metadata)
		}{
			"kid with a NUL":  {"jwks", func(m *clientstore.Metadata) { m.JWKS = ecKey(`"a\u0000b"`) }},
			"kid with a bell": {"jwks", func(m *clientstore.Metadata) { m.JWKS = ecKey(`"a\u0007"`) }},
			"kid without end": {"jwks", func(m *clientstore.Metadata) { m.JWKS = ecKey(`"` + strings.Repeat("a", 256) + `"`) }},
			"alg with a NUL":  {"jwks", func(m *clientstore.Metadata) { m.JWKS = ecKey(`"k","alg":"ES\u0000"`) }},
			"use turned around": {"jwks", func(m *clientstore.Metadata) {
				m.JWKS = json.RawMessage(strings.Replace(string(ecKey(`"k"`)), "sig", `\u202e`, 1))
			}},
			"fragment with NUL":  {"request_uris", func(m *clientstore.Metadata) { m.RequestURIs = []string{"https://rp.example/r#\x00"} }},
			"fragment with line": {"request_uris", func(m *clientstore.Metadata) { m.RequestURIs = []string{"https://rp.example/r#a\nb"} }},
			"page with NUL":      {"policy_uri", func(m *clientstore.Metadata) { m.PolicyURI = "https://rp.example/r#\x00" }},
		} {
			e := enrolment("App")
			tt.change(&e.Metadata)
			_, enrol := clients.Enrol(t.Context(), ada, e)
			_, _, replace := clients.Replace(t.Context(), ada, token, e)
			_, edit := clients.Edit(t.Context(), ada, pending.ID, clientstore.Edit{Metadata: &e.Metadata, Version: pending.Version})
			for door, err := range map[string]error{"registered": enrol, "replaced": replace, "edited": edit} {
				if fault, ok := errors.AsType[*clientstore.MetadataError](err); !ok || fault.Field != tt.field {
					t.Errorf("%s, %s: %v; want %s refused", name, door, err, tt.field)
				}
			}
		}
		e := enrolment("Keys")
		e.Metadata.JWKS = ecKey(`"a\\u0000 é"`) // letters behind a backslash
		if _, err := clients.Enrol(t.Context(), ada, e); err != nil {
			t.Errorf("a backslash and letters are no NUL: %v", err)
		}
	})
}

// JW-18: text in front of a key in PEM is nobody's to check but the last check's.
func TestNoNULBesidePEM(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		_, _, err := newStore(t, db).Register(t.Context(), ada, clientstore.Registration{Type: clientstore.OAuth1, Name: "Tool", Metadata: clientstore.Metadata{
			OAuth1PublicKey: "\x00\n" + rsaKey,
		}})
		if fault, ok := errors.AsType[*clientstore.MetadataError](err); !ok || fault.Field != "oauth1_public_key" || !strings.Contains(err.Error(), "U+0000") {
			t.Errorf("%v; want oauth1_public_key refused", err)
		}
	})
}

// JW-19: a client that an older release kept with a NUL ends like any other, and
// keeps nobody else's pages and decisions from working.
func TestClientWithNULEnds(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, removed, other := listening(t, db, clients, "A"), listening(t, db, clients, "B"), listening(t, db, clients, "C")
		spoil(t, db, c)
		spoil(t, db, removed)
		if list, err := clients.List(t.Context(), clientstore.Filter{Search: "rp.example"}); err != nil || len(list) != 3 {
			t.Errorf("List() = %d clients, %v", len(list), err)
		}
		if known, err := clients.KnowsOrigin(t.Context(), "https://rp.example"); err != nil || !known {
			t.Errorf("KnowsOrigin() = %v, %v", known, err)
		}
		if _, err := clients.OfSoftware(t.Context(), "x", 10); err != nil {
			t.Errorf("OfSoftware(): %v", err)
		}
		if _, err := logo.New(db).Owe(t.Context(), c.CreatedAt); err != nil {
			t.Errorf("Owe(): %v", err)
		}
		for _, one := range []*clientstore.Client{c, other} {
			if _, err := clients.Disapprove(t.Context(), ada, one.ID, "bad"); err != nil {
				t.Errorf("disapprove %s: %v", one.Name, err)
			}
		}
		if err := clients.Remove(t.Context(), ada, removed.ID); err != nil {
			t.Errorf("remove: %v", err)
		}
		due, err := signout.New(db).Due(t.Context(), 10)
		if err != nil || len(due) != 3 {
			t.Fatalf("Due() = %d, %v; want 3", len(due), err)
		}
		for _, d := range due {
			if d.URI != heardAt || d.Algorithm != "RS256" {
				t.Errorf("%+v", d)
			}
		}
	})
}

// JW-19: the migration leaves no NUL in what is kept, and text that looks like
// one as it is.
func TestMigrationTakesNULAway(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, whole := listening(t, db, clients, "A"), listening(t, db, clients, "B")
		spoil(t, db, c)
		read := `SELECT metadata::jsonb ->> 'logo_uri' AS logo FROM clients UNION ALL SELECT metadata::jsonb ->> 'logo_uri' FROM client_revisions
			UNION ALL SELECT rejection::jsonb -> 'revision' -> 'Metadata' ->> 'logo_uri' FROM clients WHERE rejection IS NOT NULL`
		if db.Dialect() == storage.PostgreSQL && db.With(t.Context()).Exec(read).Error == nil {
			t.Fatal("the client is read before it is repaired, so that this test shows nothing")
		}
		text, err := os.ReadFile(filepath.Join("../storage/migrations", string(db.Dialect()), "00088_no_nul.sql"))
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		for range 2 { // the second time changes nothing
			for statement := range strings.SplitSeq(strings.TrimSpace(up), ";\n") {
				if err := db.With(t.Context()).Exec(statement).Error; err != nil {
					t.Fatal(err)
				}
			}
		}
		if db.Dialect() == storage.PostgreSQL {
			var logos []string
			if err := db.With(t.Context()).Raw(read).Scan(&logos).Error; err != nil || len(logos) != 4 {
				t.Errorf("read as JSON: %q, %v", logos, err)
			}
		}
		got, err := clients.Get(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		r, err := clients.Revision(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		const mended = `"a\\u0000b \\\ufffd\ufffd"`
		for _, m := range []clientstore.Metadata{got.Metadata, r.Metadata, got.Rejection.Revision.Metadata} {
			if !strings.Contains(string(m.JWKS), mended) || m.BackchannelLogoutURI != heardAt {
				t.Errorf("%s; want %s", m.JWKS, mended)
			}
		}
		if again, err := clients.Get(t.Context(), whole.ID); err != nil || again.Metadata.LogoURI != whole.Metadata.LogoURI || again.Version != whole.Version {
			t.Errorf("another client became %+v, %v", again, err)
		}
		name := "A 2"
		if got, err = clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: got.Version}); err != nil {
			t.Fatalf("edit: %v", err)
		}
		if _, err := clients.Disapprove(t.Context(), ada, got.ID, "bad"); err != nil {
			t.Errorf("disapprove: %v", err)
		}
	})
}

// What PostgreSQL takes for no text is nobody's identifier, and no outage: the
// answer is that of one that is not known.
func TestNoNULInIdentifiers(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		token, _, err := clients.NewLink(t.Context(), &clientstore.Notice{ClientID: c.ID, Version: c.Version})
		if err != nil {
			t.Fatal(err)
		}
		decide := func(link clientstore.Link) error {
			return clients.WithLink(t.Context(), token, link, func(context.Context) error { t.Error("decided"); return nil })
		}
		for _, id := range []string{"unknown", "a\x00b", "a\xff"} {
			_, confirmed := clients.ConfirmSecret(t.Context(), ada, c.ID, id)
			_, rejected := clients.RejectSecret(t.Context(), ada, c.ID, id)
			_, revoked := clients.RevokeSecret(t.Context(), ada, c.ID, id)
			for what, err := range map[string]error{"confirm": confirmed, "reject": rejected, "revoke": revoked} {
				if !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("%s the secret %q: %v; want not found", what, id, err)
				}
			}
			for what, link := range map[string]clientstore.Link{
				"client": {ClientID: id, Version: c.Version}, "revision": {ClientID: c.ID, Version: c.Version, RevisionID: id},
				"secret": {ClientID: c.ID, Version: c.Version, SecretID: id},
			} {
				if err := decide(link); !errors.Is(err, storage.ErrConflict) {
					t.Errorf("by a link, the %s %q: %v; want a conflict", what, id, err)
				}
			}
		}
	})
}
