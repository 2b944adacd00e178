package clientstore_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

var (
	cyd = audit.Actor{AccountID: "cyd-id", Name: "cyd", Via: audit.ViaAPI}
	dan = audit.Actor{AccountID: "dan-id", Name: "dan", Via: audit.ViaSettings}
)

// eyes is a store with four eyes, and a client in it that is approved.
func eyes(t *testing.T, db *storage.DB, r clientstore.Registration) (*clientstore.Store, *clientstore.Client, string) {
	t.Helper()
	clients := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), FourEyes: true})
	c, secret := register(t, clients, r)
	if _, err := clients.Approve(t.Context(), dan, c.ID); err != nil {
		t.Fatal(err)
	}
	return clients, c, secret
}

// believed reports whether the client is believed by the secret.
func believed(t *testing.T, clients *clientstore.Store, id, secret string) bool {
	t.Helper()
	c, err := clients.InUse(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := clients.VerifySecret(t.Context(), c, secret)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// A secret of an approved client waits for another administrator, and is
// believed by nobody until then (AP-11).
func TestASecretWaits(t *testing.T) {
	t.Parallel()
	const typed = "a secret of mine, as long as it has to be"
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, c, first := eyes(t, db, webClient("Modeler"))
		clock := storagetest.Clock(db)
		waiting, secret, err := clients.RotateSecret(t.Context(), cyd, c.ID, clientstore.Rotation{Overlap: time.Hour})
		if err != nil || secret == "" || waiting.Waiting == nil || len(waiting.Secrets) != 1 || waiting.Version != 2 {
			t.Fatalf("requested %+v, %v", waiting, err)
		}
		id := waiting.Waiting.ID
		if believed(t, clients, c.ID, secret) || !believed(t, clients, c.ID, first) {
			t.Error("a secret that waits is believed, or the one before is not")
		}
		if n, err := clients.Waiting(t.Context(), 9); err != nil || n != 1 {
			t.Errorf("%d wait, %v", n, err)
		}
		if _, err := clients.ConfirmSecret(t.Context(), cyd, c.ID, id); !errors.Is(err, clientstore.ErrOwnWork) {
			t.Errorf("who made it confirms it: %v", err)
		}
		if _, err := clients.ConfirmSecret(t.Context(), dan, c.ID, "another"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("another secret: %v", err)
		}
		if _, _, err := clients.RotateSecret(t.Context(), dan, c.ID, clientstore.Rotation{}); err == nil {
			t.Error("another administrator replaced it without a decision")
		}
		clock.Advance(2 * time.Hour) // the overlap begins when it is confirmed
		after, err := clients.ConfirmSecret(t.Context(), dan, c.ID, id)
		if err != nil || len(after.Secrets) != 2 {
			t.Fatalf("confirmed %+v, %v", after, err)
		}
		if !believed(t, clients, c.ID, secret) || !believed(t, clients, c.ID, first) {
			t.Error("the new secret is not believed, or the one before not for its overlap")
		}
		clock.Advance(time.Hour)
		if believed(t, clients, c.ID, first) {
			t.Error("the secret before goes on")
		}
		if _, err := clients.ConfirmSecret(t.Context(), dan, c.ID, id); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("a second time: %v", err)
		}

		// A typed one, rejected.
		waiting, _, err = clients.RotateSecret(t.Context(), cyd, c.ID, clientstore.Rotation{Secret: typed})
		if err != nil {
			t.Fatal(err)
		}
		old := waiting.Waiting.ID
		waiting, _, err = clients.RotateSecret(t.Context(), cyd, c.ID, clientstore.Rotation{Secret: typed})
		if err != nil {
			t.Fatalf("one's own is replaced: %v", err)
		}
		if _, err := clients.ConfirmSecret(t.Context(), dan, c.ID, old); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("one that was replaced: %v", err)
		}
		if _, err := clients.RejectSecret(t.Context(), dan, c.ID, waiting.Waiting.ID); err != nil || believed(t, clients, c.ID, typed) {
			t.Errorf("rejected: %v", err)
		}
		events, err := audit.New(db).List(t.Context(), audit.Filter{TargetID: c.ID, Limit: 3})
		if err != nil || events[0].Action != "client.reject_secret" || events[0].ActorID != dan.AccountID || events[1].Action != "client.request_secret" || events[1].ActorID != cyd.AccountID {
			t.Errorf("recorded %+v, %v", events, err)
		}
	})
}

