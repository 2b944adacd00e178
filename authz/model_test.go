package authz_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/session"
	"countersign/storage/storagetest"
)

// model is what must be true of everything that was issued, told in a page and
// without any of the server's code: what ends what, and when.
type model struct {
	doors  []*world // replicas on one database
	people []*person
	apps   []*application
	codes  []*codeModel
	papers []*paper // tokens
	asked  []*deviceModel
	ids    []idToken
	reader app // may introspect all access tokens
}

// person is an account with the browser of whose it is.
type person struct {
	world   *world // with the account and its browser's cookie, at the first door
	enabled bool
	epoch   int // changes when nothing from before survives
	sitting *sitting
	allows  map[*application]bool
	allowed map[*application]int // the epoch that they did it in
}

// sitting is a session.
type sitting struct {
	*session.Session
	ended bool
	epoch int // the person's
}

// application is a client.
type application struct {
	app
	registration clientstore.Registration
	name         string
	approved     bool
	epoch        int
	keeps        bool // its refresh tokens are not replaced
	hybrid       bool
	machine      bool
	device       bool
	exchange     bool // may exchange tokens
	backend      bool // has none of its own
	absent       bool // may act for people who are away
}

// bond is a grant.
type bond struct {
	person                   *person // nil where the client acts for itself
	client                   *application
	personEpoch, clientEpoch int
	sitting                  *sitting // nil for one that outlives its session
	ended                    bool
	expires                  time.Time
	parent                   *paper // the token that it was exchanged for
}

// codeModel is an authorization code.
type codeModel struct {
	value   string
	bond    *bond
	offline bool
	expires time.Time
	spent   bool
}

// deviceModel is what a device asked for.
type deviceModel struct {
	device, user string
	client       *application
	clientEpoch  int
	offline      bool
	expires      time.Time
	denied       bool
	spent        bool
	bond         *bond // nil until somebody allows it
}

// paper is a token.
type paper struct {
	value    string
	refresh  bool
	bond     *bond
	expires  time.Time
	revoked  bool
	used     *time.Time
	next     *paper // of a refresh token that was used
	purged   bool
	audience *application // of an access token that was exchanged
}

type idToken struct {
	value   string
	client  *application
	expires time.Time
}

func (m *model) now() time.Time { return m.doors[0].clock.Now() }

func (m *model) door(rt *rapid.T) *world { return one(rt, "door", m.doors) }

// at is the person's browser at a door.
func (p *person) at(door *world) *world {
	w := *door
	w.user, w.cookie, w.session = p.world.user, p.world.cookie, p.world.session
	return &w
}

// present reports whether the person is signed in.
func (m *model) present(p *person) bool {
	s := p.sitting
	return s != nil && p.enabled && s.epoch == p.epoch && m.lasts(s)
}

func (m *model) lasts(s *sitting) bool { return !s.ended && m.now().Before(s.ExpiresAt) }

// holds reports whether a grant is good at this moment.
func (m *model) holds(b *bond) bool {
	c, p := b.client, b.person
	return !b.ended && m.now().Before(b.expires) && c.approved && c.epoch == b.clientEpoch &&
		(p == nil || p.enabled && p.epoch == b.personEpoch) &&
		(b.sitting == nil || m.lasts(b.sitting)) &&
		(b.parent == nil || !b.parent.revoked && m.holds(b.parent.bond))
}

// live reports whether a token is good at this moment.
func (m *model) live(t *paper) bool {
	return !t.revoked && t.used == nil && m.now().Before(t.expires) && m.holds(t.bond)
}

// bind makes a grant of what the person allows the client now, which ends with
// the session, if there is one.
func bind(p *person, c *application, until *sitting, expires time.Time) *bond {
	b := &bond{person: p, client: c, clientEpoch: c.epoch, sitting: until, expires: expires}
	if p != nil {
		b.personEpoch = p.epoch
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// remembers reports whether the person need not be asked again. What lets a
// client come back by itself ends with the epoch.
func (p *person) remembers(c *application) bool {
	return p.allows[c] && (!c.absent || p.allowed[c] == p.epoch)
}

// endBetween ends what the person allowed the client.
func (m *model) endBetween(p *person, c *application) {
	for _, b := range m.bonds() {
		if b.person == p && b.client == c {
			b.ended = true
		}
	}
}

func (m *model) bonds() (all []*bond) {
	for _, t := range m.papers {
		all = append(all, t.bond)
	}
	for _, c := range m.codes {
		all = append(all, c.bond)
	}
	for _, d := range m.asked {
		if d.bond != nil {
			all = append(all, d.bond)
		}
	}
	return all
}

// beside is a second replica of the server, on a connection of its own to the
// same database.
func (w *world) beside(db *storage.DB) *world {
	w.Helper()
	server := httptest.NewUnstartedServer(nil)
	cfg := modelConfig(w.T, db, w.issuer)
	door, err := authz.New(cfg)
	w.must(err)
	server.Config.Handler = door
	server.Start()
	w.Cleanup(server.Close)
	other := *w
	other.db, other.accounts, other.sessions, other.clients, other.grants, other.signing = db, cfg.Accounts, cfg.Sessions, cfg.Clients, cfg.Grants, cfg.Keys
	other.address = server.URL
	return &other
}

// modelConfig is that of a door where sessions end by their age alone, so that
// all the model must know of one is when it began.
func modelConfig(t *testing.T, db *storage.DB, issuer string) authz.Config {
	t.Helper()
	cfg := doorConfig(t, db, clientstore.Default, issuer)
	cfg.Sessions = session.New(db, session.Config{Keys: storagetest.Keys(t), Idle: 13 * time.Hour, Absolute: 12 * time.Hour})
	return cfg
}

func newModelWorld(t *testing.T, db *storage.DB) *world {
	t.Helper()
	return newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) { cfg.Sessions = modelConfig(t, db, cfg.Issuer).Sessions })
}
