package keyset_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/keyset"
	"countersign/storage/storagetest"
)

// kid returns the kid that the JWS names.
func kid(t *testing.T, jws string) string {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(jws, keyset.Algorithms)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Protected.KeyID
}

// publishedKids returns the kids of the published keys of the algorithm, the
// newest first.
func publishedKids(t *testing.T, s *keyset.Store, alg jose.SignatureAlgorithm) []string {
	t.Helper()
	set, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, k := range set.Keys {
		if k.Algorithm == string(alg) {
			kids = append(kids, k.KeyID)
		}
	}
	return kids
}

func rotate(t *testing.T, s *keyset.Store, algs ...jose.SignatureAlgorithm) []keyset.Key {
	t.Helper()
	var names []string
	for _, alg := range algs {
		names = append(names, string(alg))
	}
	keys, err := s.Rotate(t.Context(), operator, false, names...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestRotationTimeline is JW-16, INV-13 and INV-14: a key is published before
// it signs, and after it has signed.
func TestRotationTimeline(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s, replica := open(t, db), open(t, db)
		const alg = jose.ES256
		first := kid(t, sign(t, replica, alg, ""))

		next := rotate(t, s, alg)
		if len(next) != 1 || next[0].ID == first || next[0].Algorithm != string(alg) || !next[0].ActiveAt.Equal(db.Now().Add(publishedBefore)) {
			t.Fatalf("Rotate = %+v; want a new key that signs in %v", next, publishedBefore)
		}
		second := next[0].ID
		steps := []struct {
			when      string
			after     time.Duration
			signs     string
			published []string // newest first
		}{
			{"at the rotation", 0, first, []string{second, first}},
			{"once replicas have read it", 6 * time.Second, first, []string{second, first}},
			{"before it signs", publishedBefore - time.Microsecond, first, []string{second, first}},
			{"when it signs", publishedBefore, second, []string{second, first}},
			{"while old signatures may be valid", publishedBefore + keptAfter - time.Microsecond, second, []string{second, first}},
			{"after the last of them", publishedBefore + keptAfter, second, []string{second}},
		}
		start := db.Now()
		signed := map[string]time.Time{} // JWS by when it was signed
		for _, step := range steps {
			clock.Set(start.Add(step.after))
			for name, store := range map[string]*keyset.Store{"the server that rotated": s, "its replica": replica} {
				jws := sign(t, store, alg, "")
				signed[jws] = db.Now()
				if got := kid(t, jws); got != step.signs {
					t.Errorf("%s, %s signs with %s; want %s", step.when, name, got, step.signs)
				}
			}
			for jws, at := range signed {
				for _, store := range []*keyset.Store{s, replica} {
					_, _, err := store.Verify(t.Context(), jws)
					if db.Now().Sub(at) < keptAfter && err != nil {
						t.Errorf("%s, what was signed %v before is refused: %v", step.when, db.Now().Sub(at), err)
					}
				}
			}
			if got := strings.Join(publishedKids(t, s, alg), " "); got != strings.Join(step.published, " ") {
				t.Errorf("%s, %s is published; want %v", step.when, got, step.published)
			}
		}
		if n := len(publishedKids(t, s, jose.RS256)); n != 1 {
			t.Errorf("the rotation of %s left %d RS256 keys", alg, n)
		}
	})
}

func TestRotateDoesNotPileUp(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clock := storagetest.Clock(db)
	s := open(t, db)
	next := rotate(t, s)
	if len(next) != len(keyset.Kinds()) {
		t.Fatalf("%d keys; want one for each algorithm", len(next))
	}
	for range 2 {
		again := rotate(t, s)
		for i := range again {
			if again[i].ID != next[i].ID {
				t.Errorf("%s: another key was made while one waits", again[i].Algorithm)
			}
		}
		clock.Advance(publishedBefore - time.Microsecond)
	}
	if n := len(list(t, s)); n != 2*len(keyset.Kinds()) {
		t.Errorf("%d keys; want %d", n, 2*len(keyset.Kinds()))
	}
	clock.Advance(time.Second)
	if again := rotate(t, s, jose.EdDSA); again[0].ID == next[len(next)-1].ID {
		t.Error("a key that signs was not replaced")
	}
}

func TestRotateImmediately(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s, replica := open(t, db), open(t, db)
		old := sign(t, replica, jose.ES256, "")
		waiting := rotate(t, s, jose.ES256)[0].ID
		clock.Advance(time.Minute)

		keys, err := s.Rotate(t.Context(), operator, true, "ES256")
		if err != nil {
			t.Fatal(err)
		}
		jws := sign(t, s, jose.ES256, "")
		if got := kid(t, jws); got != keys[0].ID || got == waiting || got == kid(t, old) {
			t.Errorf("%s signs; want the key that was made now, %s", got, keys[0].ID)
		}
		if got := strings.Join(publishedKids(t, s, jose.ES256), " "); got != keys[0].ID+" "+kid(t, old) {
			t.Errorf("%s is published; want the new key, and the one that signed until now", got)
		}
		clock.Advance(2 * time.Second) // the replica's copy still serves, and lacks the key
		if _, _, err := replica.Verify(t.Context(), jws); err != nil {
			t.Errorf("a replica does not look for the key it lacks: %v", err)
		}
		if _, _, err := replica.Verify(t.Context(), old); err != nil {
			t.Errorf("what was signed before is refused: %v", err)
		}
		clock.Advance(keptAfter)
		if _, _, err := s.Verify(t.Context(), old); !errors.Is(err, keyset.ErrNotOurs) {
			t.Errorf("the old key still verifies: %v", err)
		}
	})
}

