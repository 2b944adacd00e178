package authz_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dghubble/oauth1"

	"countersign/authz/oauth1/signature"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// consumer is an approved client of OAuth 1.0a.
func (w *world) consumer(name string, m clientstore.Metadata) app {
	w.Helper()
	return w.register(clientstore.Registration{Type: clientstore.OAuth1, Name: name, Metadata: m})
}

// consumerKey is what a consumer without a secret signs with.
var consumerKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	return key
})

func (w *world) publicKey() string {
	w.Helper()
	der, err := x509.MarshalPKIXPublicKey(&consumerKey().PublicKey)
	w.must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// dghubble is a client that we did not write, for the consumer.
func (w *world) dghubble(a app, signer oauth1.Signer) *oauth1.Config {
	return &oauth1.Config{
		ConsumerKey: a.ID, ConsumerSecret: a.secret, CallbackURL: callback, Signer: signer, Realm: "Countersign",
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: w.issuer + "/oauth1/request_token", AuthorizeURL: w.issuer + "/oauth1/authorize", AccessTokenURL: w.issuer + "/oauth1/access_token",
		},
	}
}

// browse is a browser with the session, that follows no redirects.
func (w *world) browse() *http.Client {
	w.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	u, err := url.Parse(w.issuer)
	w.must(err)
	if w.cookie != "" {
		jar.SetCookies(u, []*http.Cookie{{Name: "cs_session", Value: w.cookie, Path: "/"}})
	}
	return &http.Client{Transport: noRedirects.Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// decideOAuth1 answers the consent page of a request, and returns where that
// leads.
func (w *world) decideOAuth1(token, decision string) answer {
	w.Helper()
	return w.decideAt("/oauth1/authorize?oauth_token="+url.QueryEscape(token), decision)
}

func (w *world) decideAt(path, decision string) answer {
	w.Helper()
	b := w.browse()
	res := w.open(b, path)
	for range 2 { // to resume, to consent
		res = w.open(b, res.Header.Get("Location"))
	}
	if !strings.Contains(res.body, "decision") {
		w.Fatalf("no consent page: %s %q %s", res.Status, res.Header.Get("Location"), res.body)
	}
	form := url.Values{"decision": {decision}}
	for _, f := range hiddenField.FindAllStringSubmatch(res.body, -1) {
		form.Set(f[1], f[2])
	}
	r := w.request(http.MethodPost, "/consent", formType, form.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res = w.surf(b, r)
	return w.open(b, res.Header.Get("Location"))
}

func (w *world) open(b *http.Client, path string) answer {
	w.Helper()
	return w.surf(b, w.request(http.MethodGet, path, "", ""))
}

// allowed has the user allow a request, and returns the verifier.
func (w *world) allowed(token string) string {
	w.Helper()
	res := w.decideOAuth1(token, "allow")
	u, err := url.Parse(res.Header.Get("Location"))
	w.must(err)
	if u.Query().Get("oauth_token") != token || u.Query().Get("oauth_verifier") == "" {
		w.Fatalf("allowed: %s %q %s", res.Status, u, res.body)
	}
	return u.Query().Get("oauth_verifier")
}

// credentials are token credentials that the user allowed the consumer.
func (w *world) credentials(a app) *oauth1.Token {
	w.Helper()
	c := w.dghubble(a, nil)
	token, secret, err := c.RequestToken()
	w.must(err)
	token, secret, err = c.AccessToken(token, secret, w.allowed(token))
	w.must(err)
	return oauth1.NewToken(token, secret)
}

// signing is a request that is signed as a test wants it.
type signing struct {
	method, path  string
	app           app
	token, secret string
	oauth         map[string]string // in place of what it would have; empty takes away
	signer        oauth1.Signer     // HMAC-SHA1 by default
	place         signature.Place   // the header by default
	host          string
	emptyToken    bool // it has an oauth_token, and that is empty
}

// signed makes the request. The signature itself is the library's.
func (w *world) signed(s signing) *http.Request {
	w.Helper()
	if s.signer == nil {
		s.signer = &oauth1.HMACSigner{ConsumerSecret: s.app.secret}
	}
	oauth := map[string]string{
		"oauth_consumer_key": s.app.ID, "oauth_signature_method": s.signer.Name(), "oauth_token": s.token,
		"oauth_timestamp": fmt.Sprint(w.clock.Now().Unix()), "oauth_nonce": rand.Text(), "oauth_signature": "x",
	}
	maps.Copy(oauth, s.oauth)
	maps.DeleteFunc(oauth, func(_, v string) bool { return v == "" })
	if s.emptyToken {
		oauth["oauth_token"] = ""
	}
	header, pairs := []string{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(oauth)) {
		header = append(header, signature.Escape(name)+`="`+signature.Escape(oauth[name])+`"`)
		pairs = append(pairs, signature.Escape(name)+"="+signature.Escape(oauth[name]))
	}
	m := signature.Message{Method: s.method, URL: w.issuer + s.path}
	r := w.request(s.method, s.path, "", "")
	switch s.place {
	case signature.InForm:
		m.Form = strings.Join(pairs, "&")
		r = w.request(s.method, s.path, formType, m.Form)
	case signature.InQuery:
		r.URL.RawQuery = strings.Join(pairs, "&")
		m.URL += "?" + r.URL.RawQuery
	case signature.InHeader, "":
		m.Authorization = []string{"OAuth " + strings.Join(header, ", ")}
		r.Header.Set("Authorization", m.Authorization[0])
	}
	if s.host != "" {
		m.URL = s.host + s.path
	}
	if _, replaced := s.oauth["oauth_signature"]; replaced {
		return r
	}
	parsed, err := signature.Parse(m)
	if err != nil {
		return r // the server is to refuse it
	}
	made, err := s.signer.Sign(s.secret, parsed.BaseString)
	w.must(err)
	for _, was := range []string{`oauth_signature="x"`, "oauth_signature=x"} {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), was, strings.Replace(was, "x", signature.Escape(made), 1), 1))
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, was, "oauth_signature="+signature.Escape(made), 1)
	}
	if s.place == signature.InForm {
		return w.request(s.method, s.path, formType, strings.Replace(m.Form, "oauth_signature=x", "oauth_signature="+signature.Escape(made), 1))
	}
	if r.Header.Get("Authorization") == "" {
		r.Header.Del("Authorization")
	}
	return r
}

