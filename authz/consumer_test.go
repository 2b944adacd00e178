package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/authz/oauth1/signature"
	"countersign/clientstore"
	"countersign/storage/account"
)

// functional is a request without a token.
func (w *world) functional(a app, change ...string) answer {
	w.Helper()
	s := signing{method: http.MethodGet, path: "/oauth1/verify", app: a, oauth: map[string]string{}}
	for i := 0; i < len(change); i += 2 {
		s.oauth[change[i]] = change[i+1]
	}
	return w.do(w.signed(s))
}

// A functional account is what requests without a token act as, for as long as
// client and account hold.
func TestFunctionalAccount(t *testing.T) {
	each(t, func(w *world) {
		export, err := w.accounts.Create(w.Context(), admin, account.Registration{Username: "export", Password: "correct horse battery staple"})
		w.must(err)
		r := clientstore.Registration{Type: clientstore.OAuth1, Name: "Nightly", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: "models", OAuth1FunctionalAccount: export.ID,
		}}
		c, secret, err := w.clients.Register(w.Context(), admin, r)
		w.must(err)
		a := app{c, secret}
		want := func(name, problem string) {
			w.Helper()
			if res := w.functional(a); res.StatusCode/100 != 4 || res.json["active"] != false || res.str("oauth_problem") != problem || res.str("sub") != "" {
				w.Errorf("%s: %s %s; want %s", name, res.Status, res.body, problem)
			}
		}
		want("pending", "consumer_key_rejected")
		_, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		res := w.functional(a)
		if res.StatusCode != http.StatusOK || res.json["active"] != true || res.str("sub") != export.ID || res.str("username") != "export" ||
			res.str("client_id") != a.ID || res.str("scope") != "models" || res.str("token_type") != "OAuth" || res.json["exp"] != nil {
			w.Errorf("functional: %s %s", res.Status, res.body)
		}
		if res := w.functional(a, "oauth_token", "cs_o1a_unknown"); res.str("oauth_problem") != "signature_invalid" {
			w.Errorf("an unknown token is taken for none: %s", res.body)
		}
		for _, place := range []signature.Place{signature.InHeader, signature.InQuery} { // as old clients send it
			s := signing{method: http.MethodGet, path: "/oauth1/verify", app: a, oauth: map[string]string{}, place: place, emptyToken: true}
			if res := w.do(w.signed(s)); res.json["active"] != true || res.str("sub") != export.ID {
				w.Errorf("an empty oauth_token in the %s: %s %s", place, res.Status, res.body)
			}
		}
		if res := w.functional(a, "oauth_signature", "AAAA"); res.str("oauth_problem") != "signature_invalid" {
			w.Errorf("without the secret: %s", res.body)
		}
		w.must(w.accounts.Disable(w.Context(), admin, export.ID))
		want("account disabled", "permission_denied")
		w.must(w.accounts.Enable(w.Context(), admin, export.ID))
		if res := w.functional(a); res.json["active"] != true {
			w.Errorf("enabled again: %s", res.body)
		}
		w.must(w.accounts.SetPermissions(w.Context(), admin, export.ID, []account.Permission{account.ConfigureServer}))
		want("account became an administrator's", "permission_denied")
		w.must(w.accounts.SetPermissions(w.Context(), admin, w.user.ID, []account.Permission{account.ConfigureServer})) // one has to stay
		w.must(w.accounts.Remove(w.Context(), admin, export.ID))
		want("account removed", "permission_denied")
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "No.")
		w.must(err)
		want("disapproved", "consumer_key_rejected")
		w.must(w.clients.Remove(w.Context(), admin, a.ID))
		want("removed", "signature_invalid")
		plain := w.consumer("Plain", clientstore.Metadata{})
		if res := w.functional(plain); res.StatusCode != http.StatusBadRequest || res.str("oauth_problem") != "parameter_absent" {
			w.Errorf("without a functional account: %s %s", res.Status, res.body)
		}
	})
}

// Nobody is asked about a trusted client, and it gets nothing without somebody
// who is signed in and an approval that stands.
func TestTrustedConsumer(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Trusted", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models", OAuth1Trusted: true})
		c := w.dghubble(a, nil)
		begin := func() (token, secret, resume string) {
			token, secret, err := c.RequestToken()
			w.must(err)
			return token, secret, "/oauth1/authorize?oauth_token=" + url.QueryEscape(token)
		}
		token, secret, at := begin()
		b := w.browse()
		res := w.open(b, w.open(b, at).Header.Get("Location"))
		u, err := url.Parse(res.Header.Get("Location"))
		w.must(err)
		verifier := u.Query().Get("oauth_verifier")
		if !strings.HasPrefix(u.String(), callback) || verifier == "" || u.Query().Get("oauth_token") != token {
			w.Fatalf("a trusted client is answered %s %q %s", res.Status, u, res.body)
		}
		token, secret, err = c.AccessToken(token, secret, verifier)
		w.must(err)
		use := func() answer {
			return w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: a, token: token, secret: secret}))
		}
		if res := use(); res.json["active"] != true || res.str("sub") != w.user.ID || res.str("scope") != "models" {
			w.Errorf("used: %s %s", res.Status, res.body)
		}
		_, _, at = begin()
		was := w.cookie
		w.cookie = ""
		b = w.browse()
		if res := w.open(b, w.open(b, at).Header.Get("Location")); !strings.Contains(res.Header.Get("Location"), "/login") {
			w.Errorf("with nobody signed in: %s %q", res.Status, res.Header.Get("Location"))
		}
		w.cookie = was
		_, err = w.clients.Disapprove(w.Context(), admin, a.ID, "No.")
		w.must(err)
		b = w.browse()
		if res := w.open(b, w.open(b, at).Header.Get("Location")); res.StatusCode != http.StatusForbidden || !strings.Contains(res.body, "Trusted") {
			w.Errorf("disapproved: %s %q", res.Status, res.Header.Get("Location"))
		}
		if res := use(); res.str("oauth_problem") != "consumer_key_rejected" {
			w.Errorf("used after the disapproval: %s", res.body)
		}
		w.must(w.clients.Remove(w.Context(), admin, a.ID))
		if res := w.open(b, at); res.StatusCode == http.StatusSeeOther {
			w.Errorf("removed: %s %q", res.Status, res.Header.Get("Location"))
		}
		// What a person has to carry is asked about.
		oob := w.consumer("Terminal", clientstore.Metadata{OAuth1Trusted: true})
		c = w.dghubble(oob, nil)
		c.CallbackURL = "oob"
		_, _, at = begin()
		b = w.browse()
		if res := w.open(b, w.open(b, at).Header.Get("Location")); !strings.Contains(res.Header.Get("Location"), "/consent") {
			w.Errorf("out of band: %s %q %s", res.Status, res.Header.Get("Location"), res.body)
		}
	})
}