func TestUnknownKidIsLookedForOnceASecond(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clock := storagetest.Clock(db)
	s := open(t, db)
	forged := splice(sign(t, s, jose.ES256, ""), `{"alg":"ES256","kid":"made-up"}`)
	counter := storagetest.CountStatements(db)
	for range 3 {
		clock.Advance(1100 * time.Millisecond)
		for range 50 {
			if _, _, err := s.Verify(t.Context(), forged); !errors.Is(err, keyset.ErrNotOurs) {
				t.Fatal(err)
			}
		}
	}
	if n := counter.Count(); n != 3 {
		t.Errorf("%d statements for 150 unknown kids in 3 seconds; want 3", n)
	}
}

// TestReplicasRotateTogether makes replicas rotate at the same moment, by
// command and by schedule.
func TestReplicasRotateTogether(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		const replicas = 6
		stores := make([]*keyset.Store, replicas)
		for i := range stores {
			stores[i] = open(t, db)
		}
		count := len(list(t, stores[0]))
		rotations := map[string]func(s *keyset.Store) ([]keyset.Key, error){
			"by command": func(s *keyset.Store) ([]keyset.Key, error) {
				return s.Rotate(t.Context(), operator, false, "EdDSA", "ES256")
			},
			"at once": func(s *keyset.Store) ([]keyset.Key, error) {
				return s.Rotate(t.Context(), operator, true, "ES256", "EdDSA")
			},
		}
		for name, rotate := range rotations {
			clock.Advance(rotateEvery / 2)
			kids := make([]string, replicas)
			newest := func() (n int) {
				for _, k := range list(t, stores[0]) {
					if k.RetiredAt == nil {
						n++
					}
				}
				return n
			}
			together(replicas, func(i int) {
				keys, err := rotate(stores[i])
				if err != nil || len(keys) != 2 {
					t.Errorf("%s: %d keys, %v", name, len(keys), err)
					return
				}
				kids[i] = keys[0].ID
			})
			got := len(list(t, stores[0]))
			if name == "by command" && (got != count+2 || len(slices.Compact(kids)) != 1) {
				t.Errorf("%s: %d keys became %d, and replicas were told %v; want one more of each", name, count, got, kids)
			}
			if n := newest(); n != len(keyset.Kinds()) {
				t.Errorf("%s: %d keys are the newest; want one for each algorithm", name, n)
			}
			count = got
		}
	})
}

func TestRotateDue(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s, replica := open(t, db), open(t, db)
		due := func(want int) {
			t.Helper()
			together(2, func(i int) {
				if err := []*keyset.Store{s, replica}[i].RotateDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
			if n := len(list(t, s)); n != want {
				t.Errorf("%d keys; want %d", n, want)
			}
		}
		n := len(keyset.Kinds())
		clock.Advance(rotateEvery - time.Microsecond)
		due(n)
		clock.Advance(time.Microsecond)
		due(2 * n)
		clock.Advance(rotateEvery)
		due(2 * n) // the age counts from when a key begins to sign
		clock.Advance(publishedBefore)
		due(3 * n)

		cfg := config(t, db)
		cfg.RotateEvery = 0
		clock.Advance(100 * rotateEvery)
		if err := keyset.New(db, cfg).RotateDue(t.Context()); err != nil || len(list(t, s)) != 3*n {
			t.Errorf("keys were rotated though rotation is off: %v", err)
		}
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clock := storagetest.Clock(db)
		s := open(t, db)
		rotate(t, s, jose.ES256, jose.EdDSA)
		purge := func(limit int, want int64) {
			t.Helper()
			if n, err := s.Purge(t.Context(), limit); err != nil || n != want {
				t.Errorf("Purge = %d, %v; want %d", n, err, want)
			}
		}
		clock.Advance(publishedBefore + keptAfter - time.Microsecond)
		purge(10, 0)
		clock.Advance(time.Microsecond)
		purge(1, 1)
		purge(10, 1)
		purge(10, 0)
		if n := len(list(t, s)); n != len(keyset.Kinds()) {
			t.Errorf("%d keys are left", n)
		}
		for _, alg := range keyset.Algorithms {
			if _, _, err := s.Verify(t.Context(), sign(t, s, alg, "")); err != nil {
				t.Errorf("%s after purging: %v", alg, err)
			}
		}
	})
}

func TestRotateIsAudited(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		events := func() []audit.Event {
			t.Helper()
			found, err := audit.New(db).List(t.Context(), audit.Filter{Action: "keys.rotate"})
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		old := kid(t, sign(t, s, jose.ES256, ""))
		key := rotate(t, s, jose.ES256)[0]
		found := events()
		if len(found) != 1 {
			t.Fatalf("%d events; want 1", len(found))
		}
		e := found[0]
		if e.ActorName != operator.Name || e.TargetID != key.ID || e.TargetName != "ES256" || !strings.Contains(string(e.Before), old) {
			t.Errorf("event %+v", e)
		}
		all, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(all)), "private") {
			t.Errorf("the event shows a private key: %s", all)
		}

		before := len(list(t, s))
		restore := storagetest.FailStatements(db, storagetest.Containing("audit_events"))
		if _, err := s.Rotate(t.Context(), operator, true); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Rotate = %v; want unavailable", err)
		}
		restore()
		if n := len(list(t, s)); n != before || len(events()) != 1 {
			t.Errorf("a rotation that could not be recorded left %d keys of %d", n, before)
		}
	})
}

func TestRotateRefusesUnknownAlgorithm(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := keyset.New(db, config(t, db))
	if _, err := s.Rotate(t.Context(), operator, false, "HS256"); err == nil {
		t.Error("a key for HS256 was made")
	}
	if n := len(list(t, s)); n != 0 {
		t.Errorf("%d keys were made", n)
	}
}
