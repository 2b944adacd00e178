package keyset_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/keyset"
	"countersign/storage/keyset/keysettest"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

const (
	publishedBefore = 10 * time.Minute
	keptAfter       = 15 * time.Minute
	rotateEvery     = 24 * time.Hour
)

var operator = audit.Actor{Name: "operator", Via: audit.ViaCLI}

func config(t testing.TB, db *storage.DB) keyset.Config {
	t.Helper()
	return keyset.Config{
		Keys: storagetest.Keys(t), Audit: audit.New(db),
		PublishedBefore: publishedBefore, KeptAfter: keptAfter, RotateEvery: rotateEvery,
	}
}

func open(t testing.TB, db *storage.DB) *keyset.Store {
	t.Helper()
	return keysettest.Open(t, db, config(t, db))
}

func list(t *testing.T, s *keyset.Store) []keyset.Key {
	t.Helper()
	keys, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func TestEnsureByServersThatStartTogether(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		const servers = 4
		stores := make([]*keyset.Store, servers)
		for i := range stores {
			stores[i] = keyset.New(db, config(t, db))
		}
		together(servers, func(i int) {
			if err := stores[i].Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
		keys := list(t, stores[0])
		if len(keys) != len(keyset.Kinds()) {
			t.Fatalf("%d keys; want one for each of %v", len(keys), keyset.Kinds())
		}
		for i, k := range keys {
			if k.ActiveAt != k.CreatedAt || k.RetiredAt != nil || k.ExpiresAt != nil {
				t.Errorf("key %d is not active at once: %+v", i, k)
			}
		}
		for _, alg := range keyset.Algorithms {
			for i, s := range stores {
				jws := sign(t, s, alg, "")
				if payload, _, err := stores[(i+1)%servers].Verify(t.Context(), jws); err != nil || string(payload) != claims {
					t.Errorf("%s of server %d does not verify on the next: %v", alg, i, err)
				}
			}
		}
		if err := stores[0].Ensure(t.Context()); err != nil || len(list(t, stores[0])) != len(keys) {
			t.Errorf("a second Ensure made more keys: %v", err)
		}
	})
}

func TestEnsureRefusesAnotherKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	open(t, db)
	kek, err := seal.ParseKey(seal.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t, db)
	if cfg.Keys, err = seal.New(kek); err != nil {
		t.Fatal(err)
	}
	if err := keyset.New(db, cfg).Ensure(t.Context()); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("Ensure = %v; want the wrong key", err)
	}
}

func TestPrivateKeysAreSealedAndBoundToTheirRow(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	keys := list(t, s)
	for _, k := range keys {
		if _, err := storagetest.Keys(t).Open(k.PrivateKey, "signing_keys.private_key/"+k.ID); err != nil {
			t.Errorf("%s: %v", k.Algorithm, err)
		}
	}
	rs := slices.IndexFunc(keys, func(k keyset.Key) bool { return k.Algorithm == "RS256" })
	ps := slices.IndexFunc(keys, func(k keyset.Key) bool { return k.Algorithm == "PS256" })
	if err := db.With(t.Context()).Exec("UPDATE signing_keys SET private_key = ? WHERE id = ?", keys[ps].PrivateKey, keys[rs].ID).Error; err != nil {
		t.Fatal(err)
	}
	if err := keyset.New(db, config(t, db)).Ensure(t.Context()); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a private key moved to another row opens: %v", err)
	}
}

func TestPublic(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := open(t, db)
	set, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != len(keyset.Kinds()) {
		t.Fatalf("%d keys are published", len(set.Keys))
	}
	kids := map[string]bool{}
	for i, k := range set.Keys {
		alg, use := keyset.Kinds()[i], "sig"
		if i >= len(keyset.Algorithms) {
			alg, use = "", "enc" // one key for all algorithms of its kind
		}
		if k.Algorithm != alg || k.Use != use || k.KeyID == "" || kids[k.KeyID] || !k.IsPublic() || !k.Valid() {
			t.Errorf("key %d is published as %+v; want the public key for %s with use and a kid of its own", i, k, keyset.Kinds()[i])
		}
		kids[k.KeyID] = true
	}
}

func TestUnavailableDatabase(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clock := storagetest.Clock(db)
	s := open(t, db)
	jws := sign(t, s, jose.ES256, "")
	restore := storagetest.FailStatements(db, nil)

	if _, err := s.Sign(t.Context(), jose.ES256, "", []byte(claims)); err != nil {
		t.Errorf("the copy in memory does not sign: %v", err)
	}
	clock.Advance(6 * time.Second)
	if _, err := s.Sign(t.Context(), jose.ES256, "", []byte(claims)); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Sign = %v; want unavailable", err)
	}
	if _, _, err := s.Verify(t.Context(), jws); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, keyset.ErrNotOurs) {
		t.Errorf("Verify = %v; want unavailable and no verdict", err)
	}
	if _, err := s.Public(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Public = %v; want unavailable", err)
	}
	if _, err := s.Rotate(t.Context(), operator, false); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Rotate = %v; want unavailable", err)
	}
	if _, err := s.Purge(t.Context(), 10); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Purge = %v; want unavailable", err)
	}
	if err := s.Ensure(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Ensure = %v; want unavailable", err)
	}

	restore()
	if _, err := s.Sign(t.Context(), jose.ES256, "", []byte(claims)); err != nil {
		t.Errorf("Sign after the database came back: %v", err)
	}
}

func TestKeysAreReadSeldom(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		counter := storagetest.CountStatements(db)
		use := func() {
			for _, alg := range keyset.Algorithms {
				if _, _, err := s.Verify(t.Context(), sign(t, s, alg, "")); err != nil {
					t.Error(err)
				}
			}
		}
		use()
		if n := counter.Count(); n != 0 {
			t.Errorf("%d statements while the copy is fresh; want none: %q", n, counter.Statements())
		}
		clock.Advance(6 * time.Second)
		together(8, func(int) { use() })
		if n := counter.Count(); n != 1 {
			t.Errorf("%d statements after the copy got old; want 1: %q", n, counter.Statements())
		}
		counter.Reset()
		clock.Advance(3 * time.Second)
		use()
		for range 100 {
			if counter.Count() == 1 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("an ageing copy was not renewed while it served: %d statements", counter.Count())
	})
}
