package authz_test

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// passing are the tables whose rows go with time: what is in them is bounded by
// what is live.
var passing = []string{
	"access_tokens", "authorization_codes", "client_failures", "device_codes", "grants", "interactions", "logout_deliveries", "pushed_requests",
	"refresh_tokens", "session_clients", "sessions", "sign_in_throttles", "temporary_credentials", "token_credentials", "used_jtis",
}

// However long people use the server, its database has what is live and no
// more: after some days as much comes as goes, and when nobody comes any more
// nothing is left. Time is the test's; deleting is the server's own.
func TestDatabaseIsBoundedByWhatIsLive(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorld(t, db)
		days := w.actors()
		before := days.live(4 * 24 * time.Hour) // until the oldest refresh token has expired
		for table, n := range days.live(24 * time.Hour) {
			if allowed := before[table] + before[table]/10 + 2; n > allowed && !slices.Contains(monthly, table) {
				t.Errorf("%s has %d rows after a further day, and had %d", table, n, before[table])
			}
		}
		for _, table := range []string{"access_tokens", "refresh_tokens", "authorization_codes", "device_codes", "token_credentials"} {
			if before[table] == 0 {
				t.Errorf("%s was never used", table)
			}
		}
		w.clock.Advance(100 * 24 * time.Hour)
		w.purge()
		left := w.rows()
		maps.DeleteFunc(left, func(_ string, n int64) bool { return n == 0 })
		if len(left) > 0 {
			t.Errorf("when nobody comes any more there is left: %v", left)
		}
	})
}

// monthly are tables whose rows are kept for thirty days, or live as long.
var monthly = []string{"client_failures", "token_credentials", "grants", "session_clients"}

// purge runs the purges of all stores, as the server's job does.
func (w *world) purge() {
	w.Helper()
	for range 20 {
		var total int64
		for _, purge := range w.purges {
			n, err := purge(w.Context(), 500)
			w.must(err)
			total += n
		}
		if total == 0 {
			return
		}
	}
	w.Error("there is always more to delete")
}

// rows counts those of the passing tables.
func (w *world) rows() map[string]int64 {
	w.Helper()
	counts := map[string]int64{}
	for _, table := range passing {
		var n int64
		w.must(w.db.With(w.Context()).Raw(`SELECT count(*) FROM ` + table).Scan(&n).Error)
		counts[table] = n
	}
	return counts
}

// actors are those who use the server day by day.
type actors struct {
	*world
	every, tool, tv, keyed app
}

func (w *world) actors() *actors {
	w.Helper()
	return &actors{
		w, w.everyWay(), w.original(clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"}), w.register(television("TV")), w.keyed(allKeys(w.T)),
	}
}

// live lets time pass, in which everybody does something every four hours. It
// returns the rows at the end, right after somebody did.
func (d *actors) live(span time.Duration) (rows map[string]int64) {
	d.Helper()
	for range span / (4 * time.Hour) {
		d.act()
		d.purge()
		rows = d.rows()
		for range 2 {
			d.clock.Advance(2 * time.Hour)
			d.purge()
		}
	}
	return rows
}

func (d *actors) act() {
	d.Helper()
	d.signIn()
	tokens := d.tokens(d.web)
	d.refresh(d.web, d.refresh(d.web, tokens.str("refresh_token")).str("refresh_token"))
	d.tokens(d.native, "scope", "openid")
	d.code(d.web) // that nobody redeems
	d.authorize(d.every.ask("response_type", "id_token token"))
	d.post("/token", d.every, clientCredentials())
	d.login(d.every)
	d.login(d.every, "password", "wrong")
	d.postSigned("/token", testKeys()["ES256"].sign(d.T, d.assertion(d.keyed.ID, nil), nil), unknownCode)
	d.push(d.web)
	d.follow(d.authorize(d.web.ask("prompt", "login")))
	asked := d.device(d.tv, "openid offline_access")
	d.decide(asked.str("user_code"), "allow")
	d.poll(d.tv, asked.str("device_code"))
	d.device(d.tv, "openid") // that nobody answers
	token, secret := d.pair(d.askOriginally(d.tool))
	d.decideAt(authorizeAt(token, callback), "allow")
	d.pair(d.exchangeOriginally(d.tool, token, secret, ""))
	d.askOriginally(d.tool) // and goes away
	d.post("/introspect", app{d.web.Client, "wrong"}, url.Values{"token": {"x"}})
	d.must(d.sessions.End(d.Context(), d.session.ID))
}

type purge = func(ctx context.Context, limit int) (int64, error)