// begin is a request of the consumer for temporary credentials.
func begin(a app) signing {
	return signing{method: http.MethodPost, path: "/oauth1/request_token", app: a, oauth: map[string]string{"oauth_callback": callback}}
}

// read reads an answer that a library got.
func (w *world) read(res *http.Response) answer {
	w.Helper()
	body, err := io.ReadAll(res.Body)
	w.must(errors.Join(err, res.Body.Close()))
	a := answer{Response: res, body: string(body)}
	w.must(json.Unmarshal(body, &a.json))
	return a
}

// surf sends a request in a browser.
func (w *world) surf(b *http.Client, r *http.Request) answer {
	w.Helper()
	res, err := b.Do(r)
	w.must(err)
	body, err := io.ReadAll(res.Body)
	w.must(errors.Join(err, res.Body.Close()))
	return answer{Response: res, body: string(body)}
}

// wantProblem checks a refusal in the words of the problem reporting extension.
func (w *world) wantProblem(name string, res answer, status int, problem string) {
	w.Helper()
	form, err := url.ParseQuery(res.body)
	if res.StatusCode != status || err != nil || form.Get("oauth_problem") != problem || form.Get("oauth_problem_advice") == "" {
		w.Errorf("%s: %s %s; want %d %s", name, res.Status, res.body, status, problem)
	}
	challenge := res.Header.Get("WWW-Authenticate")
	if !strings.HasPrefix(challenge, `OAuth realm="Countersign", oauth_problem="`+problem+`"`) || res.Header.Get("Cache-Control") != "no-store" {
		w.Errorf("%s: WWW-Authenticate %q, Cache-Control %q", name, challenge, res.Header.Get("Cache-Control"))
	}
}

