package e2e

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// TestHeadersOfProxies is CA-22: what a proxy would tell of a client's
// certificate, or of who signed in, proves nothing when it comes from outside,
// and changes no answer. Nor does it when the proxy is one that may tell where
// requests come from.
func TestHeadersOfProxies(t *testing.T) {
	t.Parallel()
	each(t, testHeadersOfProxies)
	t.Run("trusted", func(t *testing.T) {
		t.Parallel()
		testHeadersOfProxies(t, start(t, sqlite, setting{"TRUSTED_PROXIES", "127.0.0.0/8"}))
	})
}

func testHeadersOfProxies(t *testing.T, s *server) {
	t.Helper()
	c, public, u := s.Client(), s.PublicClient(), s.administrator()
	got := s.Tokens(c, u)
	lies := proxyHeaders(t, c, u)
	token, introspect := s.endpoint("token_endpoint"), s.endpoint("introspection_endpoint")
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}}
	named := func(c *client, form url.Values) url.Values {
		return url.Values{"client_id": {c.ID}, "token": form["token"], "grant_type": form["grant_type"], "refresh_token": form["refresh_token"]}
	}
	asked := url.Values{"token": {got.access}}
	wrong := &client{ID: c.ID, Secret: "not the secret", AuthMethod: "client_secret_basic"}
	for name, tt := range map[string]struct {
		make   func() *http.Request
		status int
	}{
		"nobody, at the token endpoint":        {func() *http.Request { return s.postRequest(token, nil, refresh) }, 401},
		"a client without its secret":          {func() *http.Request { return s.postRequest(token, nil, named(c, refresh)) }, 401},
		"a client with a wrong secret":         {func() *http.Request { return s.postRequest(token, wrong, refresh) }, 401},
		"another's token, by a public client":  {func() *http.Request { return s.postRequest(token, public, refresh) }, 400},
		"nobody, at introspection":             {func() *http.Request { return s.postRequest(introspect, nil, asked) }, 401},
		"a client without secret, introspects": {func() *http.Request { return s.postRequest(introspect, nil, named(c, asked)) }, 401},
		"nobody, at revocation":                {func() *http.Request { return s.postRequest(s.endpoint("revocation_endpoint"), nil, asked) }, 401},
		"nobody, at userinfo":                  {func() *http.Request { return s.newRequest(http.MethodGet, s.endpoint("userinfo_endpoint"), "") }, 401},
		"nobody, at the administrator's API":   {func() *http.Request { return s.newRequest(http.MethodGet, s.issuer+"/admin/api/v1/clients", "") }, 401},
		"nobody, at the settings":              {func() *http.Request { return s.newRequest(http.MethodGet, s.settings("/oauth-clients"), "") }, 303},
		"nobody, at an account's pages":        {func() *http.Request { return s.newRequest(http.MethodGet, s.issuer+"/account/profile", "") }, 303},
		"a client that introspects its token":  {func() *http.Request { return s.postRequest(introspect, c, asked) }, 200},
		"a client's token at userinfo": {func() *http.Request {
			return bearer(s.newRequest(http.MethodGet, s.endpoint("userinfo_endpoint"), ""), got.access)
		}, 200},
		"an address that a header would change": {func() *http.Request { return s.newRequest(http.MethodGet, s.issuer+"/no-such-page", "") }, 404},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.as(t)
			plain, told := s.do(tt.make()), tt.make()
			for header, values := range lies {
				told.Header[header] = values
			}
			if plain.Status != tt.status {
				t.Fatalf("without the headers: %d %s; want %d", plain.Status, plain.Body, tt.status)
			}
			if a := s.do(told); a.Status != plain.Status || lasting(a) != lasting(plain) {
				t.Errorf("with the headers: %d %s; want what comes without them: %d %s", a.Status, lasting(a), plain.Status, lasting(plain))
			}
		})
	}
	req := s.postRequest(token, c, refresh)
	for header, values := range lies {
		req.Header[header] = values
	}
	wantTokens(t, s.do(req))
}

// proxyHeaders are the headers of testdata/proxy-headers.tsv about the client and
// the person, as they are written there: no proxy asks Go how to write them.
func proxyHeaders(t *testing.T, c *client, u *user) http.Header {
	t.Helper()
	text, err := os.ReadFile("testdata/proxy-headers.tsv")
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("CERTIFICATE", base64.StdEncoding.EncodeToString(certificate.Certificate[0]),
		"CLIENT", c.ID, "PERSON", u.ID, "USERNAME", u.Username, "EMAIL", u.email)
	headers := http.Header{}
	for row := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(row), "\t")
		headers[name] = []string{fill.Replace(value)}
	}
	return headers
}

func bearer(req *http.Request, token string) *http.Request {
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// lasting is an answer without what differs each time.
func lasting(a answer) string {
	body := strings.ReplaceAll(a.Body, a.Header.Get("X-Request-Id"), "")
	at, _, _ := strings.Cut(a.Header.Get("Location"), "?interaction=")
	return at + a.Header.Get("WWW-Authenticate") + body
}
