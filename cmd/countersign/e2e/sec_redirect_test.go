package e2e

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestRedirectURI is section 1.2 of the catalogue at the authorization
// endpoint: nothing but the registered bytes, and no redirect to anything else.
func TestRedirectURI(t *testing.T) {
	t.Parallel()
	web := []string{
		// RU-01 paths and queries
		webRedirect + "/", webRedirect + "?x=1", webRedirect + "?", webRedirect + ";x", webRedirect + "/..", webRedirect + "/../evil",
		webRedirect + "/..%2fevil", webRedirect + "/%2e%2e/evil", webRedirect + "/..;/evil",
		// RU-02 case
		"https://RP.example/cb", "https://rp.example/CB", "HTTPS://rp.example/cb",
		// RU-03 port
		"https://rp.example:443/cb", "https://rp.example:8443/cb",
		// RU-04 userinfo
		"https://rp.example@evil.example/cb", "https://rp.example:@evil.example/cb", "https://x@rp.example/cb", "https://a@b@rp.example/cb",
		// RU-05 backslash
		`https://evil.example\@rp.example/cb`, `https:\\rp.example\cb`, `https://rp.example\.evil.example/cb`, "https://rp.example%5c.evil.example/cb",
		// RU-06 fragment
		webRedirect + "#x", webRedirect + "#", webRedirect + "%23x",
		// RU-07, RU-08 prefix and suffix of the host
		"https://rp.example.evil.example/cb", "https://evilrp.example/cb", "https://rp.example.", "https://rp.exampl/cb",
		// RU-09 encodings and blanks
		"https://rp.example/%63b", webRedirect + "%00", webRedirect + "%0d%0aX:1", webRedirect + "%20", " " + webRedirect, webRedirect + " ",
		webRedirect + "\t", webRedirect + "\n", "\x00" + webRedirect,
		// RU-10 look-alikes
		"https://rр.example/cb", "https://xn--r-7tb.example/cb", "https://ｒｐ.example/cb", "https://rp。example/cb", "https://rp\u00ad.example/cb", "https://rp.example./cb",
		// RU-11 relative
		"//rp.example/cb", "/cb", "rp.example/cb", "https:/rp.example/cb", "https:///cb", "https://",
		// RU-12 other schemes
		"javascript:alert(1)//https://rp.example/cb", "data:text/html,x", "http://rp.example/cb",
		// RU-17 length
		webRedirect + "/" + strings.Repeat("a", 10<<10),
		// RU-24 another client's
		"https://other.example/cb",
		// RU-22 a web client has no free port
		"http://127.0.0.1:4711/cb",
	}
	native := []string{
		// RU-19 other names of this machine
		"http://[::1]:9/cb", "http://localhost:9/cb", "http://127.0.0.2:9/cb", "http://127.1:9/cb", "http://2130706433:9/cb",
		// RU-20 all but the port is compared
		"http://127.0.0.1:9/cb?x=1", "http://127.0.0.1:9/cb/", "http://127.0.0.1:9/CB", "http://127.0.0.1:9/%63b", "https://127.0.0.1:9/cb",
		"http://evil@127.0.0.1:9/cb", "http://127.0.0.1:9@evil.example/cb", "http://127.0.0.1:9/cb#x", "http://127.0.0.1:99999/cb", "http://127.0.0.1:/cb",
		"http://127.0.0.1:0x50/cb", "http://127.0.0.1:9:9/cb",
		// RU-21 loopback as a prefix
		"http://127.0.0.1.evil.example/cb", "http://127.0.0.1:9.evil.example/cb",
		// RU-23 the scheme's two forms differ
		"com.example.app://cb", "com.example.app:/cb/", "com.example.app:cb", "COM.example.app:/cb",
	}
	each(t, func(t *testing.T, s *server) {
		s.register("--redirect-uri", "https://other.example/cb", "--scope", "openid", "--approve")
		confidential := s.Client()
		public := s.PublicClient("--redirect-uri", schemeRedirect)
		for _, group := range []struct {
			client *client
			uris   []string
		}{{confidential, web}, {public, native}} {
			for _, uri := range group.uris {
				t.Run(name(uri), func(t *testing.T) {
					t.Parallel()
					s := s.as(t)
					p := s.browse().Open(s.Request(group.client).With("redirect_uri", uri).URL())
					if p.Callback != nil {
						t.Fatalf("redirected to %s", p.Callback)
					}
					if p.asksToSignIn() {
						t.Fatal("the request is taken on")
					}
					if p.Status < 400 || p.Status > 499 {
						t.Errorf("status is %d; want 400", p.Status)
					}
					if strings.Contains(p.Body, `href="`+uri) {
						t.Error("the error page links to the unregistered address")
					}
				})
			}
		}
		for _, uri := range []string{nativeRedirect, "http://127.0.0.1:4711/cb", "http://127.0.0.1:65535/cb", schemeRedirect} {
			if p := s.browse().Open(s.Request(public).With("redirect_uri", uri).URL()); !p.asksToSignIn() {
				t.Errorf("RU-18 %s is refused to a native client: %d %s", uri, p.Status, p.Text())
			}
		}
	})
}