func TestOAuth1ThreeLegs(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models"})
		signer := w.consumer("Signer", clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1PublicKey: w.publicKey()})
		if signer.secret != "" || len(signer.Secrets) != 0 {
			w.Errorf("a consumer with a key has a secret: %v", signer.Secrets)
		}
		for name, tt := range map[string]struct {
			app    app
			signer oauth1.Signer
		}{
			"HMAC-SHA1":   {a, nil},
			"HMAC-SHA256": {a, &oauth1.HMAC256Signer{ConsumerSecret: a.secret}},
			"RSA-SHA1":    {signer, &oauth1.RSASigner{PrivateKey: consumerKey()}},
		} {
			c := w.dghubble(tt.app, tt.signer)
			token, secret, err := c.RequestToken()
			w.must(err)
			token, secret, err = c.AccessToken(token, secret, w.allowed(token))
			w.must(err)
			res, err := c.Client(w.Context(), oauth1.NewToken(token, secret)).Get(w.issuer + "/oauth1/verify?x=a+b")
			w.must(err)
			got := w.read(res)
			if got.json["active"] != true || got.str("sub") != w.user.ID || got.str("username") != "ada" || got.str("client_id") != tt.app.ID ||
				got.str("scope") != tt.app.Metadata.Scope || got.json["exp"] == nil || got.str("iss") != w.issuer {
				w.Errorf("%s: %s %s", name, res.Status, got.body)
			}
		}
		w.wantSecretUse(a.ID, true)
	})
}

// O1-09.
func TestO109TemporaryCredentials(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		for _, place := range []signature.Place{signature.InHeader, signature.InForm, signature.InQuery} {
			s := begin(a)
			s.place = place
			res := w.do(w.signed(s))
			form, err := url.ParseQuery(res.body)
			if res.StatusCode != http.StatusOK || err != nil || form.Get("oauth_callback_confirmed") != "true" ||
				!strings.HasPrefix(form.Get("oauth_token"), "cs_o1r_") || form.Get("oauth_token_secret") == "" ||
				res.Header.Get("Content-Type") != formType || res.Header.Get("Cache-Control") != "no-store" {
				w.Errorf("%s: %s %s", place, res.Status, res.body)
			}
		}
	})
}

func TestOAuth1Refuses(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		b := w.consumer("Other", clientstore.Metadata{RedirectURIs: []string{callback}})
		oob := w.consumer("Terminal", clientstore.Metadata{})
		stamp := func(d time.Duration) string { return fmt.Sprint(w.clock.Now().Add(d).Unix()) }
		for name, tt := range map[string]struct {
			change  func(*signing)
			status  int
			problem string
		}{
			"O1-02 no nonce":                  {func(s *signing) { s.oauth["oauth_nonce"] = "" }, 400, "parameter_absent"},
			"O1-02 unknown method":            {func(s *signing) { s.oauth["oauth_signature_method"] = "HMAC-MD5" }, 400, "signature_method_rejected"},
			"O1-02 version":                   {func(s *signing) { s.oauth["oauth_version"] = "2.0" }, 400, "version_rejected"},
			"O1-03 bad signature":             {func(s *signing) { s.secret = "x" }, 401, "signature_invalid"},
			"O1-03 unknown consumer":          {func(s *signing) { s.app.Client = &clientstore.Client{ID: "nobody"} }, 401, "signature_invalid"},
			"O1-03 unknown token":             {func(s *signing) { s.token = "cs_o1r_" + strings.Repeat("0", 49) }, 401, "signature_invalid"},
			"O1-05 past":                      {func(s *signing) { s.oauth["oauth_timestamp"] = stamp(-301 * time.Second) }, 400, "timestamp_refused"},
			"O1-05 future":                    {func(s *signing) { s.oauth["oauth_timestamp"] = stamp(302 * time.Second) }, 400, "timestamp_refused"},
			"O1-05 negative":                  {func(s *signing) { s.oauth["oauth_timestamp"] = "-1" }, 400, "parameter_rejected"},
			"O1-05 zero":                      {func(s *signing) { s.oauth["oauth_timestamp"] = "0" }, 400, "parameter_rejected"},
			"O1-05 float":                     {func(s *signing) { s.oauth["oauth_timestamp"] = stamp(0) + ".5" }, 400, "parameter_rejected"},
			"O1-05 huge":                      {func(s *signing) { s.oauth["oauth_timestamp"] = "99999999999999999999" }, 400, "parameter_rejected"},
			"O1-05 at the edge":               {func(s *signing) { s.oauth["oauth_timestamp"] = stamp(-299 * time.Second) }, 200, ""},
			"O1-06 PLAINTEXT unregistered":    {func(s *signing) { s.signer = methodSigner{"PLAINTEXT", a.secret} }, 400, "signature_method_rejected"},
			"O1-08 no callback":               {func(s *signing) { s.oauth["oauth_callback"] = "" }, 400, "parameter_absent"},
			"O1-08 another callback":          {func(s *signing) { s.oauth["oauth_callback"] = callback + "/x" }, 400, "parameter_rejected"},
			"O1-08 another query":             {func(s *signing) { s.oauth["oauth_callback"] = callback + "?x" }, 400, "parameter_rejected"},
			"O1-08 oob where it is not meant": {func(s *signing) { s.oauth["oauth_callback"] = "oob" }, 400, "parameter_rejected"},
			"O1-08 a callback of one without": {func(s *signing) { s.app = oob }, 400, "parameter_rejected"},
			"O1-15 another host":              {func(s *signing) { s.host = "https://evil.example" }, 401, "signature_invalid"},
			"another consumer's secret":       {func(s *signing) { s.signer = &oauth1.HMACSigner{ConsumerSecret: b.secret} }, 401, "signature_invalid"},
			"an empty secret":                 {func(s *signing) { s.signer = &oauth1.HMACSigner{} }, 401, "signature_invalid"},
		} {
			s := begin(a)
			tt.change(&s)
			res := w.do(w.signed(s))
			if tt.status != http.StatusOK {
				w.wantProblem(name, res, tt.status, tt.problem)
			} else if res.StatusCode != http.StatusOK {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		// O1-03: who does not prove anything learns nothing.
		unknown, wrong := begin(a), begin(a)
		unknown.app.Client, wrong.secret = &clientstore.Client{ID: "nobody"}, "x"
		if u, v := w.do(w.signed(unknown)), w.do(w.signed(wrong)); u.body != v.body || u.Header.Get("WWW-Authenticate") != v.Header.Get("WWW-Authenticate") {
			w.Errorf("an unknown consumer is told %q, a wrong signature %q", u.body, v.body)
		}
	})
}

