package authz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/clientstore"
)

// states has the session_state of an answer and the browser's state that came
// with it.
func (a answer) states() (sessionState, browserState string) {
	u, _ := url.Parse(a.Header.Get("Location"))
	values, _ := url.ParseQuery(u.RawQuery + "&" + u.Fragment)
	for _, c := range a.Cookies() {
		if c.Name == "cs_state" {
			browserState = c.Value
		}
	}
	return values.Get("session_state"), browserState
}

// OpenID Connect Session Management 1.0, section 3: what the page at
// check_session_iframe will compute.
func TestSessionState(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Watching")
		r.Metadata.RedirectURIs = []string{callback, "https://rp.example:8443/cb?x=y", "com.example.app:/cb"}
		r.Metadata.ResponseTypes = []string{"code", "id_token"}
		r.Metadata.ApplicationType = clientstore.Native
		a := w.register(r)
		for name, tt := range map[string]struct {
			change []string
			origin string
		}{
			"code":               {nil, "https://rp.example"},
			"another port":       {[]string{"redirect_uri", "https://rp.example:8443/cb?x=y"}, "https://rp.example:8443"},
			"a fragment":         {[]string{"response_type", "id_token", "code_challenge", "", "code_challenge_method", "", "scope", "openid"}, "https://rp.example"},
			"no origin":          {[]string{"redirect_uri", "com.example.app:/cb"}, ""},
			"not OpenID Connect": {[]string{"scope", "profile"}, ""},
		} {
			res := w.authorize(a.ask(tt.change...))
			got, state := res.states()
			if res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "iss=") {
				w.Fatalf("%s: %s %q", name, res.Status, res.Header.Get("Location"))
			}
			if tt.origin == "" {
				if got != "" {
					w.Errorf("%s: session_state %s", name, got)
				}
				continue
			}
			_, salt, _ := strings.Cut(got, ".")
			sum := sha256.Sum256([]byte(a.ID + " " + tt.origin + " " + state + " " + salt))
			if salt == "" || state == "" || got != base64.RawURLEncoding.EncodeToString(sum[:])+"."+salt {
				w.Errorf("%s: session_state %q of state %q", name, got, state)
			}
		}
	})
}

func TestCheckSessionIframe(t *testing.T) {
	each(t, func(w *world) {
		res := w.get("/session/iframe")
		policy := res.Header.Get("Content-Security-Policy")
		if res.StatusCode != http.StatusOK || !strings.Contains(res.body, `<script src="/assets/session.js" data-cookie="cs_state"></script>`) ||
			policy != "default-src 'none'; script-src 'self'; frame-ancestors *; form-action 'none'; base-uri 'none'" ||
			res.Header.Get("X-Frame-Options") != "" || res.Header.Get("Set-Cookie") != "" || res.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			w.Errorf("%s %v %s", res.Status, res.Header, res.body)
		}
		if head := w.do(w.request(http.MethodHead, "/session/iframe", "", "")); head.StatusCode != http.StatusOK || head.body != "" {
			w.Errorf("HEAD: %s %q", head.Status, head.body)
		}
		out := w.submit(nil)
		gone := false
		for _, c := range out.Cookies() {
			gone = gone || c.Name == "cs_state" && c.Value == "" && c.MaxAge < 0
		}
		if !gone {
			w.Errorf("the browser's state is not another after signing out: %v", out.Cookies())
		}
	})
}
