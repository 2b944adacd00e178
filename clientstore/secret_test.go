package clientstore_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

const typed = "correct horse battery"

func verify(t *testing.T, clients *clientstore.Store, c *clientstore.Client, secret string) bool {
	t.Helper()
	ok, err := clients.VerifySecret(t.Context(), c, secret)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// reread returns the client as the database has it.
func reread(t *testing.T, clients *clientstore.Store, id string) *clientstore.Client {
	t.Helper()
	c, err := clients.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGeneratedSecret(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clients := newStore(t, db)
	c, secret := register(t, clients, webClient("Modeler"))
	if !seal.WellFormed(seal.ClientSecret, secret) {
		t.Errorf("%q is no client secret", secret)
	}
	if k := c.Secrets[0]; k.Algorithm != clientstore.KeyedHash || !strings.HasPrefix(secret, k.Prefix) || len(k.Prefix) > 12 {
		t.Errorf("kept as %s with prefix %q", k.Algorithm, k.Prefix)
	}
	c = reread(t, clients, c.ID)
	if !verify(t, clients, c, secret) {
		t.Error("its secret is refused")
	}
	_, foreign := register(t, clients, webClient("Other"))
	for _, wrong := range []string{"", foreign, secret + "x", secret[:len(secret)-1], " " + secret, strings.ToUpper(secret), strings.Repeat("a", 1<<20)} {
		if verify(t, clients, c, wrong) {
			t.Errorf("%.60q is accepted", wrong)
		}
	}
	for _, anything := range []string{"", secret, "x"} {
		if verify(t, clients, nil, anything) {
			t.Errorf("no client has the secret %q", anything)
		}
	}
}

func TestTypedSecret(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		r := webClient("Modeler")
		r.Secret = typed
		c, returned := register(t, clients, r)
		if returned != "" {
			t.Error("the typed secret came back")
		}
		c = reread(t, clients, c.ID)
		if k := c.Secrets[0]; k.Algorithm != clientstore.Argon2id || k.Prefix != "" || !bytes.HasPrefix(k.Value, []byte("$argon2id$v=19$m=19456,t=2,p=1$")) {
			t.Errorf("kept as %s, prefix %q, %.40s", k.Algorithm, k.Prefix, k.Value)
		}
		for range 2 { // hashed, then remembered
			if !verify(t, clients, c, typed) {
				t.Error("its secret is refused")
			}
		}
		if verify(t, clients, c, typed+" ") {
			t.Error("another secret is accepted")
		}
		c, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{})
		if err != nil {
			t.Fatal(err)
		}
		if verify(t, clients, c, typed) {
			t.Error("a secret that ended is remembered")
		}
	})
}

func TestTypedSecretRules(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	strict := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Policy: clientstore.Strict})
	clients := newStore(t, db)
	for _, tt := range []struct {
		name, secret string
		store        *clientstore.Store
	}{
		{"seven characters", "1234567", clients},
		{"fifteen characters under the strict policy", "123456789012345", strict},
		{"too long", strings.Repeat("a", 513), clients},
		{"line break", "12345678\n", clients},
		{"control character", "1234\x0056789", clients},
		{"beyond ASCII", "pässword1", clients},
		{"space at the end", "12345678 ", clients},
	} {
		r := webClient("Modeler")
		r.Secret = tt.secret
		_, _, err := tt.store.Register(t.Context(), ada, r)
		fault, ok := errors.AsType[*clientstore.MetadataError](err)
		if !ok || fault.Field != "client_secret" || strings.Contains(fault.Reason.String(), tt.secret) {
			t.Errorf("%s: %v; want a refusal of client_secret that does not repeat it", tt.name, err)
		}
	}
	r := webClient("Modeler")
	r.Secret, r.Metadata.TokenEndpointAuthMethod = typed, clientstore.AuthNone
	if _, _, err := clients.Register(t.Context(), ada, r); !isMetadataError(err) {
		t.Errorf("a public client with a secret: %v", err)
	}
}

func TestPublicClientHasNoSecret(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clients := newStore(t, db)
	r := webClient("Modeler")
	r.Metadata.TokenEndpointAuthMethod = clientstore.AuthNone
	c, secret := register(t, clients, r)
	if secret != "" || len(c.Secrets) != 0 || !c.IsPublic() {
		t.Errorf("got %q and %v", secret, c.Secrets)
	}
	if _, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{}); !isMetadataError(err) {
		t.Errorf("a secret for a public client: %v", err)
	}
	// It may be given one, and loses it when it becomes public again.
	m := c.Metadata
	m.TokenEndpointAuthMethod = clientstore.AuthPost
	c, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: c.Version})
	if err != nil {
		t.Fatal(err)
	}
	c, secret, err = clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{})
	if err != nil || !verify(t, clients, c, secret) {
		t.Fatalf("the secret of a client that was public: %v", err)
	}
	m.TokenEndpointAuthMethod = clientstore.AuthNone
	c, err = clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: c.Version})
	if err != nil || len(c.Secrets) != 0 || verify(t, clients, c, secret) {
		t.Errorf("secrets of a client that became public: %v, %v", c, err)
	}
}

