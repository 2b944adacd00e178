package authz_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// eachSignUp runs a test on a server where people create their accounts.
func eachSignUp(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) { cfg.SignUp = true })
		w.must(db.CheckKey(t.Context(), storagetest.Keys(t)))
		w.must(db.With(t.Context()).Exec("UPDATE installation SET bootstrapped_at = ?", db.Now()).Error)
		test(w)
	})
}

// newcomer fills in the page.
func newcomer(username string, change ...string) url.Values {
	return with(url.Values{
		"username": {username}, "name": {"Grace Hopper"}, "email": {"grace@example.test"},
		"password": {"a nanosecond of copper wire"}, "password_again": {"a nanosecond of copper wire"},
	}, change...)
}

func (v visitor) signUp(path string, form url.Values) answer {
	v.w.Helper()
	if u, err := url.Parse(path); err == nil && u.Query().Has("interaction") {
		form.Set("interaction", u.Query().Get("interaction"))
	}
	r := v.w.request(http.MethodPost, "/sign-up", formType, form.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(r)
}

// Initiating User Registration via OpenID Connect 1.0: the request waits for
// the account, and goes on with it.
func TestPromptCreate(t *testing.T) {
	eachSignUp(t, func(w *world) {
		prompts := w.get("/.well-known/openid-configuration").json["prompt_values_supported"].([]any)
		if !slices.Contains(prompts, any("create")) {
			w.Errorf("prompt_values_supported: %v", prompts)
		}
		for n, prompt := range []string{"create", "create consent", "login create", "create select_account"} {
			for who, jar := range map[string]map[string]string{"nobody": {}, "ada": {"cs_session": w.cookie}} {
				v := visitor{w, jar}
				username := who + "-friend" + string(rune('a'+n))
				to := v.get("/authorize?" + w.web.ask("prompt", prompt, "scope", "openid profile email").Encode()).Header.Get("Location")
				if !strings.HasPrefix(to, "/sign-up?interaction=") {
					w.Fatalf("%s, %s is sent to %q", prompt, who, to)
				}
				page := v.get(to)
				for _, want := range []string{"Create an account", "Web", `name="password_again"`, "/login?interaction="} {
					if page.StatusCode != http.StatusOK || !strings.Contains(page.body, want) {
						w.Errorf("sign-up page without %q: %s %s", want, page.Status, page.body)
					}
				}
				before := jar["cs_session"]
				resume := v.signUp(to, newcomer(username)).Header.Get("Location")
				if jar["cs_session"] == before || !strings.HasPrefix(resume, "/authorize/resume?interaction=") {
					w.Fatalf("signed up, with the session %q, and sent to %q", jar["cs_session"], resume)
				}
				w.wantNewcomer(v, resume, username)
			}
		}
	})
}

// wantNewcomer goes on to the tokens.
func (w *world) wantNewcomer(v visitor, resume, username string) {
	w.Helper()
	page := v.get(v.get(resume).Header.Get("Location"))
	form := url.Values{"decision": {"allow"}}
	for _, f := range hiddenField.FindAllStringSubmatch(page.body, -1) {
		form.Set(f[1], f[2])
	}
	code := v.get(v.consent(form).Header.Get("Location")).sent().Get("code")
	tokens := w.post("/token", w.web, redemption(code))
	if tokens.StatusCode != http.StatusOK {
		w.Fatalf("%s: %s %s", username, tokens.Status, tokens.body)
	}
	a, err := w.accounts.Find(w.Context(), username)
	w.must(err)
	info := w.userinfo(tokens.str("access_token"))
	if info.str("sub") != a.ID || info.str("name") != "Grace Hopper" || info.json["email_verified"] != false || len(a.Permissions) != 0 {
		w.Errorf("%s: userinfo %s, permissions %v", username, info.body, a.Permissions)
	}
	if claims := w.verify(w.web, tokens.str("id_token")); claims["sub"] != a.ID {
		w.Errorf("%s: ID token %v", username, claims)
	}
	w.wantPage(v.get(resume), "E-INTERACTION-UNKNOWN") // one account, one answer
}

func TestSignUpPage(t *testing.T) {
	eachSignUp(t, func(w *world) {
		v := visitor{w, map[string]string{}}
		if page := v.get("/login"); !strings.Contains(page.body, `href="/sign-up"`) {
			w.Errorf("the sign-in page does not lead to sign-up: %s", page.body)
		}
		to := v.get("/authorize?" + w.web.ask().Encode()).Header.Get("Location") // no prompt: one signs in, or up
		if page := v.get(to); !strings.HasPrefix(to, "/login?") || !strings.Contains(page.body, strings.Replace(to, "/login", "/sign-up", 1)) {
			w.Errorf("sent to %q: %s", to, page.body)
		}
		for name, tt := range map[string]struct {
			form   url.Values
			status int
			want   string
		}{
			"taken":               {newcomer("ADA"), 422, "Somebody has this username already"},
			"empty":               {url.Values{}, 422, "Enter a username."},
			"no password":         {newcomer("grace", "password", "", "password_again", ""), 422, "Enter a password."},
			"two passwords":       {newcomer("grace", "password_again", "another"), 422, "not the same password"},
			"LG-22 weak":          {newcomer("grace", "password", "gracehopper", "password_again", "gracehopper"), 422, "easy to guess"},
			"LG-13 short":         {newcomer("grace", "password", "short", "password_again", "short"), 422, "at least 8 characters"},
			"email":               {newcomer("grace", "email", "grace"), 422, "one e-mail address"},
			"another's waiting":   {newcomer("grace", "interaction", "AAAAAAAAAAAAAAAAAAAAAAAAAA"), 400, "E-INTERACTION-UNKNOWN"},
			"markup is no markup": {newcomer("<script>", "password_again", "x"), 422, "&lt;script&gt;"},
		} {
			res := v.signUp("", tt.form)
			if res.StatusCode != tt.status || !strings.Contains(res.body, tt.want) || strings.Contains(res.body, tt.form.Get("password")) && tt.form.Get("password") != "" {
				w.Errorf("%s: %s %s; want %q", name, res.Status, res.body, tt.want)
			}
			if strings.HasPrefix(name, "two") && !strings.Contains(res.body, `value="Grace Hopper"`) {
				w.Errorf("%s: what was entered is lost: %s", name, res.body)
			}
		}
		if _, err := w.accounts.Find(w.Context(), "grace"); err == nil {
			w.Error("an account was created")
		}
		res := v.signUp("", newcomer("grace"))
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" || !strings.Contains(v.get("/").body, "Grace Hopper") {
			w.Errorf("signed up: %s %q", res.Status, res.Header.Get("Location"))
		}
		if res := v.get("/sign-up"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
			w.Errorf("who is signed in: %s", res.Status)
		}
		for n := range 30 { // LG-08
			res = v.signUp("", newcomer("ada"))
			if res.StatusCode == http.StatusTooManyRequests {
				if n < 10 || res.Header.Get("Retry-After") == "" || !strings.Contains(res.body, "Nothing was created") {
					w.Errorf("name %d: %s %s", n, res.Status, res.body)
				}
				break
			}
		}
		if res.StatusCode != http.StatusTooManyRequests {
			w.Errorf("LG-08: thirty names were tried: %s", res.Status)
		}
		w.clock.Advance(2 * time.Hour)
		w.down(func() { w.wantPage(v.signUp("", newcomer("hedy")), "E-UNAVAILABLE") })
	})
}

