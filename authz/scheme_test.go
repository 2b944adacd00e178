package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Somebody chooses light or dark, against what their system says, on any page
// and without JavaScript; and takes the choice back.
func TestSchemeOfPages(t *testing.T) {
	each(t, func(w *world) {
		v := visitor{w, map[string]string{}}
		choose := func(scheme, back string) answer {
			return v.do(w.request(http.MethodPost, "/scheme", formType, url.Values{"scheme": {scheme}, "back": {back}}.Encode()))
		}
		for _, tt := range []struct{ choice, want, current string }{
			{"dark", ` data-scheme="dark">`, `value="dark" formaction="/scheme" aria-current="true"`},
			{"light", ` data-scheme="light">`, `value="light" formaction="/scheme" aria-current="true"`},
			{"system", ` dir="ltr">`, `value="system" formaction="/scheme" aria-current="true"`},
		} {
			if a := choose(tt.choice, "/login"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/login" {
				w.Errorf("%s: %s, to %q", tt.choice, a.Status, a.Header.Get("Location"))
			}
			if a := v.do(w.request(http.MethodGet, "/login", "", "")); !strings.Contains(a.body, tt.want) || !strings.Contains(a.body, tt.current) {
				w.Errorf("after %s: %.2000s", tt.choice, a.body)
			}
		}
		if a := choose("sepia", "/login"); a.StatusCode != http.StatusBadRequest {
			w.Errorf("colours that there are not: %s", a.Status)
		}
		if to := choose("dark", "https://evil.example/").Header.Get("Location"); to != "/" {
			w.Errorf("it leads to %q", to)
		}
		v.jar["cs_scheme"] = `"><script>`
		if a := v.do(w.request(http.MethodGet, "/login", "", "")); !strings.Contains(a.body, ` dir="ltr">`) {
			w.Errorf("a cookie that is not ours: %.300s", a.body)
		}
	})
}