// methodSigner signs by any of the methods, with nothing but the standard
// library.
type methodSigner struct{ method, secret string }

// Name is the method.
func (s methodSigner) Name() string { return s.method }

// Sign signs a base string.
func (s methodSigner) Sign(tokenSecret, base string) (string, error) {
	key := signature.Escape(s.secret) + "&" + signature.Escape(tokenSecret)
	if s.method == "PLAINTEXT" {
		return key, nil
	}
	hash := map[string]crypto.Hash{"SHA1": crypto.SHA1, "SHA256": crypto.SHA256, "SHA512": crypto.SHA512}[s.method[strings.Index(s.method, "SHA"):]]
	if strings.HasPrefix(s.method, "HMAC") {
		mac := hmac.New(hash.New, []byte(key))
		mac.Write([]byte(base))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
	}
	sum := hash.New()
	sum.Write([]byte(base))
	made, err := rsa.SignPKCS1v15(rand.Reader, consumerKey(), hash, sum.Sum(nil))
	return base64.StdEncoding.EncodeToString(made), err
}

// O1-06: the secrets themselves do not travel without TLS.
func TestO106PlaintextNeedsTLS(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1SignatureMethods: []string{"PLAINTEXT"}})
		s := begin(a)
		s.signer = methodSigner{"PLAINTEXT", a.secret}
		w.wantProblem("http", w.do(w.signed(s)), 400, "signature_method_rejected")
		// A resource server that was reached over TLS may be.
		rs := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "RS", Metadata: clientstore.Metadata{
			GrantTypes: []string{"client_credentials"}, IntrospectionScope: clientstore.IntrospectAll,
		}})
		header := fmt.Sprintf(`OAuth oauth_consumer_key="%s", oauth_token="", oauth_signature_method="PLAINTEXT", oauth_signature="%s"`, a.ID, signature.Escape(a.secret+"&"))
		for u, problem := range map[string]string{"http://rs.example/x": "signature_method_rejected", "https://rs.example/x": "parameter_absent"} {
			res := w.post("/oauth1/verify", rs, url.Values{"method": {"GET"}, "url": {u}, "authorization": {header}})
			if res.str("oauth_problem") != problem || res.json["active"] != false {
				w.Errorf("%s: %s", u, res.body)
			}
		}
	})
}

