package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// listener is a relying party that takes logout tokens.
type listener struct {
	*httptest.Server
	c      *client
	tokens chan string
}

// listening registers an approved client that takes logout tokens.
func (s *server) listening() *listener {
	s.t.Helper()
	l := &listener{tokens: make(chan string, 20)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/out" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		l.tokens <- r.PostFormValue("logout_token")
	}))
	s.t.Cleanup(l.Close)
	l.c = s.Client("--set", "backchannel_logout_uri="+l.URL+"/out")
	return l
}

// wantLogout waits for a logout token and checks it as relying parties do
// (OpenID Connect Back-Channel Logout 1.0, section 2.6).
func (l *listener) wantLogout(t *testing.T, s *server, u *user, sid string) {
	t.Helper()
	var raw string
	select {
	case raw = <-l.tokens:
	case <-time.After(30 * time.Second):
		t.Fatal("no logout token arrives")
	}
	payload, err := oidc.NewRemoteKeySet(context.Background(), s.endpoint("jwks_uri")).VerifySignature(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Issuer, Audience, Subject, ID string
		Session                       any            `json:"sid"`
		Nonce                         any            `json:"nonce"`
		Events                        map[string]any `json:"events"`
	}
	registered := map[string]*string{"iss": &claims.Issuer, "aud": &claims.Audience, "sub": &claims.Subject, "jti": &claims.ID}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	all := mustJSON[map[string]any](t, string(payload))
	for name, value := range registered {
		*value, _ = all[name].(string)
	}
	if claims.Issuer != s.issuer || claims.Audience != l.c.ID || claims.Subject != u.ID || claims.ID == "" || claims.Session != sid || claims.Nonce != nil {
		t.Errorf("logout token %s; want it of %s for %s about %v", payload, u.ID, l.c.ID, sid)
	}
	if _, ok := claims.Events["http://schemas.openid.net/event/backchannel-logout"]; !ok {
		t.Errorf("logout token %s tells of no logout", payload)
	}
}

func (l *listener) wantSilence(t *testing.T) {
	t.Helper()
	if len(l.tokens) > 0 {
		t.Errorf("a logout token arrived: %s", <-l.tokens)
	}
}

// endings are what an administrator does by the command line that signs people
// out of applications.
var endings = []struct {
	name string
	do   func(s *server, c *client, u *user)
	// one tells that it concerns the one client, and no other.
	one bool
}{
	{"client disapprove", func(s *server, c *client, _ *user) { s.disapprove(c) }, true},
	{"client remove", func(s *server, c *client, _ *user) { s.remove(c) }, true},
	{"user disable", func(s *server, _ *client, u *user) { s.CLI("", "user", "disable", u.Username, "--yes") }, false},
	{"user remove", func(s *server, _ *client, u *user) { s.CLI("", "user", "remove", u.Username, "--yes") }, false},
	{"user set-password", func(s *server, _ *client, u *user) {
		s.CLI(s.canaries.add("password", "another "+newVerifier())+"\n", "user", "set-password", u.Username, "--password-stdin")
	}, false},
}

// TestCommandsSignPeopleOut shows that what an administrator does beside the
// running server signs people out of the applications that they use: the
// server delivers what the command owed them (LC-09, LC-23, LG-18, LO-10).
func TestCommandsSignPeopleOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		for _, ending := range endings {
			t.Run(ending.name, func(t *testing.T) {
				t.Parallel()
				s := s.as(t)
				u, concerned, other, unused := s.User(), s.listening(), s.listening(), s.listening()
				b := s.browse()
				sid := s.sessionOf(b, concerned.c, u)
				sidOfOther := s.sessionOf(b, other.c, u)
				ending.do(s, concerned.c, u)
				concerned.wantLogout(t, s, u, sid)
				if !ending.one {
					other.wantLogout(t, s, u, sidOfOther)
				}
				concerned.wantSilence(t)
				other.wantSilence(t)
				unused.wantSilence(t)
			})
		}
	})
}

// sessionOf signs in to the application and returns the sid of its ID token.
func (s *server) sessionOf(b *browser, c *client, u *user) string {
	s.t.Helper()
	r := s.Request(c).With("scope", "openid")
	a := s.Exchange(c, s.Code(b, r, u), r)
	wantTokens(s.t, a)
	sid, _ := jwtClaims(s.t, a.str("id_token"))["sid"].(string)
	if sid == "" {
		s.t.Fatalf("no sid in %s", a.str("id_token"))
	}
	return sid
}

// TestLogoutTokensSurviveACrash shows that what is owed outlives the server: it
// is killed, and what was decided meanwhile arrives after its next start.
func TestLogoutTokensSurviveACrash(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			u, v, l, gone := s.User(), s.User(), s.listening(), s.listening()
			sid, sidGone := s.sessionOf(s.browse(), l.c, u), s.sessionOf(s.browse(), gone.c, v)
			s.Kill()
			s.CLI("", "user", "disable", u.Username, "--yes")
			s.remove(gone.c)
			l.wantSilence(t)
			s.Start()
			l.wantLogout(t, s, u, sid)
			gone.wantLogout(t, s, v, sidGone)
			l.wantSilence(t)
			gone.wantSilence(t)
		})
	}
}