// A secret that nobody confirms is over after a week, and one of a client that
// was stopped is nothing to confirm.
func TestASecretWaitsNotForEver(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, c, _ := eyes(t, db, webClient("Modeler"))
		clock := storagetest.Clock(db)
		request := func(r clientstore.Rotation) string {
			t.Helper()
			waiting, _, err := clients.RotateSecret(t.Context(), cyd, c.ID, r)
			if err != nil {
				t.Fatal(err)
			}
			return waiting.Waiting.ID
		}
		id := request(clientstore.Rotation{})
		clock.Advance(7 * 24 * time.Hour)
		if _, err := clients.ConfirmSecret(t.Context(), dan, c.ID, id); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("after a week: %v", err)
		}
		if list, err := clients.WaitingSecrets(t.Context(), 9); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := clients.Purge(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		var kept int64
		if err := db.With(t.Context()).Raw("SELECT COUNT(*) FROM waiting_secrets").Scan(&kept).Error; err != nil || kept != 0 {
			t.Errorf("%d are kept, %v", kept, err)
		}
		ends := clock.Now().Add(time.Hour)
		id = request(clientstore.Rotation{ExpiresAt: &ends})
		clock.Advance(time.Hour)
		if _, err := clients.ConfirmSecret(t.Context(), dan, c.ID, id); err == nil {
			t.Error("a secret that would have ended was confirmed")
		}
		id = request(clientstore.Rotation{})
		if _, err := clients.Disapprove(t.Context(), dan, c.ID, "stolen"); err != nil {
			t.Fatal(err)
		}
		var stopped *clientstore.StatusError
		if _, err := clients.ConfirmSecret(t.Context(), dan, c.ID, id); !errors.As(err, &stopped) {
			t.Errorf("of a client that was stopped: %v", err)
		}
		if w, err := clients.WaitingSecret(t.Context(), c.ID); err != nil || w == nil {
			t.Errorf("a refusal forgot it: %v", err)
		}
		if err := clients.Remove(t.Context(), dan, c.ID); err != nil {
			t.Fatal(err)
		}
		if w, err := clients.WaitingSecret(t.Context(), c.ID); err != nil || w != nil {
			t.Errorf("it outlives its client: %+v, %v", w, err)
		}
	})
}

// A secret of OAuth 1.0a signs nothing before it is confirmed, and of many who
// decide at once one does.
func TestASecretIsDecidedOnOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, c, _ := eyes(t, db, clientstore.Registration{Type: clientstore.OAuth1, Name: "Old tool", Metadata: clientstore.Metadata{RedirectURIs: []string{"https://old.example/cb"}}})
		waiting, secret, err := clients.RotateSecret(t.Context(), cyd, c.ID, clientstore.Rotation{})
		if err != nil {
			t.Fatal(err)
		}
		signs := func() int {
			t.Helper()
			used, err := clients.InUse(t.Context(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, s := range clients.RevealSecrets(used) {
				if string(s.Value) == secret {
					n++
				}
			}
			return n
		}
		if signs() != 0 {
			t.Error("a secret that waits signs")
		}
		var confirmed, rejected, late atomic.Int32
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				decide, count := clients.ConfirmSecret, &confirmed
				if i%2 == 1 {
					decide, count = clients.RejectSecret, &rejected
				}
				switch _, err := decide(t.Context(), dan, c.ID, waiting.Waiting.ID); {
				case err == nil:
					count.Add(1)
				case errors.Is(err, storage.ErrNotFound):
					late.Add(1)
				default:
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if confirmed.Load()+rejected.Load() != 1 || late.Load() != 5 || signs() != int(confirmed.Load()) {
			t.Errorf("%d confirmed, %d rejected, %d came late, %d sign", confirmed.Load(), rejected.Load(), late.Load(), signs())
		}
	})
}
