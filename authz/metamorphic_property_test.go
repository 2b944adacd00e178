package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// values are good and bad ones of each parameter of an authorization request.
var values = map[string][]string{
	"response_type":         {"", "code", "token", "id_token", "code id_token", "token code", "none"},
	"response_mode":         {"query", "fragment", "form_post", "other"},
	"redirect_uri":          {"", callback, callback + "/", "https://evil.example/cb"},
	"scope":                 {"", "openid", "profile openid", "openid secrets", `"`},
	"state":                 {"", "x", "a&b=c é"},
	"nonce":                 {"", "n"},
	"prompt":                {"none", "login", "consent", "none login", "x"},
	"max_age":               {"0", "100", "-1", "abc"},
	"code_challenge":        {"", "short"},
	"code_challenge_method": {"", "plain", "S256"},
	"id_token_hint":         {"x"},
	"login_hint":            {"ada", "nobody"},
	"claims":                {`{}`, `{"id_token":{"name":null}}`, `{`},
	"request":               {"x.y.z"},
	"ui_locales":            {"de", "fr xx", "\x7f"},
}

// mutated draws changes of some parameters.
func mutated(rt *rapid.T, q url.Values, values map[string][]string) url.Values {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID).Draw(rt, "changed") {
		with(q, name, rapid.SampledFrom(values[name]).Draw(rt, name))
	}
	return q
}

// disguised is the same request with its parameters in another order, and
// parameters between them that nobody knows.
func disguised(rt *rapid.T, q url.Values) string {
	pairs := []string{"unknown_parameter=" + url.QueryEscape(rapid.StringMatching(`\PC{0,12}`).Draw(rt, "unknown"))}
	for name, list := range q {
		for _, value := range list {
			pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
	}
	slices.Sort(pairs)
	return strings.Join(rapid.Permutation(pairs).Draw(rt, "order"), "&")
}

var (
	// fresh is what differs from answer to answer.
	fresh = regexp.MustCompile(`(code|access_token|id_token|session_state|interaction)=[^&]*`)
	// heading is what a page is about.
	heading = regexp.MustCompile(`<h1[^>]*>[^<]*|E-[A-Z-]+|form method="post" action="https://rp[^"]*"`)
)

// gist is an answer without what differs each time.
func (a answer) gist() string {
	return fmt.Sprint(a.StatusCode, a.Header.Get("Content-Type"), fresh.ReplaceAllString(a.Header.Get("Location"), "$1"), heading.FindAllString(a.body, -1))
}

// The order of parameters, parameters that nobody knows, and whether they come
// in the address or in a form change nothing (OpenID Connect Core 1.0, section
// 3.1.2.1; RFC 6749, section 3.1).
func TestPropertySameRequestSameAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	a := w.every(clientstore.OIDC)
	storagetest.Property(t, func(rt *rapid.T) {
		w.clock.Advance(time.Minute) // one browser may not keep more waiting at once
		w.signIn()
		for range 10 {
			q := mutated(rt, a.ask(), values)
			plain := w.follow(w.authorize(q)).gist()
			if got := w.follow(w.get("/authorize?" + disguised(rt, q))).gist(); got != plain {
				rt.Fatalf("%v in another order:\n%s\nwant\n%s", q, got, plain)
			}
			r := w.request(http.MethodPost, "/authorize", formType, disguised(rt, q))
			r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
			if got := w.follow(w.do(r)).gist(); got != plain {
				rt.Fatalf("%v by POST:\n%s\nwant\n%s", q, got, plain)
			}
		}
	})
}

// The same at the token endpoint.
func TestPropertySameTokenRequestSameAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	tell := func(res answer) string {
		return fmt.Sprint(res.StatusCode, res.json["error"], res.json["error_description"], res.json["scope"], res.json["expires_in"], res.json["refresh_token"] != nil, res.json["id_token"] != nil)
	}
	changes := map[string][]string{
		"grant_type":    {"", "refresh_token", "password", "x", "authorization_code "},
		"code":          {"", "x"},
		"redirect_uri":  {"", callback + "/"},
		"code_verifier": {"", "short", verifier + "x"},
		"scope":         {"openid", "secrets"},
		"client_id":     {"nobody"},
	}
	storagetest.Property(t, func(rt *rapid.T) {
		for range 10 {
			form := mutated(rt, redemption(w.code(w.web)), changes)
			plain := tell(w.post("/token", w.web, form))
			if form.Get("code") != "" && form.Get("code") != "x" {
				form.Set("code", w.code(w.web))
			}
			r := w.request(http.MethodPost, "/token", formType, disguised(rt, form))
			r.SetBasicAuth(w.web.ID, w.web.secret)
			if got := tell(w.do(r)); got != plain {
				rt.Fatalf("%v in another order: %s; want %s", form, got, plain)
			}
		}
	})
}

var pool = []string{"openid", "profile", "email", "api", "models", "offline_access"}

func subset(rt *rapid.T, name string, of []string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID).Draw(rt, name)
}

func contained(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// INV-15: what is granted was asked for, is registered and is not withheld by
// the approval, and no further restriction widens it.
func TestPropertyRestrictionNeverWidens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	storagetest.Property(t, func(rt *rapid.T) {
		registered := append(subset(rt, "registered", pool[1:]), "openid")
		a := w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Some", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: strings.Join(registered, " "),
		}})
		asked := append(subset(rt, "asked", registered), "openid")
		got := w.granted(a, asked)
		if !contained(got, asked) || !contained(got, registered) {
			rt.Fatalf("asked for %v of %v, got %v", asked, registered, got)
		}
		fewer := append(subset(rt, "asked later", asked), "openid")
		if narrowed := w.granted(a, fewer); !contained(narrowed, got) || !contained(narrowed, fewer) {
			rt.Fatalf("asked for %v of %v, got %v", fewer, registered, narrowed)
		}
		approved := append(subset(rt, "approved", registered), "openid")
		w.approveOn(a, clientstore.Conditions{Scope: strings.Join(approved, " ")})
		if narrowed := w.granted(a, asked); !contained(narrowed, got) || !contained(narrowed, approved) {
			rt.Fatalf("approved for %v and asked for %v, got %v", approved, asked, narrowed)
		}
	})
}

// granted is the scope of a token that the user lets the client have.
func (w *world) granted(a app, scope []string) []string {
	w.Helper()
	c, err := w.clients.Get(w.Context(), a.ID)
	w.must(err)
	w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, c.Metadata.Scope, c.ConsentDigest))
	code := w.authorize(a.ask("scope", strings.Join(scope, " "))).sent().Get("code")
	if code == "" {
		return nil
	}
	res := w.post("/token", a, redemption(code))
	told := w.post("/introspect", a, url.Values{"token": {res.str("access_token")}})
	if told.str("scope") != res.str("scope") {
		w.Errorf("the client is told %q, who introspects %q", res.str("scope"), told.str("scope"))
	}
	return strings.Fields(res.str("scope"))
}
