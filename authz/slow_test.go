package authz_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/authz/protocol"
	"countersign/storage/account"
	"countersign/storage/seal"
	"countersign/storage/session"
)

// slow is the body of a request, before which something else happens. It is
// sent when the server asks for it.
type slow struct {
	io.Reader
	before func()
	once   sync.Once
}

func (s *slow) Read(p []byte) (int, error) {
	s.once.Do(s.before)
	return s.Reader.Read(p)
}

// submitSlowly sends a form of a page of ours, and does something else when the
// server has let the request in and waits for the form.
func (v visitor) submitSlowly(path string, form url.Values, meanwhile func()) answer {
	v.w.Helper()
	r := v.w.request(http.MethodPost, path, formType, form.Encode())
	r.Body = io.NopCloser(&slow{Reader: strings.NewReader(form.Encode()), before: meanwhile})
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return v.w.surf(&http.Client{
		Transport:     &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, r)
}

// visits begins a session by these methods, and returns its browser.
func (w *world) visits(amr ...string) (visitor, *session.Session) {
	w.Helper()
	s, cookie, err := w.sessions.Start(w.Context(), session.SignIn{AccountID: w.user.ID, AccountEpoch: w.user.Epoch, ACR: protocol.ACRMulti, AMR: amr})
	w.must(err)
	return visitor{w, map[string]string{"cs_session": cookie, "cs_browser": seal.NewToken(seal.BrowserCookie)}}, s
}

func (w *world) addPasskey(id string) {
	w.Helper()
	_, err := w.accounts.AddPasskey(w.Context(), admin, w.user, account.Passkey{ID: id, Name: "Laptop", Credential: "{}"})
	w.must(err)
}

// LG-36: a request that was let in waits for its body, and meanwhile the session
// ends: its form changes nothing of the account.
func TestFormsNeedTheSessionToTheEnd(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		w.addPasskey("k")
		for path, form := range map[string]url.Values{
			"/account/passkeys/remove": {"passkey": {"k"}},
			"/account/password": {
				"current_password": {password}, "password": {"an entirely other sentence"}, "password_again": {"an entirely other sentence"},
			},
			"/account/profile":             {"name": {"Mallory"}},
			"/account/sessions":            {"others": {"yes"}},
			"/account/applications/remove": {"client": {w.web.ID}},
		} {
			v, s := w.visits("pwd", "otp", "mfa")
			res := v.submitSlowly(path, form, func() { w.must(w.sessions.End(w.Context(), s.ID)) })
			if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/login") {
				w.Errorf("%s: %s %q", path, res.Status, res.Header.Get("Location"))
			}
		}
		f, err := w.accounts.Factors(w.Context(), w.user.ID)
		w.must(err)
		a, err := w.accounts.Get(w.Context(), w.user.ID)
		w.must(err)
		if len(f.Passkeys) != 1 || a.Claims.Name == "Mallory" || a.PasswordHash != w.user.PasswordHash {
			w.Errorf("changed all the same: %d passkeys, %+v", len(f.Passkeys), a)
		}
		if _, err := w.sessions.Get(w.Context(), w.cookie); err != nil {
			w.Errorf("another session: %v", err)
		}
	})
}

// LG-36: nor does a session that was begun by password alone remove the first
// factor, which came while its form was on the way.
func TestRemovingAPasskeyNeedsTheFactorToTheEnd(t *testing.T) {
	each(t, func(w *world) {
		v, _ := w.visits("pwd")
		res := v.submitSlowly("/account/passkeys/remove", url.Values{"passkey": {"k"}}, func() { w.addPasskey("k") })
		if !strings.HasPrefix(res.Header.Get("Location"), "/login?interaction=") {
			w.Errorf("removed: %s %q", res.Status, res.Header.Get("Location"))
		}
		if has, err := w.accounts.HasSecondFactor(w.Context(), w.user.ID); err != nil || !has {
			w.Errorf("the passkey is there: %v, %v", has, err)
		}
	})
}
