package authz_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// embedded registers an application whose page is embedded in ours.
func (w *world) embedded(origin, path string) app {
	w.Helper()
	r := registration("Embedded")
	r.Metadata.RedirectURIs = []string{callback, origin + "/cb"}
	r.Metadata.FrontchannelLogoutURI, r.Metadata.FrontchannelLogoutSessionRequired = origin+path, true
	r.Metadata.PostLogoutRedirectURIs = []string{farewell}
	return w.register(r)
}

// frames are the addresses that a page embeds.
func (a answer) frames() []string {
	var list []string
	for part := range strings.SplitSeq(a.body, `<iframe src="`) {
		if src, rest, ok := strings.Cut(part, `" title="`); ok && strings.Contains(rest, "</iframe>") {
			list = append(list, html.UnescapeString(src))
		}
	}
	return list
}

func (w *world) wantFrames(name string, res answer, want ...string) {
	w.Helper()
	got := map[string]bool{}
	for _, f := range res.frames() {
		got[f] = true
	}
	if len(got) != len(want) || res.StatusCode != http.StatusOK {
		w.Errorf("%s: %s embeds %v; want %v", name, res.Status, got, want)
	}
	for _, f := range want {
		if !got[f] {
			w.Errorf("%s: does not embed %s but %v", name, f, got)
		}
	}
	if w.signedIn() {
		w.Errorf("%s: still signed in", name)
	}
}

// oidcc-frontchannel-rp-initiated-logout, LO-12: the page embeds the registered
// addresses and no others, is allowed to by its policy, and leads on.
func TestFrontChannelLogout(t *testing.T) {
	each(t, func(w *world) {
		a, b := w.embedded("https://a.example:444", "/out?x=y"), w.embedded("http://127.0.0.1:9", "/out")
		unused, gone := w.embedded("https://c.example", "/out"), w.embedded("https://d.example", "/out")
		told := func(a app, sid string) string {
			return url.Values{"iss": {w.issuer}, "sid": {w.subjects.Session(a.ID, sid)}}.Encode()
		}
		for name, out := range map[string]func(hint string) answer{
			"by the application": func(hint string) answer {
				return w.endSession("id_token_hint", hint, "post_logout_redirect_uri", farewell, "state", "a&b")
			},
			"by the person": func(string) answer { return w.submit(nil) },
		} {
			hint := w.tokens(a, "scope", "openid").str("id_token")
			w.tokens(b, "scope", "openid")
			w.tokens(gone, "scope", "openid")
			w.tokens(unused, "scope", "profile")
			_, err := w.clients.Disapprove(w.Context(), admin, gone.ID, "")
			w.must(err)
			sid := w.session.ID
			res := out(hint)
			w.wantFrames(name, res, "https://a.example:444/out?x=y&"+told(a, sid), "http://127.0.0.1:9/out?"+told(b, sid))
			policy := res.Header.Get("Content-Security-Policy")
			_, sources, _ := strings.Cut(policy, "; frame-src ")
			if fields := strings.Fields(sources); len(fields) != 2 || !strings.Contains(sources, "https://a.example:444") || !strings.Contains(sources, "http://127.0.0.1:9") ||
				!strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
				w.Errorf("%s: policy %s", name, policy)
			}
			refresh, back := `<meta http-equiv="refresh" content="2; url=`+farewell+`?state=a%26b">`, `href="`+farewell+`?state=a%26b"`
			if led := strings.Contains(res.body, refresh) && strings.Contains(res.body, back); led != (name == "by the application") {
				w.Errorf("%s: led on %v: %s", name, led, res.body)
			}
			if !strings.Contains(res.Header.Get("Set-Cookie"), "cs_session=;") {
				w.Errorf("%s: cookie %q", name, res.Header.Get("Set-Cookie"))
			}
			_, err = w.clients.Approve(w.Context(), admin, gone.ID)
			w.must(err)
			w.signIn()
		}
		w.wantSignedOut("nothing to embed", w.submit(nil), "/logout")
	})
}