func name(uri string) string {
	if len(uri) > 60 {
		uri = uri[:60] + "…"
	}
	return strings.ToValidUTF8(uri, "?")
}

// TestRedirectURIOfTokenRequest is RU-18 and CD-05: the token request repeats
// the redirect URI, port included.
func TestRedirectURIOfTokenRequest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.PublicClient(), s.User()
		for _, other := range []string{"", nativeRedirect, "http://127.0.0.1:4712/cb", "http://127.0.0.1:4711/CB", "http://127.0.0.1:4711/%63b"} {
			r := s.Request(c).With("redirect_uri", "http://127.0.0.1:4711/cb")
			code := s.Code(s.browse(), r, u)
			wantError(t, s.Exchange(c, code, r.With("redirect_uri", other)), http.StatusBadRequest, "invalid_grant")
		}
		r := s.Request(c).With("redirect_uri", "http://127.0.0.1:4711/cb")
		wantTokens(t, s.Exchange(c, s.Code(s.browse(), r, u), r))
	})
}

// TestRedirectURIRemoved is RU-25: a redirect URI that is removed while a flow
// runs ends the flow, at the page and at the token endpoint.
func TestRedirectURIRemoved(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client("--redirect-uri", "https://rp.example/other"), s.User()
		r, b := s.Request(c), s.browse()
		code := s.Code(s.browse(), r, u)
		signIn := b.Open(r.URL())

		s.CLI("", "client", "edit", c.ID, "--redirect-uri", "https://rp.example/other")
		p := b.SignIn(signIn, u.Username, u.password)
		if p.asksForConsent() {
			p = b.Decide(p, "allow")
		}
		wantPage(t, p, http.StatusBadRequest)
		wantError(t, s.Exchange(c, code, r), http.StatusBadRequest, "invalid_grant")
	})
}

// TestRedirectURIRegistration is section 1.2 at registration, by the command
// line.
func TestRedirectURIRegistration(t *testing.T) {
	t.Parallel()
	s := shared(t, sqlite)
	for _, uri := range []string{
		// RU-06, RU-11
		"https://rp.example/cb#x", "//rp.example/cb", "/cb", "rp.example/cb", "https:///cb",
		// RU-04, RU-05, RU-09, RU-10
		"https://user@rp.example/cb", `https://rp.example\cb`, "https://rp.example/c b", "https://rp。example/cb",
		// RU-12
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://rp.example/x",
		"about:blank", "ws://rp.example/cb", "intent:#Intent;end",
		// RU-14
		"https://*.rp.example/cb", "https://rp.example*",
		// RU-17
		"https://rp.example/" + strings.Repeat("a", 10<<10),
		// RU-23
		"myapp:/cb",
	} {
		t.Run(name(uri), func(t *testing.T) {
			t.Parallel()
			message := s.as(t).refuses("client", "create", "--type", "oidc", "--name", "X", "--redirect-uri", uri)
			if !strings.Contains(message, "redirect_uris") {
				t.Errorf("the message does not name redirect_uris:\n%s", message)
			}
		})
	}
	strict := prepare(t, sqlite, setting{"POLICY", "strict"})
	if message := strict.refuses("client", "create", "--type", "oidc", "--name", "X", "--redirect-uri", "http://rp.example/cb"); !strings.Contains(message, "redirect_uris") {
		t.Errorf("RU-13 the strict policy does not refuse http: %s", message)
	}
}

// TestErrorPageIsInert is BR-04: nothing of a request is markup on its page.
func TestErrorPageIsInert(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c := s.Client()
		for _, attack := range []string{`<script>alert(1)</script>`, `'"><img src=x onerror=alert(1)>`, `{{7*7}}`, `javascript:alert(1)`} {
			for _, parameter := range []string{"client_id", "redirect_uri", "scope", "state", "login_hint", "response_type", "prompt", "ui_locales"} {
				p := s.browse().Open(s.Request(c).With(parameter, attack).URL())
				if strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, "<img src=x") || strings.Contains(p.Body, `href="javascript:`) {
					t.Errorf("%s=%s is markup: %s", parameter, attack, p.Body)
				}
				if p.Callback != nil && p.Callback.Host != "rp.example" {
					t.Errorf("%s=%s leads to %s", parameter, attack, p.Callback)
				}
			}
		}
		for _, path := range []string{"/login", "/consent", "/authorize/resume", "/logout"} {
			q := url.Values{"interaction": {`"><script>alert(1)</script>`}, "return_to": {"//evil.example"}, "next": {"https://evil.example"}}
			p := s.browse().Open(s.issuer + path + "?" + q.Encode())
			// The choice of a language leads back to this very address, which names it.
			body := strings.ReplaceAll(p.Body, `value="`+html.EscapeString(path+"?"+q.Encode())+`"`, "")
			if strings.Contains(p.Body, "<script>alert") || strings.Contains(body, "evil.example") || p.Callback != nil {
				t.Errorf("LG-15 %s takes what it is given: %s%s", path, p.Body, p.where())
			}
		}
	})
}
