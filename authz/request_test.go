package authz_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
)

// object is a good request object of the client.
func (w *world) object(a app, change map[string]any) map[string]any {
	claims := map[string]any{"iss": a.ID, "aud": w.issuer, "exp": w.db.Now().Unix() + 60, "nbf": w.db.Now().Unix()}
	for name, values := range a.ask("state", "inside") {
		claims[name] = values[0]
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (w *world) signer(change func(*clientstore.Metadata)) app {
	w.Helper()
	r := registration("Signing")
	r.Metadata.JWKS = allKeys(w.T)
	if change != nil {
		change(&r.Metadata)
	}
	return w.register(r)
}

// outside is what accompanies a request object.
func (a app) outside(jwt string) url.Values {
	return url.Values{"client_id": {a.ID}, "redirect_uri": {callback}, "state": {"outside"}, "request": {jwt}}
}

func TestRequestObjects(t *testing.T) {
	each(t, func(w *world) {
		a := w.signer(nil)
		for alg, s := range testKeys() {
			jwt := s.sign(w.T, w.object(a, map[string]any{"max_age": 3600, "claims": map[string]any{"userinfo": map[string]any{"name": nil}}}), nil)
			sent := w.authorize(url.Values{"client_id": {a.ID}, "request": {jwt}}).sent() // the redirect URI is inside
			if sent.Get("code") == "" || sent.Get("state") != "inside" {
				w.Errorf("%s: %v", alg, sent)
			}
			if res := w.post("/token", a, redemption(sent.Get("code"))); res.StatusCode != http.StatusOK {
				w.Errorf("%s: the proof key inside was lost: %s", alg, res.body)
			}
		}
		s := testKeys()["ES256"]
		now := w.db.Now().Unix()
		for name, tt := range map[string]struct {
			change map[string]any
			code   string // empty: it is taken
		}{
			"JR-02 another client_id":        {map[string]any{"client_id": w.web.ID}, "invalid_request_object"},
			"JR-02 another iss":              {map[string]any{"iss": w.web.ID}, "invalid_request_object"},
			"JR-02 another aud":              {map[string]any{"aud": "https://attacker.example"}, "invalid_request_object"},
			"aud is a list with us":          {map[string]any{"aud": []string{"https://other.example", w.issuer}}, ""},
			"no iss and aud":                 {map[string]any{"iss": nil, "aud": nil}, ""},
			"sub of an assertion":            {map[string]any{"sub": a.ID}, "invalid_request_object"},
			"JR-04 request inside":           {map[string]any{"request": "x"}, "invalid_request_object"},
			"JR-04 request_uri inside":       {map[string]any{"request_uri": "https://rp.example/r"}, "invalid_request_object"},
			"expired":                        {map[string]any{"exp": now - 1}, "invalid_request_object"},
			"exp in 70 minutes":              {map[string]any{"exp": now + 4200}, "invalid_request_object"},
			"exp in an hour":                 {map[string]any{"exp": now + 3600}, ""},
			"no exp":                         {map[string]any{"exp": nil}, ""},
			"nbf in eight seconds":           {map[string]any{"nbf": now + 8}, ""},
			"nbf in ten minutes":             {map[string]any{"nbf": now + 600}, "invalid_request_object"},
			"a control character":            {map[string]any{"nonce": "a\x00b"}, "invalid_request_object"},
			"RU-01 redirect URI of a thief":  {map[string]any{"redirect_uri": "https://attacker.example/"}, "E-REDIRECT-MISMATCH"},
			"response type not known":        {map[string]any{"response_type": "cheese"}, "unsupported_response_type"},
			"prompt that is not known":       {map[string]any{"prompt": "cheese"}, "invalid_request"},
			"max_age that is not one":        {map[string]any{"max_age": "x"}, "invalid_request"},
			"JR-05 without the scope openid": {map[string]any{"scope": "profile"}, ""},
		} {
			res := w.authorize(a.outside(s.sign(w.T, w.object(a, tt.change), nil)))
			switch sent := res.sent(); {
			case strings.HasPrefix(tt.code, "E-"):
				w.wantPage(res, tt.code)
			case tt.code == "" && sent.Get("code") == "", tt.code != "" && sent.Get("error") != tt.code, sent.Get("iss") != w.issuer:
				w.Errorf("%s: %s %v", name, res.Status, sent)
			}
		}
		inside := w.object(a, map[string]any{"nonce": "inside", "state": nil})
		sent := w.authorize(with(a.outside(s.sign(w.T, inside, nil)), "nonce", "outside")).sent() // JR-03
		if sent.Get("state") != "outside" || w.verify(a, w.post("/token", a, redemption(sent.Get("code"))).str("id_token"))["nonce"] != "inside" {
			w.Errorf("JR-03: %v", sent)
		}
		w.wantPage(w.authorize(url.Values{"client_id": {a.ID}, "request": {"x.y.z"}}), "E-REQUEST")                               // nowhere to answer
		w.wantRefusal(w.authorize(with(a.outside("x.y.z"), "request_uri", "https://rp.example/r")), "invalid_request", "outside") // JR-01
		w.wantRefusal(w.authorize(url.Values{"client_id": {a.ID}, "redirect_uri": {callback}, "request": {"x.y.z", "x.y.z"}}), "invalid_request", "")
	})
}

func TestRequestObjectSignatures(t *testing.T) {
	each(t, func(w *world) {
		a, s := w.signer(nil), testKeys()["RS256"]
		only := w.signer(func(m *clientstore.Metadata) { m.RequestObjectSigningAlg = "PS256" })
		keyless := w.web
		for name, tt := range map[string]struct {
			a   app
			jwt string
		}{
			"JW-03 none":            {a, raw(`{"alg":"none"}`, `{"client_id":"`+a.ID+`"}`, nil)},
			"JW-03 NONE":            {a, raw(`{"alg":"NONE"}`, `{"client_id":"`+a.ID+`"}`, []byte("x"))},
			"another alg":           {only, s.sign(w.T, w.object(only, nil), nil)},
			"no keys":               {keyless, s.sign(w.T, w.object(keyless, nil), nil)},
			"HS256, not registered": {keyless, signer{jose.HS256, []byte(keyless.secret), ""}.sign(w.T, w.object(keyless, nil), nil)},
			"JW-07 typ":             {a, s.sign(w.T, w.object(a, nil), map[string]any{"typ": "at+jwt"})},
			"CA-20 crit":            {a, raw(`{"alg":"RS256","crit":["x"],"x":1}`, `{}`, []byte("x"))},
			"signature of nothing":  {a, s.sign(w.T, w.object(a, nil), nil) + "AA"},
		} {
			if sent := w.authorize(tt.a.outside(tt.jwt)).sent(); sent.Get("error") != "invalid_request_object" || sent.Get("state") != "outside" {
				w.Errorf("%s: %v", name, sent)
			}
		}
		if sent := w.authorize(only.outside(testKeys()["PS256"].sign(w.T, w.object(only, nil), map[string]any{"typ": "oauth-authz-req+jwt"}))).sent(); sent.Get("code") == "" {
			w.Errorf("PS256: %v", sent)
		}
		secret := w.signer(func(m *clientstore.Metadata) { m.JWKS, m.RequestObjectSigningAlg = nil, "HS256" })
		if sent := w.authorize(secret.outside(signer{jose.HS256, []byte(secret.secret), ""}.sign(w.T, w.object(secret, nil), nil))).sent(); sent.Get("code") == "" {
			w.Errorf("HS256: %v", sent)
		} else if res := w.post("/token", secret, redemption(sent.Get("code"))); res.StatusCode != http.StatusOK {
			w.Errorf("a sealed secret by Basic: %s", res.body)
		}
		must := w.signer(func(m *clientstore.Metadata) { m.RequireSignedRequestObject = true })
		w.wantRefusal(w.authorize(must.ask()), "invalid_request", "st&a te") // JR-06
		// Nothing that comes beside it counts for such a client.
		sent := w.authorize(must.outside(s.sign(w.T, w.object(must, map[string]any{"state": nil}), nil))).sent()
		if sent.Get("code") == "" || sent.Has("state") {
			w.Errorf("JR-03: %v", sent)
		}
		w.down(func() {
			if res := w.authorize(a.outside(s.sign(w.T, w.object(a, nil), nil))); res.StatusCode != http.StatusServiceUnavailable {
				w.Errorf("database down: %s", res.Status)
			}
		})
	})
}

// What is asked inside is what the pages show, and what waits is what was
// verified.
func TestRequestObjectsWait(t *testing.T) {
	each(t, func(w *world) {
		must := w.signer(func(m *clientstore.Metadata) { m.RequireSignedRequestObject = true })
		s := testKeys()["ES256"]
		jwt := s.sign(w.T, w.object(must, map[string]any{"prompt": "consent"}), nil)
		res := w.authorize(url.Values{"client_id": {must.ID}, "request": {jwt}, "countersign_resolved": {"request"}})
		if !strings.HasPrefix(res.Header.Get("Location"), "/consent?") {
			w.Fatalf("%s %q", res.Status, res.Header.Get("Location"))
		}
		page := w.follow(res)
		if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "Signing") {
			w.Errorf("consent page: %s %.300s", page.Status, page.body)
		}
		w.clock.Advance(2 * 60e9) // the object expires, the person takes their time
		resumed := res
		resumed.Header = res.Header.Clone()
		resumed.Header.Set("Location", strings.Replace(res.Header.Get("Location"), "/consent", "/authorize/resume", 1))
		if again := w.follow(resumed); !strings.Contains(again.body, "Signing") {
			w.Errorf("resumed: %s %.300s", again.Status, again.body)
		}
		// A request cannot say of itself that it was verified.
		forged := with(must.ask("prompt", "consent"), "countersign_resolved", "request")
		w.wantRefusal(w.authorize(forged), "invalid_request", "st&a te")

		pending, _, err := w.clients.Register(w.Context(), admin, clientstore.Registration{Type: clientstore.OIDC, Name: "Pending", Metadata: must.Metadata})
		w.must(err)
		waits := w.authorize(url.Values{"client_id": {pending.ID}, "request": {s.sign(w.T, w.object(app{Client: pending}, nil), nil)}})
		if page := w.follow(waits); page.StatusCode != http.StatusForbidden {
			w.Errorf("pending: %s", page.Status)
		}
		_, err = w.clients.Approve(w.Context(), admin, pending.ID)
		w.must(err)
		if page := w.follow(waits); page.StatusCode != http.StatusOK || !strings.Contains(page.body, "Pending") {
			w.Errorf("approved: %s %.300s", page.Status, page.body)
		}
	})
}

func TestRequestByReference(t *testing.T) {
	each(t, func(w *world) {
		var asked atomic.Int32
		var object atomic.Value
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.URL.Path == "/redirect" {
				http.Redirect(rw, r, "/object", http.StatusFound)
				return
			}
			text, _ := object.Load().(string)
			_, _ = io.WriteString(rw, text)
		}))
		defer server.Close()
		a := w.signer(func(m *clientstore.Metadata) {
			m.RequestURIs = []string{server.URL + "/object#hash", server.URL + "/redirect"}
		})
		object.Store(testKeys()["RS256"].sign(w.T, w.object(a, nil), nil))
		ask := func(uri string) answer {
			return w.authorize(with(a.outside(""), "request", "", "request_uri", uri))
		}
		for _, uri := range []string{ // JR-07
			server.URL + "/object", server.URL + "/object#other", server.URL + "/object#hash2", server.URL + "/other", "https://rp.example/r",
			"http://169.254.169.254/latest", "urn:ietf:params:oauth:request_uri:x", "file:///etc/passwd",
		} {
			w.wantRefusal(ask(uri), "invalid_request_uri", "outside")
		}
		if asked.Load() != 0 {
			w.Error("JR-07: something that is not registered was fetched")
		}
		if sent := ask(server.URL + "/object#hash").sent(); sent.Get("code") == "" || sent.Get("state") != "inside" {
			w.Errorf("by reference: %v", sent)
		}
		w.wantRefusal(ask(server.URL+"/redirect"), "invalid_request_uri", "outside")
		for name, text := range map[string]string{"long": strings.Repeat("x", 17<<10), "empty": "", "unsigned": raw(`{"alg":"none"}`, `{}`, nil)} {
			object.Store(text)
			if sent := ask(server.URL + "/object#hash").sent(); !strings.HasPrefix(sent.Get("error"), "invalid_request_") {
				w.Errorf("%s: %v", name, sent)
			}
		}
		before := asked.Load()
		_, err := w.clients.Disapprove(w.Context(), admin, a.ID, "")
		w.must(err)
		w.follow(ask(server.URL + "/object#hash"))
		if asked.Load() != before {
			w.Error("something was fetched for a client that nobody approves of")
		}
	})
}