// Values that exclude one another, and a server that takes no sign-ups.
func TestPromptCreateRefused(t *testing.T) {
	eachSignUp(t, func(w *world) {
		hint := w.tokens(w.web).str("id_token")
		for name, q := range map[string]url.Values{
			"with none":     w.web.ask("prompt", "none create"),
			"AZ-25 unknown": w.web.ask("prompt", "create more"),
			"with a hint":   w.web.ask("prompt", "create", "id_token_hint", hint),
			"with a sub":    w.web.ask("prompt", "create", "claims", `{"id_token":{"sub":{"value":"`+w.user.ID+`"}}}`),
		} {
			res := w.authorize(q)
			if w.wantRefusal(res, "invalid_request", "st&a te"); res.sent().Get("error_description") == "" {
				w.Errorf("%s: no description", name)
			}
		}
		w.must(w.db.With(w.Context()).Exec("DELETE FROM accounts").Error)
		w.must(w.db.With(w.Context()).Exec("UPDATE installation SET bootstrapped_at = NULL").Error)
		v := visitor{w, map[string]string{}}
		w.wantPage(v.signUp("", newcomer("eve")), "E-NOT-SET-UP") // the first account is an administrator's
	})
}

func TestNoSignUp(t *testing.T) {
	each(t, func(w *world) {
		res := w.authorize(w.web.ask("prompt", "create"))
		w.wantRefusal(res, "invalid_request", "st&a te")
		if prompts := w.get("/.well-known/openid-configuration").json["prompt_values_supported"].([]any); slices.Contains(prompts, any("create")) {
			w.Errorf("prompt_values_supported: %v", prompts)
		}
		v := visitor{w, map[string]string{}}
		w.wantPage(v.get("/sign-up"), "E-SIGN-UP-OFF")
		w.wantPage(v.signUp("", newcomer("grace")), "E-SIGN-UP-OFF")
		if page := v.get("/login"); strings.Contains(page.body, "/sign-up") {
			w.Error("the sign-in page leads to sign-up")
		}
	})
}
