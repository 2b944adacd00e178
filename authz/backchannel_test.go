package authz_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"countersign/authz/clientjwt"
	"countersign/authz/logout"
	"countersign/authz/outbound"
	"countersign/clientstore"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/storagetest"
)

// party is an application that listens for logout tokens.
type party struct {
	app
	*httptest.Server

	mu     sync.Mutex
	status []int // of the next answers; 200 when there are none
	forms  []url.Values
}

// listening registers an application that listens.
func (w *world) listening(change ...func(*clientstore.Metadata)) *party {
	w.Helper()
	p := &party{}
	p.Server = httptest.NewServer(p)
	w.Cleanup(p.Close)
	r := registration("Listening")
	r.Metadata.BackchannelLogoutURI, r.Metadata.BackchannelLogoutSessionRequired = p.URL+"/out?x=y", true
	r.Metadata.PostLogoutRedirectURIs = []string{farewell}
	for _, f := range change {
		f(&r.Metadata)
	}
	p.app = w.register(r)
	return p
}

func (p *party) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method == http.MethodPost && r.URL.String() == "/out?x=y" && r.Header.Get("Cookie") == "" && r.Header.Get("Content-Type") == formType {
		p.forms = append(p.forms, form)
	}
	if len(p.status) > 0 {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(p.status[0])
		p.status = p.status[1:]
	}
}

// heard returns the logout tokens that arrived since it was last asked.
func (p *party) heard() []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	heard := p.forms
	p.forms = nil
	return heard
}

// sender is what a server that has just been started sends with.
func (w *world) sender() *logout.Sender {
	return logout.NewSender(logout.SenderConfig{
		Issuer: w.issuer, SignOut: signout.New(w.db), Subjects: w.subjects, Keys: w.signing, Client: outbound.New(outbound.Config{Local: true}),
		Clients: w.clients, ClientKeys: clientjwt.New(clientjwt.Config{
			Clients: w.clients, HTTP: outbound.New(outbound.Config{Local: true}), Log: slog.New(slog.DiscardHandler), Now: w.db.Now,
		}),
		Log: slog.New(slog.DiscardHandler), Now: w.db.Now,
	})
}

func (w *world) deliverLogouts() {
	w.Helper()
	w.must(w.sender().Send(w.Context()))
}

// logoutToken checks a logout token as an application does, from the published
// metadata, and returns its claims (OpenID Connect Back-Channel Logout 1.0,
// section 2.6).
func (w *world) logoutToken(p *party, form url.Values) map[string]any {
	w.Helper()
	raw := form.Get("logout_token")
	if len(form) != 1 || raw == "" {
		w.Fatalf("the application got %v", form)
	}
	var header struct{ Typ, Alg string }
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	w.must(err)
	w.must(json.Unmarshal(decoded, &header))
	if header.Typ != "logout+jwt" || header.Alg != p.Metadata.IDTokenSignedResponseAlg {
		w.Errorf("LO-10: header %s", decoded)
	}
	payload, err := oidc.NewRemoteKeySet(w.Context(), w.issuer+"/.well-known/jwks.json").VerifySignature(context.WithoutCancel(w.Context()), raw)
	w.must(err)
	claims := map[string]any{}
	w.must(json.Unmarshal(payload, &claims))
	return claims
}

// wantHeard checks that exactly one logout token arrived, about the session.
func (w *world) wantHeard(name string, p *party, sid string) map[string]any {
	w.Helper()
	heard := p.heard()
	if len(heard) != 1 {
		w.Errorf("%s: %d logout tokens; want 1", name, len(heard))
		return nil
	}
	claims := w.logoutToken(p, heard[0])
	sid = w.subjects.Session(p.ID, sid)
	if claims["sid"] != sid || claims["sub"] != w.user.ID {
		w.Errorf("%s: sid %v, sub %v; want %s, %s", name, claims["sid"], claims["sub"], sid, w.user.ID)
	}
	return claims
}

func (w *world) wantSilence(name string, parties ...*party) {
	w.Helper()
	for _, p := range parties {
		if heard := p.heard(); len(heard) > 0 {
			w.Errorf("%s: %d logout tokens; want none", name, len(heard))
		}
	}
}

