package authz_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// visitor is a browser that keeps cookies.
type visitor struct {
	w   *world
	jar map[string]string
}

func (v visitor) do(r *http.Request) answer {
	v.w.Helper()
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	a := v.w.do(r)
	for _, c := range a.Cookies() {
		v.jar[c.Name] = c.Value
	}
	return a
}

func (v visitor) get(path string) answer {
	v.w.Helper()
	return v.do(v.w.request(http.MethodGet, path, "", ""))
}

// consentForm opens the consent page of the request and returns its form, with
// the decision to allow it.
func (v visitor) consentForm(q url.Values) url.Values {
	v.w.Helper()
	page := v.get(v.get("/authorize?" + q.Encode()).Header.Get("Location"))
	form := url.Values{"decision": {"allow"}}
	for _, field := range regexp.MustCompile(`name="(interaction|account|shown)" value="([^"]*)"`).FindAllStringSubmatch(page.body, -1) {
		form.Set(field[1], field[2])
	}
	if len(form) != 4 {
		v.w.Fatalf("consent page: %s %.500s", page.Status, page.body)
	}
	return form
}

func (v visitor) consent(form url.Values) answer {
	v.w.Helper()
	return v.do(v.w.request(http.MethodPost, "/consent", formType, form.Encode()))
}

func TestLC13DisapprovedWhileThePersonReads(t *testing.T) {
	each(t, func(w *world) {
		v := visitor{w, map[string]string{"cs_session": w.cookie}}
		form := v.consentForm(w.web.ask("prompt", "consent"))
		_, err := w.clients.Disapprove(w.Context(), admin, w.web.ID, "Too curious.")
		w.must(err)
		w.wantPage(v.get(v.consent(form).Header.Get("Location")), "Too curious.")
		var codes int64
		w.must(w.db.With(w.Context()).Table("authorization_codes").Count(&codes).Error)
		if codes != 0 {
			w.Errorf("%d codes were issued", codes)
		}
	})
}

// LC-15: a disapproval that is answered while a token request is under way.
func TestLC15DisapprovedInFlight(t *testing.T) {
	each(t, func(w *world) {
		code, once := w.code(w.web), sync.Once{}
		w.db.SetHook(func(ctx context.Context, statement string) error {
			if statement == "BEGIN" || strings.Contains(statement, "WITH u AS") { // the client was found approved, nothing is written yet
				once.Do(func() {
					w.db.SetHook(nil)
					_, err := w.clients.Disapprove(ctx, admin, w.web.ID, "")
					w.must(err)
				})
			}
			return nil
		})
		res := w.post("/token", w.web, redemption(code))
		if res.StatusCode == http.StatusOK && w.userinfo(res.str("access_token")).StatusCode != http.StatusUnauthorized {
			w.Errorf("a token of a disapproved client lives: %s", res.body)
		}
		_, err := w.clients.Approve(w.Context(), admin, w.web.ID)
		w.must(err)
		w.wantError(w.post("/token", w.web, redemption(code)), 400, "invalid_grant")
	})
}

func TestLC26RemovedKeyIsNotGivenOutAgain(t *testing.T) {
	each(t, func(w *world) {
		seen := map[string]bool{w.web.ID: true, w.native.ID: true}
		w.must(w.clients.Remove(w.Context(), admin, w.web.ID))
		for range 20 {
			c, _, err := w.clients.Register(w.Context(), admin, registration("Again"))
			w.must(err)
			if seen[c.ID] {
				w.Fatalf("the key %s was given out twice", c.ID)
			}
			seen[c.ID] = true
		}
	})
}

// RT-17: offline access is asked for, and once allowed is remembered.
func TestRT17OfflineAccessIsOnTheConsentPage(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(registration("Offline"))
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		v := visitor{w, map[string]string{"cs_session": w.cookie}}
		page := v.get(v.get("/authorize?" + a.ask().Encode()).Header.Get("Location"))
		if !strings.Contains(page.body, "Keep this access when you are not using it") {
			w.Errorf("consent page: %.800s", page.body)
		}
		if code := v.get(v.consent(v.consentForm(a.ask())).Header.Get("Location")).sent().Get("code"); code == "" {
			w.Error("allowed, and no code")
		}
		w.code(a)
	})
}

// IN-11: what was never issued costs no look at the tokens.
func TestIN11GarbageIsNotLookedFor(t *testing.T) {
	each(t, func(w *world) {
		for i := range 10_000 {
			seen := false
			w.db.SetHook(func(_ context.Context, statement string) error {
				seen = seen || strings.Contains(statement, "access_tokens") || strings.Contains(statement, "refresh_tokens")
				return nil
			})
			garbage := fmt.Sprintf("cs_at_%049d", i)
			if w.active(w.web, garbage) || seen {
				w.Fatalf("%s was looked for", garbage)
			}
		}
	})
}

