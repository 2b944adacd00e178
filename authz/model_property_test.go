package authz_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// Whatever people, applications and administrators do, in any order, and at
// whichever replica: every token is live exactly when the model says so
// (INV-02 to INV-07, INV-23).
func TestPropertyTokensLiveAsLongAsTheyMay(t *testing.T) {
	t.Parallel()
	t.Run(string(storage.SQLite), func(t *testing.T) {
		t.Parallel()
		alone := newModelWorld(t, storagetest.Open(t))
		storagetest.Property(t, func(rt *rapid.T) { live(rt, alone) })
	})
	t.Run(string(storage.PostgreSQL), func(t *testing.T) {
		t.Parallel()
		raw := storagetest.PostgresURL(t)
		db := storagetest.OpenURL(t, raw)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := newModelWorld(t, db)
		other := storagetest.OpenURL(t, raw)
		other.Now = first.clock.Now
		storagetest.Property(t, func(rt *rapid.T) { live(rt, first, first.beside(other)) })
	})
}

func live(rt *rapid.T, doors ...*world) {
	m := &model{doors: doors}
	m.populate()
	rt.Repeat(map[string]func(*rapid.T){"": m.compare, "deed": m.step})
}

// modelDeed is what may happen next.
type modelDeed struct {
	weight int // the everyday has more
	name   string
	do     func(*rapid.T)
	can    func() bool // nil for what can always happen
}

func (m *model) deeds() []modelDeed {
	return []modelDeed{
		{6, "authorize", m.authorize, nil},
		{6, "redeem", m.redeem, some(&m.codes)},
		{6, "refresh", m.refresh, filled(m.refreshTokens)},
		{3, "exchange", m.exchange, filled(m.subjects)},
		{3, "ask for a device", m.askDevice, nil},
		{3, "answer a device", m.answerDevice, func() bool { return len(m.signedIn()) > 0 && len(m.answerable()) > 0 }},
		{3, "poll", m.poll, some(&m.asked)},
		{2, "act alone", m.actAlone, nil},
		{4, "act for somebody", m.actForSomebody, nil},
		{2, "revoke", m.revoke, some(&m.papers)},
		{6, "wait", m.wait, nil},
		{3, "sign in", m.signIn, filled(m.signedOut)},
		{1, "sign out", m.signOut, filled(m.signedIn)},
		{2, "decide on a client", m.toggleClient, nil},
		{2, "disable or enable", m.toggleAccount, nil},
		{1, "change the password", m.changePassword, nil},
		{2, "withdraw or allow", m.withdraw, nil},
		{1, "rotate keys", m.rotateKeys, nil},
	}
}

// some and filled tell whether there is anything in a list, as it is then.
func some[T any](list *[]T) func() bool         { return func() bool { return len(*list) > 0 } }
func filled[T any](list func() []T) func() bool { return func() bool { return len(list()) > 0 } }

// step has one of the deeds happen that can.
func (m *model) step(rt *rapid.T) {
	var possible []modelDeed
	for _, d := range m.deeds() {
		if d.can == nil || d.can() {
			for range d.weight {
				possible = append(possible, d)
			}
		}
	}
	d := one(rt, "deed", possible)
	rt.Log(d.name)
	d.do(rt)
}

func (m *model) refreshTokens() []*paper {
	return where(m.papers, func(t *paper) bool { return t.refresh })
}

// subjects are the tokens that can be exchanged.
func (m *model) subjects() []*paper {
	return where(m.papers, func(t *paper) bool { return !t.refresh && t.bond.client.exchange })
}

func (m *model) signedIn() []*person { return where(m.people, m.present) }

func (m *model) signedOut() []*person {
	return where(m.people, func(p *person) bool { return p.enabled && !m.present(p) })
}

// answerable are the devices that wait for a decision.
func (m *model) answerable() []*deviceModel {
	return where(m.asked, func(d *deviceModel) bool {
		return d.bond == nil && !d.denied && m.now().Before(d.expires) && d.client.approved && d.client.epoch == d.clientEpoch
	})
}

// populate makes people and clients that no check before has seen.
func (m *model) populate() {
	w := m.doors[0]
	gateway := registration("Gateway")
	gateway.Metadata.IntrospectionScope = clientstore.IntrospectAll
	m.reader = w.register(gateway)
	for range 2 {
		mine := *w
		var err error
		mine.user, err = w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		p := &person{world: &mine, enabled: true, allows: map[*application]bool{}, allowed: map[*application]int{}}
		m.people = append(m.people, p)
		p.arrive()
	}
	for _, c := range modelApplications(allKeys(w.T)) {
		c.app = w.register(c.registration)
		c.approved = true
		m.apps = append(m.apps, c)
		for _, p := range m.people {
			m.allow(p, c)
		}
	}
}

