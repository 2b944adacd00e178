package grant_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

func (w *world) start(client, network string) (userCode string, err error) {
	w.Helper()
	userCode = grant.NewUserCode()
	return userCode, w.grants.StartDevice(w.Context(), grant.DeviceStart{
		ClientID: client, Scope: "openid", IP: "192.0.2.1", Network: network, DeviceCode: seal.NewToken(seal.DeviceCode),
		UserCode: userCode, PollInterval: 5, ExpiresAt: w.clock.Now().Add(10 * time.Minute),
	})
}

func (w *world) allow(userCode string) error {
	w.Helper()
	g := w.newCode(false).Grant
	return w.grants.AllowDevice(w.Context(), userCode, grant.Permission{Grant: g, Remembered: true, Digest: "d"})
}

func (w *world) device(userCode string) *grant.Device {
	w.Helper()
	query, args := w.grants.UserCodeQuery(userCode)
	found, err := storage.Select[grant.Device](w.Context(), w.db, query, args)
	w.must(err)
	if len(found) != 1 {
		w.Fatalf("%d devices have the code", len(found))
	}
	return &found[0]
}

// What a pending client parks yields nothing before the client is approved,
// lives on with the first approval, and dies with a disapproval.
func TestParkedDevice(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		w.exec(`UPDATE clients SET status = 'pending'`)
		first, err := w.start("c1", "n")
		w.must(err)
		second, err := w.start("c1", "n")
		w.must(err)
		if d := w.device(first); !d.Parked || d.Permitted || d.OpenedIn != "" {
			w.Errorf("parked: %+v", d)
		}
		w.want(w.allow(first), grant.ErrNotPermitted)
		w.must(w.db.ExecPart(w.Context(), w.grants.OpeningDevice(first, "s1")))

		w.exec(`UPDATE clients SET status = 'approved'`)
		if d := w.device(first); d.Parked || !d.Permitted || d.OpenedIn != "s1" {
			w.Errorf("approved: %+v", d)
		}
		w.must(w.allow(first))
		w.want(w.allow(first), grant.ErrSpent)

		w.exec(`UPDATE clients SET status = 'disapproved', epoch = epoch + 1`)
		_, err = w.start("c1", "n")
		w.want(err, grant.ErrNotPermitted)
		for _, status := range []string{"disapproved", "pending", "approved"} {
			w.exec(`UPDATE clients SET status = ?`, status)
			for _, code := range []string{first, second} {
				if d := w.device(code); d.Parked || d.Permitted || d.Live {
					w.Errorf("%s after a disapproval: %+v", status, d)
				}
			}
		}
		w.want(w.allow(second), grant.ErrSpent)
		w.must(w.grants.DenyDevice(w.Context(), second, "a1"))
		if d := w.device(second); d.DeniedBy != "a1" || d.DeniedAt == nil {
			w.Errorf("refused: %+v", d)
		}
		_, err = w.start("nobody", "n")
		w.want(err, grant.ErrNotPermitted)
	})
}

// DV-16: how many codes wait is bounded, more narrowly for a client that
// nobody has approved.
func TestWaitingDevicesAreBounded(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		w.exec(`UPDATE clients SET status = 'pending'`)
		for network := range 10 {
			for range 5 {
				_, err := w.start("c1", fmt.Sprint(network))
				w.must(err)
			}
			_, err := w.start("c1", fmt.Sprint(network))
			w.want(err, grant.ErrTooMany)
		}
		_, err := w.start("c1", "another") // fifty wait
		w.want(err, grant.ErrTooMany)
		w.exec(`UPDATE clients SET status = 'approved'`)
		for range 95 {
			_, err := w.start("c1", "1")
			w.must(err)
		}
		_, err = w.start("c1", "1")
		w.want(err, grant.ErrTooMany)
		_, err = w.start("c1", "another")
		w.must(err)
		w.clock.Advance(10 * time.Minute)
		w.exec(`UPDATE clients SET status = 'pending'`)
		_, err = w.start("c1", "1") // those have expired
		w.must(err)
	})
}

// What somebody allows a device is kept as one with the consent and the note of
// it: of two answers one counts, and the other leaves nothing behind.
func TestAllowDeviceIsOne(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		notes := account.New(db, account.Config{Keys: storagetest.Keys(t)})
		allow := func(userCode string) error {
			return w.grants.AllowDevice(context.Background(), userCode, grant.Permission{
				Grant: w.newCode(false).Grant, Remembered: true, Digest: "d", Note: notes.Noting(account.Activity{AccountID: "a1", Kind: account.Consented}),
			})
		}
		wantKept := func(when string, want ...int64) {
			t.Helper()
			for i, table := range []string{"grants", "consents", "account_activities"} {
				var n int64
				w.must(db.With(t.Context()).Table(table).Count(&n).Error)
				if n != want[i] {
					t.Errorf("%s: %d rows in %s; want %d", when, n, table, want[i])
				}
			}
		}
		code, err := w.start("c1", "n")
		w.must(err)
		w.exec(`UPDATE sessions SET ended_at = expires_at`)
		w.want(allow(code), grant.ErrNotPermitted)
		w.exec(`UPDATE sessions SET ended_at = NULL`)
		w.want(allow("BBBBBBBB"), grant.ErrSpent)
		for _, fragment := range []string{"INSERT INTO grants", "UPDATE device_codes", "consents", "account_activities", "INTO account_activities"} {
			restore := storagetest.FailStatements(db, storagetest.Containing(fragment))
			err := allow(code)
			restore()
			w.want(err, storage.ErrUnavailable)
		}
		wantKept("nothing was allowed", 0, 0, 0)
		w.must(allow(code))
		w.want(allow(code), grant.ErrSpent)
		wantKept("allowed", 1, 1, 1)
		raced, err := w.start("c1", "n")
		w.must(err)
		answers := make(chan error)
		for range 8 {
			g := w.newCode(false).Grant
			go func() { answers <- w.grants.AllowDevice(context.Background(), raced, grant.Permission{Grant: g}) }()
		}
		won := 0
		for range 8 {
			if err := <-answers; err == nil {
				won++
			} else {
				w.want(err, grant.ErrSpent)
			}
		}
		if won != 1 {
			t.Errorf("%d of eight answers count", won)
		}
		wantKept("raced", 2, 1, 1)
	})
}

// A client that is removed while somebody allows it a device is gone, and who
// allowed it is told so: neither waits for the other.
func TestAllowDeviceOfAClientThatIsRemoved(t *testing.T) {
	t.Parallel()
	db := storagetest.OpenPostgres(t)
	w := newWorld(t, db)
	code, err := w.start("c1", "n")
	w.must(err)
	g, answer := w.newCode(false).Grant, make(chan error, 1)
	w.must(db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.With(ctx).Exec(`SELECT id FROM clients WHERE id = 'c1' FOR UPDATE`).Error; err != nil {
			return err
		}
		go func() { //nolint:contextcheck // who allows is not in this transaction
			answer <- w.grants.AllowDevice(context.Background(), code, grant.Permission{Grant: g, Remembered: true, Digest: "d"})
		}()
		for waiting := int64(0); waiting == 0; {
			err := w.db.With(ctx).Raw(`SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (
				SELECT pid FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waiting).Error
			if err != nil {
				return err
			}
		}
		return db.With(ctx).Exec(`DELETE FROM clients WHERE id = 'c1'`).Error
	}))
	w.want(<-answer, grant.ErrNotPermitted)
}
