package authz_test

import (
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/failure"
	"countersign/storage/storagetest"
)

// eachNoting is each, with the store of failures.
func eachNoting(t *testing.T, test func(w *world, noted func(id string) []failure.Failure)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := failure.New(db, storagetest.Keys(t))
		w := newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) { cfg.Failures = s })
		test(w, func(id string) []failure.Failure {
			w.Helper()
			_, err := s.Flush(w.Context())
			w.must(err)
			list, err := s.List(w.Context(), id, failure.Kept)
			w.must(err)
			return list
		})
	})
}

// Whoever administers a client can read why it was refused and what this server
// took to be signed; whoever signed wrongly cannot.
func TestFailuresOfAConsumer(t *testing.T) {
	eachNoting(t, func(w *world, noted func(string) []failure.Failure) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		signer := w.consumer("Signer", clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1PublicKey: w.publicKey()})
		plain := w.consumer("Plain", clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1SignatureMethods: []string{"PLAINTEXT"}})
		token, secret, err := w.dghubble(a, nil).RequestToken()
		w.must(err)
		for _, tt := range []struct {
			name     string
			send     signing
			app      app
			code     string
			cause    string
			base     string // what the base string has, empty for none
			excludes string
		}{
			{"another host", with1(begin(a), func(s *signing) { s.host = "https://evil.example" }), a, "signature_invalid", "client's secret and the token's", url.QueryEscape(w.issuer), "evil"},
			{"no such token", with1(begin(a), func(s *signing) { s.token = "cs_o1r_" + strings.Repeat("0", 49) }), a, "signature_invalid", "no such token", "cs_o1r_", ""},
			{"no nonce", with1(begin(a), func(s *signing) { s.oauth["oauth_nonce"] = "" }), a, "parameter_absent", "missing", "", ""},
			{"a callback", with1(begin(a), func(s *signing) { s.oauth["oauth_callback"] = "https://evil.example/" }), a, "parameter_rejected", "not registered", "evil", ""},
			{"an old request", with1(begin(a), func(s *signing) { s.oauth["oauth_timestamp"] = "12" }), a, "timestamp_refused", "too far", "oauth_timestamp", ""},
			{"a verifier", signing{
				method: http.MethodPost, path: "/oauth1/access_token", app: a, token: token, secret: secret, oauth: map[string]string{"oauth_verifier": "sesame"},
			}, a, "additional_authorization_required", "not allowed it yet", "oauth_verifier", "sesame"},
			{"a resource", signing{method: http.MethodGet, path: "/oauth1/verify", app: a}, a, "parameter_absent", "token credentials", "verify", ""},
			{"another key", with1(begin(signer), func(s *signing) { s.signer = methodSigner{"RSA-SHA1", ""}; s.oauth["oauth_signature"] = "AAAA" }), signer, "signature_invalid", "private key", "RSA-SHA1", ""},
			{"PLAINTEXT", with1(begin(plain), func(s *signing) { s.signer = methodSigner{"PLAINTEXT", "sesame"} }), plain, "signature_invalid", "secret", "", "sesame"},
		} {
			before := len(noted(tt.app.ID))
			w.do(w.signed(tt.send))
			list := noted(tt.app.ID)
			if len(list) != before+1 {
				w.Errorf("%s: %d failures are noted; want one more than %d", tt.name, len(list), before)
				continue
			}
			f := list[0]
			if f.Code != tt.code || !strings.Contains(f.Cause, tt.cause) || f.Endpoint != tt.send.path || f.Address != "127.0.0.1" || !f.At.Equal(w.clock.Now()) {
				w.Errorf("%s: noted %+v", tt.name, f)
			}
			if (tt.base == "") != (f.BaseString == "") || !strings.Contains(f.BaseString, tt.base) || tt.excludes != "" && strings.Contains(f.BaseString, tt.excludes) {
				w.Errorf("%s: base string %q; want one with %q and without %q", tt.name, f.BaseString, tt.base, tt.excludes)
			}
		}
		if list := noted("nobody"); len(list) != 0 {
			w.Errorf("of nobody: %v", list)
		}
	})
}

func with1(s signing, change func(*signing)) signing {
	change(&s)
	return s
}