// modelApplications are clients of each kind.
func modelApplications(keys json.RawMessage) []*application {
	web := exchangeRegistration("web", "openid profile offline_access api")
	web.Metadata.ResponseTypes = []string{"code", "code token"}
	keeper := registration("keeper")
	off := false
	keeper.Metadata.RefreshTokenRotation, keeper.Metadata.AccessTokenFormat = &off, clientstore.FormatJWT
	machine := clientstore.Registration{Type: clientstore.OAuth2, Name: "machine", Metadata: clientstore.Metadata{
		GrantTypes: []string{clientstore.GrantClientCredentials}, Scope: "api",
	}}
	nightly := registration("nightly")
	nightly.Metadata.GrantTypes = []string{clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken, clientstore.GrantJWTBearer}
	nightly.Metadata.JWKS = keys
	return []*application{
		{name: "web", registration: web, hybrid: true, exchange: true},
		{name: "native", registration: public("native")},
		{name: "keeper", registration: keeper, keeps: true},
		{name: "machine", registration: machine, machine: true},
		{name: "television", registration: television("television"), device: true},
		{name: "nightly", registration: nightly, absent: true},
		{name: "broker", registration: exchangeRegistration("broker", "profile api"), exchange: true, backend: true},
	}
}

// arrive begins a session.
func (p *person) arrive() {
	w := p.world
	var err error
	w.user, err = w.accounts.Get(w.Context(), w.user.ID)
	w.must(err)
	w.signIn()
	p.sitting = &sitting{Session: w.session, epoch: p.epoch}
}

func (m *model) allow(p *person, c *application) {
	w := m.doors[0]
	a, err := w.accounts.Get(w.Context(), p.world.user.ID)
	w.must(err)
	w.must(w.grants.RememberConsent(w.Context(), a.ID, c.ID, c.Metadata.Scope, c.ConsentOf(a.Epoch)))
	p.allows[c], p.allowed[c] = true, p.epoch
}

// compare asks about every token.
func (m *model) compare(rt *rapid.T) {
	for i, t := range m.papers {
		by := m.reader
		if t.refresh {
			if by = t.bond.client.app; by.secret == "" || !t.bond.client.approved {
				continue // it cannot ask, and nobody else may
			}
		}
		res := m.doors[i%len(m.doors)].post("/introspect", by, url.Values{"token": {t.value}})
		active, known := res.json["active"].(bool)
		if !known || active != m.live(t) {
			rt.Fatalf("token %d of %s (refresh: %v) is active: %v; want %v. %s %s", i, t.bond.client.name, t.refresh, active, m.live(t), res.Status, res.body)
		}
		if !active && res.body != `{"active":false}` {
			rt.Fatalf("IN-05: an inactive token is described: %s", res.body)
		}
	}
}

// want checks that a request was answered exactly if it may be.
func want(rt *rapid.T, what string, res answer, ok bool) { //nolint:revive // the flag is what is wanted
	if got := res.StatusCode == http.StatusOK; got != ok {
		rt.Fatalf("%s: %s %s; want success: %v", what, res.Status, res.body, ok)
	}
	if !ok && res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusUnauthorized {
		rt.Fatalf("%s: %s %s", what, res.Status, res.body)
	}
}

// one draws a thing, of which there must be any.
func one[T any](rt *rapid.T, what string, all []T) T {
	return all[rapid.IntRange(0, len(all)-1).Draw(rt, what)]
}

func where[T any](all []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(t T) bool { return !is(t) })
}

// caller draws the client itself, and now and then another one.
func (m *model) caller(rt *rapid.T, own *application) *application {
	if rapid.IntRange(0, 7).Draw(rt, "somebody else") > 0 {
		return own
	}
	return one(rt, "caller", where(m.apps, func(c *application) bool { return c != own }))
}

// hand notes the tokens of an answer.
func (m *model) hand(res answer, b *bond) (refresh *paper) {
	m.papers = append(m.papers, &paper{value: res.str("access_token"), bond: b, expires: earlier(m.now().Add(10*time.Minute), b.expires)})
	if id := res.str("id_token"); id != "" {
		m.ids = append(m.ids, idToken{id, b.client, m.now().Add(5 * time.Minute)})
	}
	if value := res.str("refresh_token"); value != "" {
		refresh = &paper{value: value, refresh: true, bond: b, expires: earlier(m.now().Add(24*time.Hour), b.expires)}
	}
	return refresh
}