// O1-10, O1-11 and O1-12.
func TestOAuth1Exchange(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		b := w.consumer("Other", clientstore.Metadata{RedirectURIs: []string{callback}})
		c := w.dghubble(a, nil)
		exchange := func(app app, token, secret, verifier string) answer {
			return w.do(w.signed(signing{
				method: http.MethodPost, path: "/oauth1/access_token", app: app, token: token, secret: secret, oauth: map[string]string{"oauth_verifier": verifier},
			}))
		}
		request := func() (string, string) {
			token, secret, err := c.RequestToken()
			w.must(err)
			return token, secret
		}
		token, secret := request()
		w.wantProblem("not allowed yet", exchange(a, token, secret, "x"), 401, "additional_authorization_required")
		verifier := w.allowed(token)
		w.wantProblem("no verifier", exchange(a, token, secret, ""), 400, "parameter_absent")
		w.wantProblem("of another consumer", exchange(b, token, secret, verifier), 401, "signature_invalid")
		otherToken, otherSecret := request()
		other := w.allowed(otherToken)
		w.wantProblem("another flow's verifier", exchange(a, token, secret, other), 401, "token_rejected")
		for range 4 {
			w.wantProblem("a wrong verifier", exchange(a, token, secret, "wrong"), 401, "token_rejected")
		}
		w.wantProblem("burned after five", exchange(a, token, secret, verifier), 401, "token_used")
		if res := exchange(a, otherToken, otherSecret, other); res.StatusCode != http.StatusOK || !strings.Contains(res.body, "oauth_expires_in=7200") {
			w.Errorf("exchange: %s %s", res.Status, res.body)
		}
		w.wantProblem("twice", exchange(a, otherToken, otherSecret, other), 401, "token_used")

		token, secret = request()
		if res := w.decideOAuth1(token, "deny"); !strings.Contains(res.Header.Get("Location"), "oauth_problem=user_refused") {
			w.Errorf("denied: %s %q", res.Status, res.Header.Get("Location"))
		}
		w.wantProblem("denied", exchange(a, token, secret, "x"), 401, "permission_denied")
		w.wantPage(w.get("/oauth1/authorize?oauth_token=nonsense"), "E-OAUTH1-TOKEN")
		token, secret = request()
		verifier = w.allowed(token)
		w.clock.Advance(31 * time.Minute)
		w.wantProblem("expired", exchange(a, token, secret, verifier), 401, "token_expired")
	})
}

func TestOAuth1OutOfBand(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Terminal", clientstore.Metadata{})
		c := w.dghubble(a, nil)
		c.CallbackURL = "oob"
		token, secret, err := c.RequestToken()
		w.must(err)
		page := w.decideOAuth1(token, "allow")
		_, rest, _ := strings.Cut(page.body, `<output class="code">`)
		verifier, _, _ := strings.Cut(rest, "<")
		if len(verifier) != 9 || page.StatusCode != http.StatusOK || page.Header.Get("Cache-Control") != "no-store" {
			w.Fatalf("verifier %q: %s %s", verifier, page.Status, page.body)
		}
		if _, _, err := c.AccessToken(token, secret, strings.ToLower(verifier)); err != nil {
			w.Error(err)
		}
		token, _, err = c.RequestToken()
		w.must(err)
		if page := w.decideOAuth1(token, "deny"); !strings.Contains(page.body, "Nothing was allowed") {
			w.Errorf("denied: %s", page.body)
		}
	})
}

// O1-04 and O1-11: of many at once one succeeds.
func TestOAuth1Races(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		won := func(n int, same func() *http.Request) int64 {
			var ok atomic.Int64
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if res := w.do(same()); res.StatusCode == http.StatusOK {
						ok.Add(1)
					} else if res.StatusCode != http.StatusUnauthorized {
						w.Errorf("a loser is answered %s %s", res.Status, res.body)
					}
				})
			}
			wg.Wait()
			return ok.Load()
		}
		first := w.signed(begin(a))
		if n := won(50, func() *http.Request { return first.Clone(w.Context()) }); n != 1 {
			w.Errorf("one nonce was taken %d times", n)
		}
		c := w.dghubble(a, nil)
		token, secret, err := c.RequestToken()
		w.must(err)
		verifier := w.allowed(token)
		if n := won(20, func() *http.Request {
			return w.signed(signing{method: http.MethodPost, path: "/oauth1/access_token", app: a, token: token, secret: secret, oauth: map[string]string{"oauth_verifier": verifier}})
		}); n != 1 {
			w.Errorf("one verifier was taken %d times", n)
		}
	})
}

