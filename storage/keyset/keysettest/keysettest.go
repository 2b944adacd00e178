// Package keysettest gives tests signing keys without the seconds that it
// takes to make them.
package keysettest

import (
	"sync"
	"testing"

	"countersign/storage"
	"countersign/storage/keyset"
	"countersign/storage/storagetest"
)

// Open returns a store with a key for each algorithm, active at once. The keys
// are those of the whole test process, sealed with [storagetest.Keys]; the
// Keys of cfg are set to them.
func Open(t testing.TB, db *storage.DB, cfg keyset.Config) *keyset.Store {
	t.Helper()
	Seed(t, db)
	cfg.Keys = storagetest.Keys(t)
	s := keyset.New(db, cfg)
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Seed puts the keys into the database, unless they are there.
func Seed(t testing.TB, db *storage.DB) {
	t.Helper()
	for _, key := range made(t) {
		var there int64
		if err := db.With(t.Context()).Model(&keyset.Key{}).Where("id = ?", key.ID).Count(&there).Error; err != nil {
			t.Fatal(err)
		}
		if there > 0 {
			continue
		}
		key.CreatedAt = db.Now()
		key.ActiveAt = key.CreatedAt
		if err := db.With(t.Context()).Create(&key).Error; err != nil {
			t.Fatal(err)
		}
	}
}

var (
	once sync.Once
	keys []keyset.Key
)

// made returns the keys of the process, which the first test makes.
func made(t testing.TB) []keyset.Key {
	t.Helper()
	once.Do(func() {
		s := keyset.New(storagetest.Open(t), keyset.Config{Keys: storagetest.Keys(t)})
		if err := s.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		var err error
		if keys, err = s.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if len(keys) == 0 {
		t.Fatal("the keys of this process could not be made; see the first test that failed")
	}
	return keys
}
