package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/storage/locale"
)

// choose posts the form that a page offers.
func (v visitor) choose(code, back string) answer {
	v.w.Helper()
	return v.do(v.w.request(http.MethodPost, "/language", formType, url.Values{"language": {code}, "back": {back}}.Encode()))
}

// wantLanguage checks what a page says of itself, and what it says.
func (w *world) wantLanguage(a answer, code, words string) {
	w.Helper()
	if !strings.Contains(a.body, `<html lang="`+code+`" dir="`+locale.Find(code).Direction+`">`) || !strings.Contains(a.body, words) ||
		a.Header.Get("Content-Language") != code || !strings.Contains(a.Header.Get("Vary"), "Accept-Language") {
		w.Errorf("want a page in %s with %q: %s, Content-Language %q, Vary %q, %.300s", code, words, a.Status, a.Header.Get("Content-Language"), a.Header.Get("Vary"), a.body)
	}
}

// OpenID Connect Core 1.0, section 3.1.2.1: what an application asks for by
// ui_locales holds from page to page, until the person chooses another language.
func TestLanguageOfAnInteraction(t *testing.T) {
	newcomer := func(w *world) visitor { return visitor{w, map[string]string{}} }
	each(t, func(w *world) {
		v := newcomer(w)
		in := func(code, path string) answer {
			r := w.request(http.MethodGet, path, "", "")
			r.Header.Set("Accept-Language", code)
			return v.do(r)
		}
		w.wantLanguage(in("fr-CH, en;q=0.5", "/login"), "fr", "Se connecter")
		w.wantLanguage(in("tlh", "/login"), "en", "Sign in")

		to := in("fr", "/authorize?"+w.web.ask("ui_locales", "tlh de-AT fr").Encode()).Header.Get("Location")
		w.wantLanguage(in("fr", to), "de", "Anmelden, um mit Web fortzufahren")
		wrong := w.request(http.MethodPost, to, formType, url.Values{"username": {"nobody"}, "password": {"a wrong password"}, "interaction": {strings.TrimPrefix(to, "/login?interaction=")}}.Encode())
		w.wantLanguage(v.do(wrong), "de", "Das stimmt nicht überein")

		if back := v.choose("ar", to); back.StatusCode != http.StatusSeeOther || back.Header.Get("Location") != to {
			w.Errorf("chosen: %s, to %q", back.Status, back.Header.Get("Location"))
		}
		w.wantLanguage(in("fr", to), "ar", "تسجيل الدخول")
		w.wantLanguage(in("fr", "/nowhere"), "ar", "لا صفحة على هذا العنوان")

		v.jar["cs_session"] = w.cookie
		delete(v.jar, "cs_language")
		consent := in("fr", "/authorize?"+w.web.ask("ui_locales", "de", "prompt", "consent").Encode()).Header.Get("Location")
		w.wantLanguage(in("fr", consent), "de", "Einwilligung")
		w.wantLanguage(in("fr", "/end_session?ui_locales=ar"), "ar", `name="ui_locales" value="ar"`)
		w.wantLanguage(in("fr", "/device?ui_locales=de"), "de", "Gerät verbinden")
		w.wantLanguage(in("en", "/authorize?client_id=nobody&ui_locales=fr"), "fr", "n’est pas enregistrée")
	})
}

// LG-15: the form that chooses a language leads nowhere but back.
func TestLanguageLeadsToPagesOfOurs(t *testing.T) {
	each(t, func(w *world) {
		v := visitor{w, map[string]string{}}
		for _, back := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, `\/evil.example`, "", "javascript:alert(1)", "/\t/evil.example", "evil"} {
			if to := v.choose("de", back).Header.Get("Location"); to != "/" {
				w.Errorf("back to %q leads to %q", back, to)
			}
		}
		if a := v.choose("tlh", "/"); a.StatusCode != http.StatusBadRequest {
			w.Errorf("a language that there is not: %s", a.Status)
		}
		r := w.request(http.MethodPost, "/language", formType, "language=de&back=%2F")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := w.do(r); a.StatusCode != http.StatusForbidden || len(a.Cookies()) > 0 {
			w.Errorf("from another site: %s, %v", a.Status, a.Cookies())
		}
	})
}
