package subject_test

import (
	"errors"
	"sync"
	"testing"

	"countersign/storage"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
	"countersign/storage/subject"
)

// However many servers begin at once, on whatever database, they call an
// account the same.
func TestIdentifiersAreForGood(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		const servers = 8
		var got [servers]string
		var group sync.WaitGroup
		for n := range servers {
			group.Go(func() {
				ids, err := subject.Open(t.Context(), db, storagetest.Keys(t))
				if err != nil {
					t.Error(err)
					return
				}
				got[n] = ids.Pairwise("rp.example", "account")
			})
		}
		group.Wait()
		for _, sub := range got {
			if sub != got[0] || len(sub) != 43 {
				t.Errorf("%q", got)
			}
		}
		ids, err := subject.Open(t.Context(), db, storagetest.Keys(t))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{"account": true}
		for _, of := range [][2]string{{"rp.example", "account"}, {"other.example", "account"}, {"rp.example", "accounu"}, {"rp.examplea", "ccount"}} {
			sub := ids.Pairwise(of[0], of[1])
			if seen[sub] {
				t.Errorf("%v shares its identifier", of)
			}
			seen[sub] = true
		}
		other, err := seal.New([]byte("0123456789abcdefghijklmnopqrstuv"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := subject.Open(t.Context(), db, other); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("another key-encryption key: %v", err)
		}
		defer storagetest.FailStatements(db, func(string) bool { return true })()
		if _, err := subject.Open(t.Context(), db, storagetest.Keys(t)); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("database down: %v", err)
		}
	})
}

// The identifiers of one database differ from those of another, though the
// same key seals both.
func TestEachDatabaseHasItsOwn(t *testing.T) {
	t.Parallel()
	var subs [2]string
	for n := range subs {
		ids, err := subject.Open(t.Context(), storagetest.Open(t), storagetest.Keys(t))
		if err != nil {
			t.Fatal(err)
		}
		subs[n] = ids.Pairwise("rp.example", "account")
	}
	if subs[0] == subs[1] {
		t.Error("two databases call an account the same")
	}
}
