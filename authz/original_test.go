package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/authz/oauth1/signature"
	"countersign/clientstore"
)

// original is a client that speaks OAuth Core 1.0, as that of Eclipse Lyo does:
// it asks for a token by GET with everything in the query and no callback,
// names the callback at the authorization page, and brings no verifier. Its
// nonces are short, and count on.
func (w *world) original(m clientstore.Metadata) app {
	w.Helper()
	m.OAuth1WithoutVerifier = true
	return w.consumer("Lyo", m)
}

func (w *world) askOriginally(a app, change ...string) answer {
	w.Helper()
	w.made++
	s := signing{method: http.MethodGet, path: "/oauth1/request_token", app: a, place: signature.InQuery, oauth: map[string]string{
		"oauth_version": "1.0", "oauth_nonce": fmt.Sprint(52817 + w.made),
	}}
	for i := 0; i < len(change); i += 2 {
		s.oauth[change[i]] = change[i+1]
	}
	return w.do(w.signed(s))
}

// pair is the token and the secret of an answer.
func (w *world) pair(res answer) (token, secret string) {
	w.Helper()
	form, err := url.ParseQuery(res.body)
	w.must(err)
	if res.StatusCode != http.StatusOK || form.Get("oauth_token") == "" || form.Get("oauth_token_secret") == "" {
		w.Fatalf("no credentials: %s %s", res.Status, res.body)
	}
	return form.Get("oauth_token"), form.Get("oauth_token_secret")
}

// exchangeOriginally asks for token credentials in a form.
func (w *world) exchangeOriginally(a app, token, secret, verifier string) answer {
	w.Helper()
	return w.do(w.signed(signing{
		method: http.MethodPost, path: "/oauth1/access_token", app: a, token: token, secret: secret, place: signature.InForm,
		oauth: map[string]string{"oauth_version": "1.0", "oauth_verifier": verifier},
	}))
}

func authorizeAt(token, callback string) string {
	return "/oauth1/authorize?" + url.Values{"oauth_token": {token}, "oauth_callback": {callback}}.Encode()
}

func TestOriginalOAuth(t *testing.T) {
	each(t, func(w *world) {
		a := w.original(clientstore.Metadata{RedirectURIs: []string{callback, callback + "/b?x=1"}, Scope: "models"})
		res := w.askOriginally(a)
		token, secret := w.pair(res)
		if strings.Contains(res.body, "oauth_callback_confirmed") {
			w.Errorf("a callback is confirmed that was not sent: %s", res.body)
		}
		w.wantProblem("not allowed yet", w.exchangeOriginally(a, token, secret, ""), 401, "additional_authorization_required")
		for name, callback := range map[string]string{"unregistered": "https://evil.example/", "a prefix": callback + "/c", "oob": "oob", "empty": ""} {
			if res := w.get(authorizeAt(token, callback)); res.StatusCode != http.StatusBadRequest {
				w.Errorf("%s: %s", name, res.Status)
			} else {
				w.wantPage(res, "E-OAUTH1-CALLBACK")
			}
		}
		w.wantPage(w.get("/oauth1/authorize?oauth_token="+token), "E-OAUTH1-CALLBACK")
		w.wantPage(w.get(authorizeAt(token, callback)+"&oauth_callback="+url.QueryEscape(callback)), "E-OAUTH1-CALLBACK")

		at := authorizeAt(token, callback+"/b?x=1")
		b := w.browse()
		page := w.open(b, w.open(b, w.open(b, at).Header.Get("Location")).Header.Get("Location"))
		if !strings.Contains(page.body, "Only continue if you started this yourself just now from") {
			w.Errorf("the page does not warn: %s", page.body)
		}
		// What was chosen stays, whoever opens the page with something else.
		w.wantPage(w.get(authorizeAt(token, callback)), "E-OAUTH1-TOKEN")
		res = w.decideAt(at, "allow")
		if got, want := res.Header.Get("Location"), callback+"/b?x=1&oauth_token="+token; got != want {
			w.Fatalf("answered %s %q; want %q", res.Status, got, want)
		}
		w.wantProblem("another consumer", w.exchangeOriginally(w.original(clientstore.Metadata{}), token, secret, ""), 401, "signature_invalid")
		access, accessSecret := w.pair(w.exchangeOriginally(a, token, secret, ""))
		w.wantProblem("twice", w.exchangeOriginally(a, token, secret, ""), 401, "token_used")
		got := w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: a, token: access, secret: accessSecret}))
		if got.json["active"] != true || got.str("sub") != w.user.ID || got.str("scope") != "models" {
			w.Errorf("used: %s %s", got.Status, got.body)
		}
	})
}