// O1-16: what a token stands on is looked at with every request.
func TestO116WhatATokenStandsOn(t *testing.T) {
	each(t, func(w *world) {
		for _, tt := range []struct {
			name    string
			fall    func(a app)
			back    func(a app)
			problem string
		}{
			{
				"disapproved", func(a app) { _, err := w.clients.Disapprove(w.Context(), admin, a.ID, "No."); w.must(err) },
				func(a app) { _, err := w.clients.Approve(w.Context(), admin, a.ID); w.must(err) }, "consumer_key_rejected",
			},
			{"removed", func(a app) { w.must(w.clients.Remove(w.Context(), admin, a.ID)) }, nil, "signature_invalid"},
			{"account disabled", func(app) { w.must(w.accounts.Disable(w.Context(), admin, w.user.ID)) }, func(app) {
				w.must(w.accounts.Enable(w.Context(), admin, w.user.ID))
				var err error
				w.user, err = w.accounts.Get(w.Context(), w.user.ID)
				w.must(err)
			}, "invalid_expired_token"},
			{"expired", func(app) { w.clock.Advance(2*time.Hour + time.Second) }, nil, "invalid_expired_token"},
		} {
			w.signIn()
			a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
			token := w.credentials(a)
			use := func() answer {
				return w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: a, token: token.Token, secret: token.TokenSecret}))
			}
			if res := use(); res.StatusCode != http.StatusOK || res.json["active"] != true {
				w.Errorf("%s: before: %s %s", tt.name, res.Status, res.body)
			}
			tt.fall(a)
			if res := use(); res.StatusCode != http.StatusUnauthorized || res.json["active"] != false || res.str("oauth_problem") != tt.problem {
				w.Errorf("%s: %s %s; want %s", tt.name, res.Status, res.body, tt.problem)
			}
			if tt.back != nil {
				tt.back(a)
				if res := use(); res.str("oauth_problem") != "invalid_expired_token" {
					w.Errorf("%s: and back: %s %s", tt.name, res.Status, res.body)
				}
			}
		}
	})
}

// O1-17: the protocols' tokens and clients are not each other's.
func TestO117ProtocolsDoNotMix(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token := w.credentials(a)
		if res := w.userinfo(token.Token); res.StatusCode != http.StatusUnauthorized {
			w.Errorf("an OAuth 1.0a token as a bearer token: %s", res.Status)
		}
		w.wantError(w.post("/token", a, url.Values{"grant_type": {"client_credentials"}}), 401, "invalid_client")
		w.wantPage(w.get("/authorize?response_type=code&client_id="+a.ID), "E-CLIENT-UNKNOWN")
		bearer := w.tokens(w.web).str("access_token")
		s := signing{method: http.MethodGet, path: "/oauth1/verify", app: a, token: bearer}
		if res := w.do(w.signed(s)); res.StatusCode != http.StatusUnauthorized || res.json["active"] == true {
			w.Errorf("a bearer token in a signed request: %s %s", res.Status, res.body)
		}
		s = begin(w.web)
		w.wantProblem("an OpenID Connect client signs", w.do(w.signed(s)), 401, "signature_invalid")
	})
}

// A pending consumer's request waits on a live page, and its token endpoint
// says what is awaited to who proves to be the consumer.
func TestOAuth1PendingConsumer(t *testing.T) {
	each(t, func(w *world) {
		c, secret, err := w.clients.Register(w.Context(), admin, clientstore.Registration{Type: clientstore.OAuth1, Name: "New", Metadata: clientstore.Metadata{RedirectURIs: []string{callback}}})
		w.must(err)
		a := app{c, secret}
		res := w.do(w.signed(begin(a)))
		w.wantProblem("pending", res, 401, "consumer_key_rejected")
		if !strings.Contains(res.body, "awaits") {
			w.Errorf("it does not say what is awaited: %s", res.body)
		}
		_, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		w.credentials(a)
	})
}

