package driver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// worker does one operation after another.
type worker struct {
	server *Server
	conn   *connection
	number int
	step   func() error

	// What it did while it was measured, and what failed at any time.
	times  []time.Duration
	sent   int64 // requests
	done   atomic.Int64
	failed int64
	first  error
}

// Scenario is one kind of operation. What it needs beforehand is not measured.
type Scenario struct {
	Name string
	// Does says what one operation is.
	Does  string
	setup func(w *worker) error
}

// Scenarios are all of them.
var Scenarios = []Scenario{
	{"cc", "client_credentials, opaque token", tokenByClient("cc", opaque)},
	{"cc_jwt", "client_credentials, ES256 token", tokenByClient("cc_jwt", signed)},
	{"introspect", "introspection by a resource server", introspect},
	{"userinfo", "userinfo", userinfo},
	{"refresh", "refresh with rotation and an ID token", refresh},
	{"code_live", "authorize and redeem in a live session", codeLive},
	{"code", "authorize, sign in, consent, redeem", codeAnew},
	{"device_live", "device flow in a live session", deviceLive},
	{"discovery", "discovery document", read("discovery", `"issuer"`)},
	{"jwks", "signing keys", read("jwks", `"keys"`)},
}

// Find returns the scenario of that name.
func Find(name string) (Scenario, error) {
	for _, s := range Scenarios {
		if s.Name == name {
			return s, nil
		}
	}
	return Scenario{}, fmt.Errorf("there is no scenario %q", name)
}

const formType = "Content-Type: application/x-www-form-urlencoded"

// post writes a request of a client.
func (w *worker) post(endpoint string, c Client, form url.Values) (*request, error) {
	to, err := w.server.endpoint(endpoint)
	if err != nil {
		return nil, err
	}
	for name, value := range c.Extra {
		form.Set(name, value)
	}
	basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret)))
	return write(http.MethodPost, to, []string{formType, "Accept: application/json", "Authorization: Basic " + basic}, form.Encode()), nil
}

// ask sends a request of which the answer is to hold something.
func (w *worker) ask(r *request, holds string) (*answer, error) {
	a, err := w.conn.do(r)
	switch {
	case err != nil:
		return nil, err
	case a.StatusCode != http.StatusOK || !bytes.Contains(a.body, []byte(holds)):
		return nil, fmt.Errorf("answer without %s: %s: %.160s", holds, a.Status, a.body)
	}
	return a, nil
}

// member returns a text of a JSON answer.
func (a *answer) member(name string) string {
	document := map[string]any{}
	_ = json.Unmarshal(a.body, &document) // what is none has no members
	text, _ := document[name].(string)
	return text
}

func (w *worker) byClient(name string) (*request, error) {
	c, err := w.server.client(name)
	if err != nil {
		return nil, err
	}
	return w.post("token", c, url.Values{"grant_type": {"client_credentials"}, "scope": {c.Scope}})
}

func signed(token string) bool {
	return strings.Count(token, ".") == 2 && strings.HasPrefix(token, "eyJ")
}

func opaque(token string) bool { return !signed(token) }

// tokenByClient asks for tokens of the form that is meant.
func tokenByClient(name string, meant func(token string) bool) func(*worker) error {
	return func(w *worker) error {
		r, err := w.byClient(name)
		if err != nil {
			return err
		}
		a, err := w.ask(r, `"access_token"`)
		if err != nil {
			return err
		}
		if !meant(a.member("access_token")) {
			return UnsupportedError("the client " + name + " gets a token of the other form")
		}
		w.step = func() error {
			_, err := w.ask(r, `"access_token"`)
			return err
		}
		return nil
	}
}

// introspect asks about a few live tokens for each worker, so that it is not
// always one row.
func introspect(w *worker) error {
	issue, err := w.byClient("cc")
	if err != nil {
		return err
	}
	asker, err := w.server.client("introspect")
	if err != nil {
		return err
	}
	var list []*request
	for range 4 {
		a, err := w.ask(issue, `"access_token"`)
		if err != nil {
			return err
		}
		r, err := w.post("introspection", asker, url.Values{"token": {a.member("access_token")}})
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	next := 0
	w.step = func() error {
		next++
		_, err := w.ask(list[next%len(list)], `"active":true`)
		return err
	}
	return w.step()
}

// signedIn returns the client of people, and what it got for one of them.
func (w *worker) signedIn() (Client, tokens, error) {
	c, err := w.server.client("code")
	if err != nil {
		return Client{}, tokens{}, err
	}
	t, err := w.authorize(c, newBrowser(w), c.Authorize)
	return c, t, err
}

func userinfo(w *worker) error {
	to, err := w.server.endpoint("userinfo")
	if err != nil {
		return err
	}
	_, t, err := w.signedIn()
	if err != nil {
		return err
	}
	r := write(http.MethodGet, to, []string{"Authorization: Bearer " + t.access}, "")
	w.step = func() error {
		_, err := w.ask(r, `"sub"`)
		return err
	}
	return w.step()
}

func refresh(w *worker) error {
	c, t, err := w.signedIn()
	if err != nil {
		return err
	}
	current := t.refresh
	w.step = func() error {
		r, err := w.post("token", c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {current}})
		if err != nil {
			return err
		}
		a, err := w.ask(r, `"id_token"`)
		if err != nil {
			return err
		}
		if current = a.member("refresh_token"); current == "" {
			return errors.New("answer without a refresh token")
		}
		return nil
	}
	return w.step()
}

func read(endpoint, holds string) func(*worker) error {
	return func(w *worker) error {
		to, err := w.server.endpoint(endpoint)
		if err != nil {
			return err
		}
		r := write(http.MethodGet, to, nil, "")
		w.step = func() error {
			_, err := w.ask(r, holds)
			return err
		}
		return w.step()
	}
}