// refusals are requests of the three kinds of stranger, that differ in nothing
// but in what this server knows.
func (w *world) refusals(a app, method string) map[string]func() *http.Request {
	w.Helper()
	token := w.credentials(a)
	unknown := "cs_o1a_" + token.Token[len("cs_o1a_"):]
	for unknown == token.Token { // another with a checksum that holds
		other := w.credentials(a)
		w.must(w.db.With(w.Context()).Exec("DELETE FROM token_credentials WHERE hash = ?", w.grants.Hash(other.Token)).Error)
		unknown = other.Token
	}
	make := func(id, token string) func() *http.Request {
		return func() *http.Request {
			w.clock.Advance(time.Second) // so that nobody is slowed down
			s := signing{method: http.MethodGet, path: "/oauth1/verify", app: app{&clientstore.Client{ID: id}, "wrong"}, token: token, secret: "wrong"}
			s.signer = methodSigner{method, "wrong"}
			return w.signed(s)
		}
	}
	return map[string]func() *http.Request{
		"unknown key": make(before(a.ID), token.Token), "unknown token": make(a.ID, unknown), "bad signature": make(a.ID, token.Token), "bad signature again": make(a.ID, token.Token),
		"unknown key without token": make(before(a.ID), ""), "bad signature without token": make(a.ID, ""),
	}
}

// before returns a key that is nobody's and has the client's place in the
// index, so that the row that is read for it is of the same size.
func before(key string) string {
	const digits = "234567abcdefghijklmnopqrstuvwxyz"
	last := strings.LastIndexFunc(key, func(r rune) bool { return r != '2' })
	digit := strings.IndexByte(digits, key[last])
	return key[:last] + digits[digit-1:digit] + strings.Repeat("z", len(key)-last-1)
}

// O1-03 and O1-21: whatever is wrong, the same statements run.
func TestRefusalsTakeTheSameStatements(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		for _, method := range []string{"HMAC-SHA1", "RSA-SHA1"} {
			for name, request := range w.refusals(a, method) {
				r := request()
				counter := storagetest.CountStatements(w.db)
				res := w.do(r)
				if n := len(counter.Statements()); n != 1 || res.str("oauth_problem") != "signature_invalid" {
					w.Errorf("%s, %s: %d statements, %s: %q", method, name, n, res.body, counter.Statements())
				}
			}
		}
	})
}

var timed = flag.Int("refusals", 1, "how many refusals of each kind TestRefusalsTakeTheSameTime times")

// O1-03 and O1-21: whatever is wrong, the answer is the same. How long each
// takes is for who asks for more of them to judge, on a quiet machine, by the
// medians and the distances (Kolmogorov–Smirnov) in the log: those of one kind that
// is timed twice are what chance makes. 2,000 are enough.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		all := map[string]map[string]func() *http.Request{"HMAC-SHA1": w.refusals(a, "HMAC-SHA1"), "RSA-SHA1": w.refusals(a, "RSA-SHA1")}
		for method, kinds := range all {
			took := w.timeEach(kinds, func(name string, _ int, res answer) {
				if res.str("oauth_problem") != "signature_invalid" {
					w.Fatalf("%s: %s", name, res.body)
				}
			})
			w.logMedians(method+", with a token", took["unknown key"], took["unknown token"], took["bad signature"], took["bad signature again"])
			w.logMedians(method+", without a token", took["unknown key without token"], took["bad signature without token"])
		}
	})
}

// logMedians compares the medians of durations, and says how far the two lists are
// apart that differ most: of a hundred pairs with nothing but chance between them
// one is further apart than what is named beside it.
func (w *world) logMedians(name string, lists ...[]time.Duration) {
	w.Helper()
	var medians []time.Duration
	var apart float64
	for i, list := range lists {
		slices.Sort(list)
		medians = append(medians, list[len(list)/2])
		for _, other := range lists[:i] {
			apart = max(apart, distance(list, other))
		}
	}
	n := len(lists[0])
	ratio := float64(slices.Max(medians)) / float64(slices.Min(medians))
	w.Logf("%s, %s: medians of %d: %v; ratio %.3f; at most %.3f apart of %.3f that may be chance", w.db.Dialect(), name, n, medians, ratio, apart, 1.63*math.Sqrt(2/float64(n)))
}