// Only a client with the switch is served so, and only for as long as it has
// it; it speaks OAuth 1.0a all the same, which nothing of it weakens.
func TestOriginalOAuthIsPerClientAndPerRequest(t *testing.T) {
	each(t, func(w *world) {
		plain := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		res := w.askOriginally(plain)
		w.wantProblem("GET without the switch", res, 405, "parameter_rejected")
		if res.Header.Get("Allow") != http.MethodPost || !strings.Contains(res.body, "administrator") {
			w.Errorf("GET without the switch: Allow %q, %s", res.Header.Get("Allow"), res.body)
		}
		w.wantProblem("GET, unproved", w.askOriginally(plain, "oauth_signature", "AAAA"), 401, "signature_invalid")
		s := begin(plain)
		s.oauth["oauth_callback"] = ""
		w.wantProblem("POST without a callback", w.do(w.signed(s)), 400, "parameter_absent")
		token, _ := w.pair(w.do(w.signed(begin(plain))))
		if res := w.decideAt(authorizeAt(token, "https://evil.example/"), "allow"); !strings.HasPrefix(res.Header.Get("Location"), callback+"?") {
			w.Errorf("a callback at the page of OAuth 1.0a leads to %q", res.Header.Get("Location"))
		}

		a := w.original(clientstore.Metadata{RedirectURIs: []string{callback}})
		old, oldSecret := w.pair(w.askOriginally(a))
		strict := w.askOriginally(a, "oauth_callback", callback)
		token, secret := w.pair(strict)
		if !strings.Contains(strict.body, "oauth_callback_confirmed=true") {
			w.Errorf("a callback is not confirmed: %s", strict.body)
		}
		w.wantProblem("an unregistered callback", w.askOriginally(a, "oauth_callback", "https://evil.example/"), 400, "parameter_rejected")
		verifier := w.allowed(token)
		w.wantProblem("OAuth 1.0a without verifier", w.exchangeOriginally(a, token, secret, ""), 400, "parameter_absent")
		if res := w.decideAt(authorizeAt(old, callback), "allow"); !strings.HasPrefix(res.Header.Get("Location"), callback) || strings.Contains(res.Header.Get("Location"), "verifier") {
			w.Errorf("allowed: %s %q", res.Status, res.Header.Get("Location"))
		}
		w.wantProblem("OAuth 1.0a without verifier, beside the other", w.exchangeOriginally(a, token, secret, ""), 400, "parameter_absent")
		w.pair(w.exchangeOriginally(a, token, secret, verifier))

		// The switch is taken away while requests wait.
		waits, _ := w.pair(w.askOriginally(a))
		m := a.Metadata
		m.OAuth1WithoutVerifier = false
		now, err := w.clients.Get(w.Context(), a.ID)
		w.must(err)
		_, err = w.clients.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &m, Version: now.Version})
		w.must(err)
		w.wantProblem("allowed, and the switch is gone", w.exchangeOriginally(a, old, oldSecret, ""), 401, "token_revoked")
		b := w.browse()
		w.wantPage(w.open(b, w.open(b, authorizeAt(waits, callback)).Header.Get("Location")), "E-OAUTH1-TOKEN")
	})
}

// The question is asked each time and the answer not remembered; nothing
// outlives the client's approval, and a request waits ten minutes.
func TestOriginalOAuthLifeCycle(t *testing.T) {
	each(t, func(w *world) {
		m := clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1WithoutVerifier: true}
		c, key, err := w.clients.Register(w.Context(), admin, clientstore.Registration{Type: clientstore.OAuth1, Name: "Lyo", Metadata: m})
		w.must(err)
		a := app{c, key}
		w.wantProblem("pending", w.askOriginally(a), 401, "consumer_key_rejected")
		_, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		for range 2 {
			token, secret := w.pair(w.askOriginally(a))
			w.decideAt(authorizeAt(token, callback), "allow") // fails unless it is asked
			w.pair(w.exchangeOriginally(a, token, secret, ""))
		}
		if kept, err := w.grants.Consent(w.Context(), w.user.ID, a.ID); err != nil || kept != nil {
			w.Errorf("remembered: %+v, %v", kept, err)
		}
		token, secret := w.pair(w.askOriginally(a))
		if res := w.decideAt(authorizeAt(token, callback), "deny"); !strings.Contains(res.Header.Get("Location"), "oauth_problem=user_refused") {
			w.Errorf("denied: %q", res.Header.Get("Location"))
		}
		w.wantProblem("denied", w.exchangeOriginally(a, token, secret, ""), 401, "permission_denied")
		late, lateSecret := w.pair(w.askOriginally(a))
		w.clock.Advance(10*time.Minute + time.Second)
		w.wantProblem("late", w.exchangeOriginally(a, late, lateSecret, ""), 401, "token_expired")
		w.wantPage(w.get(authorizeAt(late, callback)), "E-OAUTH1-TOKEN")

		token, secret = w.pair(w.askOriginally(a))
		w.decideAt(authorizeAt(token, callback), "allow")
		w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
		w.wantProblem("account disabled", w.exchangeOriginally(a, token, secret, ""), 401, "token_revoked")
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "No.")
		w.must(err)
		w.wantProblem("disapproved", w.askOriginally(a), 401, "consumer_key_rejected")
		w.wantProblem("disapproved, at the exchange", w.exchangeOriginally(a, token, secret, ""), 401, "consumer_key_rejected")
		w.must(w.clients.Remove(w.Context(), admin, a.ID))
		w.wantProblem("removed", w.askOriginally(a), 401, "signature_invalid")
	})
}

// Who cannot be redirected to is told to go back.
func TestOriginalOAuthByHand(t *testing.T) {
	each(t, func(w *world) {
		a := w.original(clientstore.Metadata{})
		for _, at := range []func(token string) string{
			func(token string) string { return "/oauth1/authorize?oauth_token=" + token },
			func(token string) string { return authorizeAt(token, "oob") },
		} {
			token, secret := w.pair(w.askOriginally(a))
			if page := w.decideAt(at(token), "allow"); !strings.Contains(page.body, "Go back to") || strings.Contains(page.body, "<output") {
				w.Errorf("allowed: %s %s", page.Status, page.body)
			}
			w.pair(w.exchangeOriginally(a, token, secret, ""))
		}
	})
}
