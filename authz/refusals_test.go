package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// SS-05: what a client is told of an address that it registered does not tell
// what is there.
func TestSS05FetchesTellNothing(t *testing.T) {
	each(t, func(w *world) {
		missing := httptest.NewServer(http.NotFoundHandler())
		defer missing.Close()
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		encrypted := httptest.NewTLSServer(http.NotFoundHandler())
		defer encrypted.Close()
		told := map[string]string{}
		for name, address := range map[string]string{
			"refused": closed.URL, "not found": missing.URL, "TLS that nobody vouches for": encrypted.URL,
			"not resolved": "https://nowhere.invalid", "forbidden": "https://169.254.169.254",
		} {
			r := registration("By address")
			r.Metadata.TokenEndpointAuthMethod, r.Metadata.JWKSURI = "private_key_jwt", address+"/jwks"
			r.Metadata.RequestURIs = []string{address + "/object"}
			a := w.register(r)
			token := w.postSigned("/token", testKeys()["ES256"].sign(w.T, w.assertion(a.ID, nil), nil), unknownCode)
			w.wantError(token, 401, "invalid_client")
			sent := w.authorize(with(a.outside(""), "request", "", "request_uri", address+"/object")).sent()
			if sent.Get("error") != "invalid_request_uri" {
				w.Errorf("%s: %v", name, sent)
			}
			if told[token.body+"|"+sent.Get("error_description")] = name; len(told) != 1 {
				w.Errorf("the answers tell them apart: %v", told)
			}
		}
	})
}

// SS-07: whoever signs with one unknown key after another, in the client's
// name, makes the server ask for the keys once a minute.
func TestSS07UnknownKeysAreNotAStorm(t *testing.T) {
	each(t, func(w *world) {
		var asked atomic.Int32
		set := string(jwks(w.T, testKeys()["ES256"]))
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			_, _ = rw.Write([]byte(set))
		}))
		defer server.Close()
		r := registration("By address")
		r.Metadata.TokenEndpointAuthMethod, r.Metadata.JWKSURI = "private_key_jwt", server.URL+"/jwks"
		a := w.register(r)
		storm := func() {
			var all sync.WaitGroup
			for i := range 30 {
				s := testKeys()["ES256"]
				s.kid = fmt.Sprintf("unknown-%d", i)
				all.Go(func() { w.postSigned("/token", s.sign(w.T, w.assertion(a.ID, nil), nil), unknownCode) })
			}
			all.Wait()
		}
		for minute := range 3 {
			storm()
			storm()
			if n := asked.Load(); n != int32(minute)+1 {
				w.Errorf("in minute %d the keys were asked for %d times in all", minute+1, n)
			}
			w.clock.Advance(time.Minute)
		}
	})
}

// DC-07: a scope is a word between applications: none that a client registers
// opens anything of this server.
func TestDC07NoScopeIsAnAdministrators(t *testing.T) {
	each(t, func(w *world) {
		got := w.enrol("", w.encode(wish, "grant_types", []string{"client_credentials"}, "response_types", []string{}, "redirect_uris", []string{},
			"scope", "configure_server admin registration introspect_all"))
		a := app{w.approve(got.id), got.str("client_secret")}
		token := w.post("/token", a, url.Values{"grant_type": {"client_credentials"}, "scope": {"configure_server admin"}}).str("access_token")
		if token == "" {
			w.Fatal("no token")
		}
		w.wantBearer(w.send(http.MethodGet, "/register/"+w.web.ID, token, ""))
		w.wantBearer(w.send(http.MethodPost, "/register", token, w.encode(wish)))
		if w.active(a, w.tokens(w.web).str("access_token")) {
			w.Error("it reads another client's token")
		}
	})
}

// DC-23: what a client registers about its own requests holds.
func TestDC23RegisteredRulesHold(t *testing.T) {
	each(t, func(w *world) {
		age := int64(60)
		r := registration("Careful")
		r.Metadata.DefaultMaxAge = &age
		a := w.register(r)
		if claims := w.verify(a, w.tokens(a).str("id_token")); claims["auth_time"] == nil {
			w.Errorf("no auth_time: %v", claims)
		}
		w.clock.Advance(61 * time.Second)
		w.wantRefusal(w.authorize(a.ask("prompt", "none")), "login_required", "st&a te")
		if sent := w.authorize(a.ask("prompt", "none", "max_age", "3600")).sent(); !sent.Has("code") {
			w.Errorf("a request that says otherwise: %v", sent)
		}
		r = registration("Pushes")
		r.Metadata.RequirePushedAuthorizationRequests, r.Metadata.RequireSignedRequestObject, r.Metadata.JWKS = true, true, allKeys(w.T)
		strict := w.register(r)
		w.wantRefusal(w.authorize(strict.ask()), "invalid_request", "st&a te")
		w.wantError(w.post("/par", strict, strict.ask()), 400, "invalid_request")
		object := testKeys()["ES256"].sign(w.T, w.object(strict, nil), nil)
		pushed := w.post("/par", strict, url.Values{"request": {object}})
		if sent := w.authorize(strict.begin(pushed.str("request_uri"))).sent(); !sent.Has("code") {
			w.Errorf("as registered: %s %v", pushed.body, sent)
		}
	})
}

// RFC 7591, section 3: registering the same at once, with the token of the
// client, is no second client (INV-11).
func TestParallelRegistrationsOfOneClient(t *testing.T) {
	each(t, func(w *world) {
		a := w.enrol("", w.encode(wish))
		before := w.count()
		var all sync.WaitGroup
		var others atomic.Int32
		for range 24 {
			all.Go(func() {
				res := w.send(http.MethodPost, "/register", a.token, w.encode(wish))
				if res.StatusCode != http.StatusOK || res.str("client_id") != a.id {
					others.Add(1)
				}
			})
		}
		all.Wait()
		if others.Load() != 0 || w.count() != before {
			w.Errorf("%d were answered otherwise, and there are %d clients; want %d", others.Load(), w.count(), before)
		}
	})
}