// The failures of the other protocols' clients are noted by the same store,
// unless they are how things go.
func TestFailuresOfAClient(t *testing.T) {
	eachNoting(t, func(w *world, noted func(string) []failure.Failure) {
		for _, tt := range []struct {
			name, code, endpoint, cause string // no code for nothing that is noted
			send                        func()
		}{
			{"a code that is none", "invalid_grant", "/token", "", func() { w.post("/token", w.web, redemption("nonsense")) }},
			{"a wrong secret", "invalid_client", "/token", "credentials are wrong", func() {
				w.post("/token", app{w.web.Client, "wrong"}, redemption("nonsense"))
			}},
			{"a grant that it has not", "unauthorized_client", "/device_authorization", "grant type", func() { w.post("/device_authorization", w.web, url.Values{}) }},
			{"a scope that it has not", "invalid_scope", "/par", "admin", func() { w.post("/par", w.web, w.web.ask("scope", "openid admin")) }},
			{"a scope, by the browser", "invalid_scope", "/authorize", "admin", func() { w.authorize(w.web.ask("scope", "openid admin")) }},
			{"another redirect URI", "E-REDIRECT-MISMATCH", "/authorize", "https://evil.example/", func() { w.authorize(w.web.ask("redirect_uri", "https://evil.example/")) }},
			{"nobody signed in", "", "", "", func() {
				was := w.cookie
				w.cookie = ""
				w.authorize(w.web.ask("prompt", "none"))
				w.cookie = was
			}},
			{"success", "", "", "", func() { w.tokens(w.web) }},
		} {
			before := len(noted(w.web.ID))
			tt.send()
			list := noted(w.web.ID)
			if (len(list) > before) != (tt.code != "") {
				w.Errorf("%s: %d failures are noted, after %d", tt.name, len(list), before)
				continue
			}
			if tt.code != "" && (list[0].Code != tt.code || list[0].Endpoint != tt.endpoint || !strings.Contains(list[0].Cause, tt.cause) || list[0].BaseString != "") {
				w.Errorf("%s: noted %+v", tt.name, list[0])
			}
		}
	})
}

// The words of the problem reporting extension that tell a client what to do.
func TestProblemDetails(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1SignatureMethods: []string{"HMAC-SHA256"}})
		now := w.clock.Now().Unix()
		for name, tt := range map[string]struct {
			send  signing
			field string
			want  string
		}{
			"version":   {with1(begin(a), func(s *signing) { s.oauth["oauth_version"] = "1.1" }), "oauth_acceptable_versions", "1.0-1.0"},
			"timestamp": {with1(begin(a), func(s *signing) { s.oauth["oauth_timestamp"] = "1" }), "oauth_acceptable_timestamps", fmt.Sprintf("%d-%d", now-300, now+300)},
			"time":      {with1(begin(a), func(s *signing) { s.oauth["oauth_timestamp"] = "1" }), "oauth_problem_advice", fmt.Sprint(now)},
			"method":    {begin(a), "oauth_acceptable_signature_methods", "HMAC-SHA256"},
			"absent":    {with1(begin(a), func(s *signing) { s.oauth["oauth_nonce"] = "" }), "oauth_parameters_absent", "oauth_nonce"},
			"rejected":  {with1(begin(a), func(s *signing) { s.oauth["oauth_timestamp"] = "x" }), "oauth_parameters_rejected", "oauth_timestamp"},
		} {
			res := w.do(w.signed(tt.send))
			form, err := url.ParseQuery(res.body)
			if err != nil || !strings.Contains(form.Get(tt.field), tt.want) || !strings.Contains(res.Header.Get("WWW-Authenticate"), tt.field+`="`) {
				w.Errorf("%s: %s %s; want %s with %s", name, res.Status, res.body, tt.field, tt.want)
			}
		}
	})
}

// An address that is not registered is kept as it was sent, so that whoever
// administers the client can add it.
func TestFailuresKeepTheRedirectURI(t *testing.T) {
	eachNoting(t, func(w *world, noted func(string) []failure.Failure) {
		wrong := "https://web.example/cb/"
		w.do(w.request(http.MethodGet, "/authorize?"+w.web.ask("redirect_uri", wrong).Encode(), "", ""))
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		w.do(w.signed(with1(begin(a), func(s *signing) { s.oauth["oauth_callback"] = wrong })))
		for _, id := range []string{w.web.ID, a.ID} {
			if list := noted(id); len(list) != 1 || list[0].RedirectURI != wrong {
				w.Errorf("noted of %s: %+v", id, list)
			}
		}
	})
}