// Who operates the server reads in its log where to approve a consumer whose
// request waits: once for each request that is opened, as at the authorization
// endpoint of OAuth 2.0, and not of one that was disapproved.
func TestOAuth1LogLeadsToTheApproval(t *testing.T) {
	eachConsumers(t, func(w *world) {
		eve := audit.Actor{AccountID: "eve-id", Name: "eve", Via: audit.ViaSettings}
		c, secret, err := w.clients.Register(w.Context(), admin, clientstore.Registration{Type: clientstore.OAuth1, Name: "Tool", Metadata: clientstore.Metadata{RedirectURIs: []string{callback}}})
		w.must(err)
		c, err = w.clients.Approve(w.Context(), eve, c.ID)
		w.must(err)
		token, _, err := w.dghubble(app{c, secret}, nil).RequestToken()
		w.must(err)
		u, err := w.clients.Undoable(w.Context(), c, eve.AccountID)
		w.must(err)
		_, err = w.clients.Undo(w.Context(), eve, c.ID, u.ID)
		w.must(err)
		leads := func() int { return strings.Count(w.logged.String(), approvalPage+"?key="+c.ID) }
		b, path := w.browse(), "/oauth1/authorize?oauth_token="+url.QueryEscape(token)
		before := leads()
		resume := w.open(b, path).Header.Get("Location")
		for range 2 { // the page looks again by itself
			if res := w.open(b, resume); res.StatusCode != http.StatusForbidden || !strings.Contains(res.body, "Tool") {
				w.Errorf("it does not wait: %s %s", res.Status, res.body)
			}
		}
		if n := leads() - before; n != 1 {
			w.Errorf("the log leads %d times to the approval:\n%s", n, w.logged)
		}
		_, err = w.clients.Disapprove(w.Context(), admin, c.ID, "")
		w.must(err)
		w.open(b, path)
		if n := leads() - before; n != 1 {
			w.Errorf("the log leads to the approval of what was disapproved:\n%s", w.logged)
		}
	})
}

// Each request of a consumer is read with the client in one statement.
func TestStatementsOfSignedRequests(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token := w.credentials(a)
		counter := storagetest.CountStatements(w.db)
		w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: a, token: token.Token, secret: token.TokenSecret}))
		if n := len(counter.Statements()); n != 2 {
			w.Errorf("a verification takes %d statements; want one to read and one for the nonce: %q", n, counter.Statements())
		}
	})
}

func TestOAuth1OnAFailingDatabase(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		s := w.signed(begin(a))
		w.down(func() {
			res := w.do(s)
			w.wantProblem("down", res, 503, "consumer_key_refused")
			if res.Header.Get("Retry-After") == "" {
				w.Error("no Retry-After")
			}
		})
	})
}

// O1-18: neither secrets nor tokens are in the database to be read.
func TestO118SecretsAreSealed(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		token, secret, err := w.dghubble(a, nil).RequestToken()
		w.must(err)
		access := w.credentials(a)
		var dump []struct{ Text string }
		text := map[storage.Dialect]string{storage.SQLite: "hex(%s)", storage.PostgreSQL: "encode(%s, 'hex')"}[w.db.Dialect()]
		blob := func(column string) string { return fmt.Sprintf(text, column) }
		w.must(w.db.With(w.Context()).Raw(`SELECT ` + blob("hash") + ` || ` + blob("sealed") + ` || callback AS text FROM temporary_credentials
			UNION ALL SELECT ` + blob("hash") + ` || ` + blob("sealed") + ` FROM token_credentials
			UNION ALL SELECT secrets FROM clients UNION ALL SELECT request FROM interactions`).Scan(&dump).Error)
		for _, row := range dump {
			for name, value := range map[string]string{"token": token, "secret": secret, "access token": access.Token, "access secret": access.TokenSecret, "client secret": a.secret} {
				if strings.Contains(row.Text, value) || strings.Contains(strings.ToLower(row.Text), fmt.Sprintf("%x", value)) {
					w.Errorf("the %s is in the database: %s", name, row.Text)
				}
			}
		}
		if len(dump) < 4 {
			w.Errorf("only %d rows were looked at", len(dump))
		}
	})
}
