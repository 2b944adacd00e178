package clientstore_test

import (
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// AD-04: without four eyes who registered a client may approve it, and the
// record says that they did both; what registered itself is approved by an
// administrator alone, and no client is one.
func TestAD04WhoRegisteredMayApproveAndIsNamed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _, err := clients.Register(t.Context(), ada, clientstore.Registration{
			Type: clientstore.OIDC, Name: "Own", Metadata: clientstore.Metadata{RedirectURIs: []string{"https://rp.example/cb"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.Status != clientstore.Pending || clients.OwnWork(c, nil, ada.AccountID) {
			t.Errorf("registered by an administrator it is %s, own work: %v", c.Status, clients.OwnWork(c, nil, ada.AccountID))
		}
		if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		for _, e := range events(t, db, c.ID) {
			if e.ActorID != ada.AccountID || e.ActorName != ada.Name {
				t.Errorf("%s is recorded as done by %s (%s)", e.Action, e.ActorName, e.ActorID)
			}
		}
		if got := actions(events(t, db, c.ID)); got != "register approve" {
			t.Errorf("audit record: %s", got)
		}
	})
}