func TestBackChannelLogout(t *testing.T) {
	each(t, func(w *world) {
		signed := func(alg string) func(*clientstore.Metadata) {
			return func(m *clientstore.Metadata) { m.IDTokenSignedResponseAlg = alg }
		}
		used := []*party{w.listening(), w.listening(signed("ES256")), w.listening(signed("EdDSA")), w.listening(func(m *clientstore.Metadata) {
			m.ResponseTypes = []string{"id_token"}
		})}
		unused, plain, elsewhere := w.listening(), w.listening(), w.listening()
		for _, p := range used[:3] {
			w.tokens(p.app, "scope", "openid")
			w.tokens(p.app, "scope", "openid")
		}
		if res := w.authorize(used[3].ask("response_type", "id_token", "scope", "openid", "code_challenge", "", "code_challenge_method", "")); !strings.Contains(res.Header.Get("Location"), "id_token=") {
			w.Fatalf("id_token: %s %q", res.Status, res.Header.Get("Location"))
		}
		w.tokens(plain.app, "scope", "profile") // no ID token, nothing to end
		cookie, sid := w.cookie, w.session.ID
		w.signIn()
		w.tokens(elsewhere.app, "scope", "openid") // in another browser
		w.cookie = cookie
		w.clock.Advance(45 * time.Minute) // the grants are long gone
		_, err := w.grants.Purge(w.Context(), 100)
		w.must(err)
		w.deliverLogouts()
		w.wantSilence("before the sign-out", used...)
		w.wantSignedOut("sign-out", w.submit(nil), "/logout")
		w.deliverLogouts()
		now, seen := float64(w.clock.Now().Unix()), []string{}
		for _, p := range used {
			claims := w.wantHeard("oidcc-backchannel-rp-initiated-logout", p, sid)
			exp, _ := claims["exp"].(float64)
			jti, _ := claims["jti"].(string)
			events, _ := json.Marshal(claims["events"])
			if claims["iss"] != w.issuer || claims["aud"] != p.ID || claims["iat"] != now || exp <= now || exp > now+120 || jti == "" || slices.Contains(seen, jti) ||
				string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` || len(claims) != 8 {
				w.Errorf("LO-10: %v", claims)
			}
			seen = append(seen, jti)
		}
		w.wantSilence("not used in the session", unused, plain, elsewhere)
		w.clock.Advance(time.Hour)
		w.deliverLogouts()
		w.wantSilence("again", used...)
	})
}

// LO-11: what does not arrive is sent again, later and later, by whichever
// server is there; the sign-out does not wait for it.
func TestBackChannelRetries(t *testing.T) {
	each(t, func(w *world) {
		p, good := w.listening(), w.listening()
		w.tokens(p.app, "scope", "openid")
		w.tokens(good.app, "scope", "openid")
		p.status = []int{http.StatusInternalServerError, http.StatusFound, http.StatusOK}
		sid := w.session.ID
		w.submit(nil)
		w.deliverLogouts()
		w.wantHeard("first", p, sid)
		w.wantHeard("the other application", good, sid)
		w.clock.Advance(4 * time.Second)
		w.deliverLogouts()
		w.wantSilence("too early", p)
		w.clock.Advance(time.Second)
		w.deliverLogouts() // a redirect, which nobody follows
		w.wantHeard("second", p, sid)
		w.clock.Advance(14 * time.Second)
		w.deliverLogouts()
		w.wantSilence("too early for a third", p)
		w.clock.Advance(time.Second)
		w.deliverLogouts()
		if claims := w.wantHeard("third", p, sid); claims != nil && claims["iat"] != float64(w.clock.Now().Unix()) {
			w.Errorf("the token is an old one: %v", claims["iat"])
		}
		w.clock.Advance(time.Hour)
		w.deliverLogouts()
		w.wantSilence("after it arrived", p, good)
	})
}

// A server that dies between claiming and delivering leaves the delivery to
// another, which waits until that one cannot be at it any more.
func TestBackChannelSurvivesACrash(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		w.tokens(p.app, "scope", "openid")
		sid, box := w.session.ID, signout.New(w.db)
		w.submit(nil)
		due, err := box.Due(w.Context(), 10)
		w.must(err)
		if claimed, err := box.Claim(w.Context(), &due[0]); !claimed || err != nil {
			w.Fatalf("Claim() = %v, %v", claimed, err)
		}
		w.deliverLogouts()
		w.wantSilence("while claimed", p)
		w.clock.Advance(30 * time.Second)
		w.deliverLogouts()
		w.wantHeard("after the crash", p, sid)
		// What the dead server would have written changes nothing.
		w.submit(nil)
		w.must(box.Retry(w.Context(), &due[0]))
		w.must(box.Done(w.Context(), &due[0]))
	})
}

// Two servers on one database deliver everything once.
func TestBackChannelReplicas(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		const sessions = 12
		for range sessions {
			w.tokens(p.app, "scope", "openid")
			w.signIn()
		}
		w.must(w.sessions.EndAll(w.Context(), w.user.ID))
		var servers sync.WaitGroup
		for range 3 {
			servers.Go(func() {
				if err := w.sender().Send(w.Context()); err != nil {
					w.Error(err)
				}
			})
		}
		servers.Wait()
		sids := map[any]bool{}
		heard := p.heard()
		for _, form := range heard {
			sids[w.logoutToken(p, form)["sid"]] = true
		}
		if len(heard) != sessions || len(sids) != sessions {
			w.Errorf("%d logout tokens of %d sessions; want %d", len(heard), len(sids), sessions)
		}
	})
}

// The end of a session and what is owed are one: neither comes alone.
func TestBackChannelOutboxIsAtomic(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		w.tokens(p.app, "scope", "openid")
		for _, fragment := range []string{"INTO logout_deliveries", "COMMIT"} {
			restore := storagetest.FailStatements(w.db, storagetest.Containing(fragment))
			res := w.submit(nil)
			restore()
			w.deliverLogouts()
			w.wantSilence(fragment, p)
			if res.StatusCode != http.StatusServiceUnavailable || !w.signedIn() {
				w.Errorf("%s: %s", fragment, res.Status)
			}
		}
		w.submit(nil)
		for _, fragment := range []string{"FROM logout_deliveries d", "UPDATE logout_deliveries"} {
			restore := storagetest.FailStatements(w.db, storagetest.Containing(fragment))
			if err := w.sender().Send(w.Context()); err == nil {
				w.Errorf("%s: no error", fragment)
			}
			restore()
			w.wantSilence(fragment, p)
		}
		restore := storagetest.FailStatements(w.db, storagetest.Containing("DELETE FROM logout_deliveries"))
		if err := w.sender().Send(w.Context()); err == nil {
			w.Error("no error from what was not noted")
		}
		restore()
		w.wantHeard("sent, not noted", p, w.session.ID)
		w.clock.Advance(30 * time.Second)
		w.deliverLogouts()
		w.wantHeard("at least once", p, w.session.ID)
	})
}

// What else than a sign-out ends sessions.
func TestBackChannelOfOtherEnds(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		for name, end := range map[string]func() error{
			"another password": func() error {
				return w.accounts.SetPassword(w.Context(), admin, w.user.ID, "another horse battery staple")
			},
			"LC-23 disabled": func() error { return w.accounts.Disable(w.Context(), admin, w.user.ID) },
			"another user signs in": func() error {
				bob, err := w.accounts.Create(w.Context(), admin, accountOf(w))
				w.must(err)
				_, _, err = w.sessions.Start(w.Context(), session.SignIn{AccountID: bob.ID, AccountEpoch: bob.Epoch, Replaces: w.cookie})
				return err
			},
		} {
			w.tokens(p.app, "scope", "openid")
			sid := w.session.ID
			w.must(end())
			w.deliverLogouts()
			w.wantHeard(name, p, sid)
			w.must(w.accounts.Enable(w.Context(), admin, w.user.ID))
			var err error
			w.user, err = w.accounts.Get(w.Context(), w.user.ID)
			w.must(err)
			w.signIn()
		}
		w.tokens(p.app, "scope", "openid offline_access") // outlives its session
		sid := w.session.ID
		w.must(w.sessions.End(w.Context(), sid))
		w.deliverLogouts()
		w.wantHeard("sign-out", p, sid)
		_, err := w.sessions.Purge(w.Context(), 100)
		w.must(err)
		w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
		w.deliverLogouts()
		w.wantHeard("disabled while away", p, sid)
	})
}

// LC-09: a client that is not approved hears nothing, but of its own
// disapproval, once.
func TestBackChannelOfDisapproval(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		w.tokens(p.app, "scope", "openid")
		sid := w.session.ID
		_, err := w.clients.Disapprove(w.Context(), admin, p.ID, "")
		w.must(err)
		w.deliverLogouts()
		w.wantHeard("disapproved", p, sid)
		w.submit(nil)
		_, err = w.clients.Approve(w.Context(), admin, p.ID)
		w.must(err)
		w.deliverLogouts()
		w.wantSilence("LC-09: signed out of while disapproved", p)

		w.signIn()
		w.tokens(p.app, "scope", "openid")
		sid = w.session.ID
		w.submit(nil) // owed, and then disapproved
		_, err = w.clients.Disapprove(w.Context(), admin, p.ID, "")
		w.must(err)
		w.deliverLogouts()
		w.wantSilence("LC-09: disapproved before it was sent", p)
		_, err = w.clients.Approve(w.Context(), admin, p.ID)
		w.must(err)
		w.clock.Advance(24 * time.Hour)
		_, err = signout.New(w.db).Purge(w.Context(), 100)
		w.must(err)
		w.deliverLogouts()
		w.wantSilence("given up after a day", p)
		_ = sid
	})
}

// A client that is removed is told of that, at the address that it had, and of
// nothing else.
func TestBackChannelOfRemoval(t *testing.T) {
	each(t, func(w *world) {
		es256 := func(m *clientstore.Metadata) { m.IDTokenSignedResponseAlg = "ES256" }
		p, other := w.listening(es256), w.listening()
		w.tokens(p.app, "scope", "openid")
		w.tokens(other.app, "scope", "openid")
		sid := w.session.ID
		w.must(w.clients.Remove(w.Context(), admin, p.ID))
		p.status = []int{http.StatusServiceUnavailable}
		w.deliverLogouts()
		w.wantHeard("removed, and the application is down", p, sid)
		w.clock.Advance(5 * time.Second)
		w.deliverLogouts()
		w.wantHeard("removed", p, sid)
		w.submit(nil)
		w.deliverLogouts()
		w.wantSilence("signed out after the removal", p)
		w.wantHeard("another application", other, sid)

		w.signIn()
		w.tokens(other.app, "scope", "openid")
		_, err := w.clients.Disapprove(w.Context(), admin, other.ID, "")
		w.must(err)
		sid = w.session.ID
		w.must(w.clients.Remove(w.Context(), admin, other.ID))
		w.deliverLogouts()
		w.wantHeard("disapproved, and removed before it was told", other, sid)
		w.clock.Advance(25 * time.Hour)
		w.deliverLogouts()
		w.wantSilence("told once", p, other)
	})
}

// LO-13: whoever signs out while a code is being issued leaves no live token,
// and no application uninformed.
func TestBackChannelRace(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		for range 5 {
			sid := w.session.ID
			var res answer
			var both sync.WaitGroup
			both.Go(func() { res = w.authorize(p.ask("scope", "openid")) })
			both.Go(func() { w.submit(nil) })
			both.Wait()
			w.deliverLogouts()
			if code := res.sent().Get("code"); code != "" {
				w.wantHeard("granted first", p, sid)
				w.wantError(w.post("/token", p.app, redemption(code)), 400, "invalid_grant")
			} else {
				w.wantSilence("ended first", p)
			}
			w.signIn()
		}
	})
}

// LG-19: everywhere is in every browser, at once, and every application hears
// of its own sessions.
func TestSignOutEverywhere(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening()
		var cookies []string
		for range 3 {
			w.signIn()
			w.tokens(p.app, "scope", "openid")
			cookies = append(cookies, w.cookie)
		}
		bob, err := w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		_, other, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: bob.ID, AccountEpoch: bob.Epoch})
		w.must(err)
		if home := w.get("/"); !strings.Contains(home.body, `name="everywhere" value="yes"`) {
			w.Errorf("the page does not offer it: %s", home.body)
		}
		w.wantSignedOut("everywhere", w.submit(url.Values{"everywhere": {"yes"}}), "/logout")
		for _, w.cookie = range cookies {
			if w.signedIn() {
				w.Error("another browser is still signed in")
			}
		}
		if w.cookie = other; !w.signedIn() {
			w.Error("another person was signed out")
		}
		w.deliverLogouts()
		sids := map[any]bool{}
		for _, form := range p.heard() {
			sids[w.logoutToken(p, form)["sid"]] = true
		}
		if len(sids) != 3 {
			w.Errorf("the application heard of %d sessions; want 3", len(sids))
		}
	})
}