// TK-18: clients that hang up at any moment leave nothing half done.
func TestTK18RequestsThatAreGivenUp(t *testing.T) {
	each(t, func(w *world) {
		for i := range 120 {
			code := w.code(w.web)
			ctx, cancel := context.WithTimeout(w.Context(), time.Duration(i*33)*time.Microsecond)
			r := w.request(http.MethodPost, "/token", formType, redemption(code).Encode()).WithContext(ctx)
			r.SetBasicAuth(w.web.ID, w.web.secret)
			if res, err := noRedirects.Do(r); err == nil {
				w.must(res.Body.Close())
			}
			cancel()
		}
		var halves int64
		w.must(w.db.With(w.Context()).Raw(`SELECT count(*) FROM authorization_codes ac
			WHERE (ac.spent_at IS NOT NULL) <> EXISTS (SELECT 1 FROM access_tokens t WHERE t.grant_id = ac.grant_id)
			OR (ac.spent_at IS NOT NULL) <> EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = ac.grant_id)`).Scan(&halves).Error)
		if halves != 0 {
			w.Errorf("INV-09: %d codes were spent without their tokens, or the other way round", halves)
		}
	})
}

// LO-09: after signing out, what was for the session is gone, and what is for
// when nobody is there is not.
func TestLO09AfterSigningOut(t *testing.T) {
	each(t, func(w *world) {
		online, offline := w.tokens(w.web, "scope", "openid"), w.tokens(w.web)
		v := visitor{w, map[string]string{"cs_session": w.cookie}}
		if res := v.do(w.request(http.MethodPost, "/logout", formType, "")); res.StatusCode >= http.StatusBadRequest {
			w.Fatalf("sign out: %s %.300s", res.Status, res.body)
		}
		w.wantRefusal(w.authorize(w.web.ask("prompt", "none")), "login_required", "st&a te")
		if w.active(w.web, online.str("access_token")) || w.refresh(w.web, offline.str("refresh_token")).StatusCode != http.StatusOK {
			w.Error("an online token lives, or offline access ended")
		}
	})
}

// LG-20, LO-13: a session that ends while its code is issued takes the code
// along.
func TestLO13SignedOutInFlight(t *testing.T) {
	each(t, func(w *world) {
		once := sync.Once{}
		w.db.SetHook(func(ctx context.Context, statement string) error {
			if statement == "BEGIN" || strings.Contains(statement, "WITH g AS") {
				once.Do(func() {
					w.db.SetHook(nil)
					w.must(w.sessions.End(ctx, w.session.ID))
				})
			}
			return nil
		})
		if res := w.authorize(w.web.ask()); res.sent().Get("code") != "" {
			w.Errorf("LG-20: a code of a session that was over: %q", res.Header.Get("Location"))
		}
	})
}

// LC-15 and TX-05: what an exchange stands on ends after it was found good, and
// before anything is written.
func TestLC15ExchangeInFlight(t *testing.T) {
	each(t, func(w *world) {
		for name, end := range map[string]func(ctx context.Context, m move) error{
			"consumer disapproved": func(ctx context.Context, m move) error {
				_, err := w.clients.Disapprove(ctx, admin, m.tool.ID, "")
				return err
			},
			"client disapproved": func(ctx context.Context, m move) error {
				_, err := w.clients.Disapprove(ctx, admin, m.next.ID, "")
				return err
			},
			"consent withdrawn": func(ctx context.Context, m move) error {
				return w.grants.WithdrawConsent(ctx, w.user.ID, m.tool.ID)
			},
		} {
			m, once := w.move("models"), sync.Once{}
			subject := m.subject()
			w.db.SetHook(func(ctx context.Context, statement string) error {
				if statement == "BEGIN" || strings.Contains(statement, "WITH g AS") {
					once.Do(func() {
						w.db.SetHook(nil)
						w.must(end(ctx, m))
					})
				}
				return nil
			})
			res := w.exchange(m.next, typeOAuth1, subject)
			if res.StatusCode == http.StatusOK && w.active(w.auditor(), res.str("access_token")) {
				w.Errorf("%s: a token lives whose ground is gone: %s", name, res.body)
			}
			if res.StatusCode != http.StatusOK {
				w.wantRefused(name, res, "invalid_request", "this very moment")
			}
		}
	})
}