// An OAuth 1.0a secret is sealed, for its client and itself only.
func TestOAuth1SecretIsSealed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, keys := newStore(t, db), storagetest.Keys(t)
		r := clientstore.Registration{Type: clientstore.OAuth1, Name: "Consumer", Metadata: clientstore.Metadata{RedirectURIs: []string{redirect}}}
		c, generated := register(t, clients, r)
		r.Secret = typed
		d, _ := register(t, clients, r)
		for client, secret := range map[*clientstore.Client]string{c: generated, d: typed} {
			kept := reread(t, clients, client.ID).Secrets[0]
			opened, err := keys.Open(kept.Value, "clients.secrets/"+client.ID+"/"+kept.ID)
			if err != nil || string(opened) != secret || kept.Algorithm != clientstore.Sealed {
				t.Errorf("opened %q, %v; want %q", opened, err, secret)
			}
			if bytes.Contains(kept.Value, []byte(secret)) {
				t.Error("the secret is kept in clear")
			}
			if verify(t, clients, client, secret) {
				t.Error("a secret to sign with is accepted as a password")
			}
		}
		if _, err := keys.Open(c.Secrets[0].Value, "clients.secrets/"+d.ID+"/"+c.Secrets[0].ID); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("moved to another client: %v", err)
		}
	})
}

func TestSeveralSecretsAreLive(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		clients := newStore(t, db)
		c, first := register(t, clients, webClient("Modeler"))
		ends := db.Now().Add(2 * time.Hour)
		c, second, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{Overlap: time.Hour, ExpiresAt: &ends})
		if err != nil {
			t.Fatal(err)
		}
		expect := func(when string, want ...bool) {
			t.Helper()
			c = reread(t, clients, c.ID)
			for i, secret := range []string{first, second} {
				if got := verify(t, clients, c, secret); got != want[i] {
					t.Errorf("%s: secret %d is accepted: %v; want %v", when, i+1, got, want[i])
				}
			}
		}
		expect("at once", true, true)
		clock.Advance(time.Hour)
		expect("when the overlap is over", false, true)
		clock.Advance(time.Hour)
		expect("when the second has expired", false, false)
		c, third, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{})
		if err != nil || len(c.Secrets) != 1 || !verify(t, clients, c, third) {
			t.Errorf("after a third: %v, %v", c.Secrets, err)
		}
		c, err = clients.RevokeSecret(t.Context(), ada, c.ID, c.Secrets[0].ID)
		if err != nil || verify(t, clients, c, third) {
			t.Errorf("revoked: %v", err)
		}
		if _, err := clients.RevokeSecret(t.Context(), ada, c.ID, "unknown"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("an unknown secret: %v", err)
		}
	})
}

// A secret that is made beside the others leaves them as they are.
func TestSecretBesideTheOthers(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clients := newStore(t, db)
	c, first := register(t, clients, webClient("Modeler"))
	ends := db.Now().Add(time.Minute)
	c, second, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{Beside: true, ExpiresAt: &ends})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Secrets) != 2 || c.Secrets[0].ExpiresAt != nil || c.Secrets[1].ExpiresAt == nil {
		t.Errorf("kept: %+v", c.Secrets)
	}
	if !verify(t, clients, c, first) || !verify(t, clients, c, second) {
		t.Error("one of the two is refused")
	}
	for range 3 {
		if _, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{Beside: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{Beside: true}); !isMetadataError(err) {
		t.Errorf("a sixth secret: %v", err)
	}
}

func TestRotationRules(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clients := newStore(t, db)
	c, _ := register(t, clients, webClient("Modeler"))
	past := db.Now().Add(-time.Second)
	for name, r := range map[string]clientstore.Rotation{
		"negative overlap": {Overlap: -1}, "over already": {ExpiresAt: &past}, "too short": {Secret: "short"},
	} {
		if _, _, err := clients.RotateSecret(t.Context(), ada, c.ID, r); !isMetadataError(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 5 {
		_, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{Overlap: time.Hour})
		if last := i == 4; (err != nil) != last || last && !isMetadataError(err) {
			t.Errorf("secret %d: %v", i+2, err)
		}
	}
	if n := len(reread(t, clients, c.ID).Secrets); n != 5 {
		t.Errorf("%d secrets; want 5", n)
	}
	if _, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{}); err != nil {
		t.Errorf("a rotation without overlap: %v", err)
	}
}

func TestSecretsStayOutOfLogs(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clients := newStore(t, db)
	c, _ := register(t, clients, webClient("Modeler"))
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(h)
		log.LogAttrs(context.Background(), slog.LevelInfo, "x", slog.Any("client", c), slog.Any("secret", c.Secrets[0]), slog.Any("copy", *c))
	}
	fmt.Fprintf(&out, "%v %+v %#v %s", *c, *c, c.Secrets[0], c.Secrets)
	value := c.Secrets[0].Value
	for _, form := range []string{string(value), fmt.Sprintf("%d", value), hex.EncodeToString(value), fmt.Sprintf("%#v", value), base64.StdEncoding.EncodeToString(value)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the log has %q:\n%s", form, out.String())
		}
	}
}

// A record that is damaged is a fault of ours, not a wrong secret.
func TestDamagedSecret(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	salt, sum := strings.Repeat("A", 22), strings.Repeat("A", 43)
	for _, value := range []string{
		"", "x", "$argon2id$v=19$m=19456,t=2,p=1$" + salt, "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=18$m=19456,t=2,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + sum,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$!$" + sum,
	} {
		c := &clientstore.Client{Secrets: []clientstore.Secret{{ID: "one", Algorithm: clientstore.Argon2id, Value: []byte(value)}}}
		if ok, err := clients.VerifySecret(t.Context(), c, typed); ok || err == nil {
			t.Errorf("%q: %v, %v; want an error", value, ok, err)
		}
	}
}
