package driver

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
)

type tokens struct{ access, refresh string }

// authorize runs the code flow with PKCE and OpenID Connect in the browser.
// More are parameters beside those: the client's own, where the browser is new to
// the server.
func (w *worker) authorize(c Client, b *browser, more map[string]string) (tokens, error) {
	to, err := w.server.endpoint("authorization")
	if err != nil {
		return tokens{}, err
	}
	verifier, state := rand.Text()+rand.Text(), rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.RedirectURI}, "scope": {c.Scope}, "state": {state}, "nonce": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for name, value := range more {
		q.Set(name, value)
	}
	from := *to
	from.RawQuery = q.Encode()
	end, err := b.run(&from, c.RedirectURI)
	if err != nil {
		return tokens{}, err
	}
	code := end.Query().Get("code")
	if code == "" || end.Query().Get("state") != state {
		return tokens{}, fmt.Errorf("sent back without a code, or with another state: %.200s", end)
	}
	return w.redeem(c, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.RedirectURI}, "code_verifier": {verifier}})
}

func (w *worker) redeem(c Client, form url.Values) (tokens, error) {
	r, err := w.post("token", c, form)
	if err != nil {
		return tokens{}, err
	}
	a, err := w.ask(r, `"id_token"`)
	if err != nil {
		return tokens{}, err
	}
	return tokens{a.member("access_token"), a.member("refresh_token")}, nil
}

// codeAnew is the whole flow in a browser that the server does not know.
func codeAnew(w *worker) error {
	c, err := w.server.client("code")
	if err != nil {
		return err
	}
	w.step = func() error {
		b := newBrowser(w)
		b.conn = &connection{from: somewhere()}
		_, err := w.authorize(c, b, c.Authorize)
		b.conn.close()
		w.conn.sent += b.conn.sent
		return err
	}
	return w.step()
}

// codeLive is the flow in a browser in which somebody is signed in and has
// consented.
func codeLive(w *worker) error {
	c, err := w.server.client("code")
	if err != nil {
		return err
	}
	b := newBrowser(w)
	if _, err := w.authorize(c, b, c.Authorize); err != nil {
		return err
	}
	w.step = func() error {
		_, err := w.authorize(c, b, nil)
		return err
	}
	return w.step()
}

// deviceLive is the device flow, with the codes entered in a browser in which
// somebody is signed in.
func deviceLive(w *worker) error {
	c, err := w.server.client("device")
	if err != nil {
		return err
	}
	start, err := w.post("device", c, url.Values{"scope": {c.Scope}, "client_id": {c.ID}})
	if err != nil {
		return err
	}
	b := newBrowser(w)
	w.step = func() error {
		a, err := w.ask(start, `"device_code"`)
		if err != nil {
			return err
		}
		at, err := url.Parse(a.member("verification_uri_complete"))
		if err != nil {
			return err
		}
		b.fill(w, a.member("user_code"))
		if _, err := b.run(at, ""); err != nil {
			return err
		}
		_, err = w.redeem(c, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {a.member("device_code")}, "client_id": {c.ID}})
		return err
	}
	return w.step() // signs in
}
