package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// eachNamed runs a test on a server that is known by a name, as passkeys need.
func eachNamed(t *testing.T, test func(w *world, origin string)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		var origin string
		w := newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) {
			cfg.Issuer = strings.Replace(cfg.Issuer, "127.0.0.1", "localhost", 1)
			origin = cfg.Issuer
		})
		w.install()
		test(w, origin)
	})
}

// key is an authenticator of our own making, with one passkey: what a browser
// and a device do together (WebAuthn Level 3, sections 6.3.2 and 6.3.3). What
// is off about it is for the tests to say.
type key struct {
	origin, rpID string
	flags        byte // user present 1, user verified 4
	count        uint32
	handle       []byte // the user's, as it is registered
	id           []byte
	private      *ecdsa.PrivateKey
}

func newKey(origin string) *key {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &key{origin: origin, rpID: "localhost", flags: 1 | 4, id: id, private: private}
}

var b64 = base64.RawURLEncoding.EncodeToString

func (k *key) clientData(ceremony, challenge string) []byte {
	data, _ := json.Marshal(map[string]any{"type": ceremony, "challenge": challenge, "origin": k.origin, "crossOrigin": false})
	return data
}

func (k *key) authData(flags byte) []byte {
	hash := sha256.Sum256([]byte(k.rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), k.count)
}

// publicKey is the key in COSE (RFC 9053, section 7.1.1), in CBOR by hand.
func (k *key) publicKey() []byte {
	point, _ := k.private.PublicKey.Bytes()
	cose := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	cose = append(cose, point[1:33]...)
	return append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
}

// options are those that a page asks by.
type options struct {
	Challenge        string
	RPID             string `json:"rpId"`
	UserVerification string `json:"userVerification"`
	User             struct{ ID string }
	Exclude          []struct{ ID string } `json:"excludeCredentials"`
	Allow            []struct{ ID string } `json:"allowCredentials"`
	Selection        struct {
		ResidentKey      string `json:"residentKey"`
		UserVerification string `json:"userVerification"`
	} `json:"authenticatorSelection"`
}

var optionsOf = regexp.MustCompile(`data-options="([^"]+)"`)

func (a answer) options(w *world) options {
	w.Helper()
	found := optionsOf.FindStringSubmatch(a.body)
	if found == nil {
		w.Fatalf("the page offers no passkey: %s %q %s", a.Status, a.Header.Get("Location"), a.body)
	}
	var o options
	w.must(json.Unmarshal([]byte(html.UnescapeString(found[1])), &o))
	return o
}

// create answers the options of a registration.
func (k *key) create(o options) string {
	k.handle, _ = base64.RawURLEncoding.DecodeString(o.User.ID)
	data := append(k.authData(k.flags|0x40), make([]byte, 16)...) // no model is told
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(append(data, k.id...), k.publicKey()...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(data)))
	response, _ := json.Marshal(map[string]any{"id": b64(k.id), "rawId": b64(k.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": map[string]any{
		"clientDataJSON": b64(k.clientData("webauthn.create", o.Challenge)), "attestationObject": b64(append(object, data...)), "transports": []string{"internal"},
	}})
	return string(response)
}

// get answers the options of a sign-in.
func (k *key) get(o options) string {
	data, client := k.authData(k.flags), k.clientData("webauthn.get", o.Challenge)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, _ := ecdsa.SignASN1(rand.Reader, k.private, signed[:])
	response, _ := json.Marshal(map[string]any{"id": b64(k.id), "rawId": b64(k.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(k.handle),
	}})
	return string(response)
}

// add registers a passkey in the browser.
func (v visitor) add(k *key, label string) answer {
	v.w.Helper()
	return v.submit("/account/passkeys", url.Values{"label": {label}, "credential": {k.create(v.get("/account/passkeys").options(v.w))}})
}

// signInBy signs in with a passkey on the page.
func (v visitor) signInBy(k *key, path string) answer {
	v.w.Helper()
	form := url.Values{"credential": {k.get(v.get(path).options(v.w))}}
	if u, err := url.Parse(path); err == nil && u.Query().Has("interaction") {
		form.Set("interaction", u.Query().Get("interaction"))
	}
	return v.submit("/login/passkey", form)
}

func TestPasskey(t *testing.T) {
	eachNamed(t, func(w *world, origin string) {
		me := w.me()
		o := me.get("/account/passkeys").options(w)
		if o.Selection.ResidentKey != "required" || o.Selection.UserVerification != "required" || len(o.Exclude) != 0 {
			w.Errorf("asked for %+v", o)
		}
		k := newKey(origin)
		res := me.add(k, "Ada's laptop")
		w.wantShown(res, "Your recovery codes", "The passkey is added")
		s, err := w.sessions.Get(w.Context(), me.jar["cs_session"])
		w.must(err)
		if !s.SecondFactor() || fmt.Sprint(s.AMR) != "[pwd hwk mfa]" {
			w.Errorf("the session is by %v", s.AMR)
		}
		w.wantShown(me.get("/account/security"), "Ada&#39;s laptop", "not used yet", "10 left")
		if o := me.get("/account/passkeys").options(w); len(o.Exclude) != 1 || o.Exclude[0].ID != b64(k.id) {
			w.Errorf("excluded: %+v", o.Exclude)
		}
		if res := me.add(newKey(origin), "Phone"); res.Header.Get("Location") != "/account/security?done=passkey" {
			w.Errorf("a second one: %s %q", res.Status, res.Header.Get("Location"))
		}

		// Without a password, for an application.
		v := visitor{w, map[string]string{}}
		to := v.get("/authorize?" + w.web.ask().Encode()).Header.Get("Location")
		page := v.get(to)
		if o := page.options(w); o.RPID != "localhost" || o.UserVerification != "required" || len(o.Allow) != 0 {
			w.Errorf("asked for %+v", o)
		}
		w.wantShown(page, `autocomplete="username webauthn"`, "Sign in with a passkey")
		code := v.get(v.signInBy(k, to).Header.Get("Location")).sent().Get("code")
		if code == "" || v.jar["cs_device"] == "" {
			w.Fatal("signed in by passkey, and no answer")
		}
		tokens := w.post("/token", w.web, redemption(code))
		if claims := decode(w, tokens.str("id_token")); claims["acr"] != "urn:countersign:acr:mfa" || fmt.Sprint(claims["amr"]) != "[hwk user mfa]" {
			w.Errorf("ID token: %v", claims)
		}
		w.wantShown(v.get("/account/activity"), "You signed in by passkey.", "You added a passkey.", "Phone")

		// As the second step, by a form that names the passkeys there are.
		v = visitor{w, map[string]string{}}
		v.signInAs("", w.user)
		second := v.get("/login/second")
		if o := second.options(w); len(o.Allow) != 2 || v.jar["cs_session"] != "" {
			w.Errorf("asked for %+v with the session %q", o, v.jar["cs_session"])
		}
		v.submit("/login/second", url.Values{"credential": {k.get(second.options(w))}})
		if s, err = w.sessions.Get(w.Context(), v.jar["cs_session"]); err != nil || fmt.Sprint(s.AMR) != "[pwd hwk user mfa]" {
			w.Errorf("the second step led to %+v, %v", s, err)
		}
		w.wantRemovable(v, k)
	})
}

// decode reads a token that is not to be verified here: the keys' address is
// the server's other name.
func decode(w *world, token string) map[string]any {
	w.Helper()
	part := strings.Split(token, ".")
	if len(part) != 3 {
		w.Fatalf("token %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(part[1])
	w.must(err)
	claims := map[string]any{}
	w.must(json.Unmarshal(payload, &claims))
	return claims
}

// wantRemovable removes a passkey, which then signs nobody in.
func (w *world) wantRemovable(v visitor, k *key) {
	w.Helper()
	w.wantShown(v.get("/account/passkeys/remove?passkey="+b64(k.id)), "Remove the passkey", "Ada&#39;s laptop")
	v.submit("/account/passkeys/remove", url.Values{"passkey": {b64(k.id)}})
	f, err := w.accounts.Factors(w.Context(), w.user.ID)
	w.must(err)
	if len(f.Passkeys) != 1 {
		w.Errorf("%d passkeys; want 1", len(f.Passkeys))
	}
	stranger := visitor{w, map[string]string{}}
	w.wantNoSignIn("removed", stranger, stranger.signInBy(k, "/login"))
}

func (w *world) wantNoSignIn(name string, v visitor, res answer) {
	w.Helper()
	if res.StatusCode != http.StatusUnprocessableEntity || v.jar["cs_session"] != "" || !strings.Contains(res.body, "That passkey did not work") {
		w.Errorf("%s: %s %q with the session %q", name, res.Status, res.Header.Get("Location"), v.jar["cs_session"])
	}
}

// LG-30. WebAuthn Level 3, sections 7.1 and 7.2: whatever is off, nothing is believed.
func TestPasskeyRefuses(t *testing.T) {
	eachNamed(t, func(w *world, origin string) {
		me := w.me()
		for name, spoil := range map[string]func(*key){
			"another origin":     func(k *key) { k.origin = "https://evil.example" },
			"another port":       func(k *key) { k.origin = "http://localhost:1" },
			"another host":       func(k *key) { k.rpID = "evil.example" },
			"nobody verified":    func(k *key) { k.flags = 1 },
			"nobody was present": func(k *key) { k.flags = 4 },
		} {
			k := newKey(origin)
			spoil(k)
			if res := me.add(k, "x"); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.body, "could not be added") {
				w.Errorf("registered with %s: %s", name, res.Status)
			}
		}
		good := newKey(origin)
		w.wantShown(me.add(good, "Good"), "Your recovery codes")
		w.clock.Advance(time.Minute)
		for name, spoil := range map[string]func(*key){
			"another origin":     func(k *key) { k.origin = "https://evil.example" },
			"another host":       func(k *key) { k.rpID = "evil.example" },
			"nobody verified":    func(k *key) { k.flags = 1 },
			"nobody was present": func(k *key) { k.flags = 4 },
			"another's handle":   func(k *key) { k.handle = []byte("somebody else") },
			"no handle":          func(k *key) { k.handle = nil },
			"another key":        func(k *key) { k.private = newKey(origin).private },
			"unknown":            func(k *key) { k.id = newKey(origin).id },
		} {
			k := *good
			spoil(&k)
			v := visitor{w, map[string]string{}}
			if name == "no handle" { // a browser may leave it out; the key says whose it is
				if v.signInBy(&k, "/login"); v.jar["cs_session"] == "" {
					w.Error("no handle: refused")
				}
				continue
			}
			w.wantNoSignIn(name, v, v.signInBy(&k, "/login"))
		}
		for name, body := range map[string]string{"nothing": "", "no JSON": "{", "no passkey": "{}", "too long": strings.Repeat(" ", 20<<10) + "{}"} {
			v := visitor{w, map[string]string{}}
			w.wantNoSignIn(name, v, v.submit("/login/passkey", url.Values{"credential": {body}}))
		}
		w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
		v := visitor{w, map[string]string{}}
		w.wantNoSignIn("LG-07 disabled", v, v.signInBy(good, "/login"))
	})
}

// LG-31: a challenge is met once, in the browser that it was made for, for what it was
// made for, and not for ever.
func TestPasskeyChallenges(t *testing.T) {
	eachNamed(t, func(w *world, origin string) {
		k := newKey(origin)
		me := w.me()
		w.wantShown(me.add(k, "Good"), "Your recovery codes")
		v := visitor{w, map[string]string{}}
		answer := k.get(v.get("/login").options(w))
		other := visitor{w, map[string]string{}}
		other.get("/login")
		w.wantNoSignIn("another browser", other, other.submit("/login/passkey", url.Values{"credential": {answer}}))
		if v.submit("/login/passkey", url.Values{"credential": {answer}}); v.jar["cs_session"] == "" {
			w.Fatal("refused in its own browser")
		}
		delete(v.jar, "cs_session")
		w.wantNoSignIn("twice", v, v.submit("/login/passkey", url.Values{"credential": {answer}}))

		late := k.get(v.get("/login").options(w))
		w.clock.Advance(31 * time.Minute)
		w.wantNoSignIn("half an hour late", v, v.submit("/login/passkey", url.Values{"credential": {late}}))

		registration := me.signInBy(k, me.get("/account/passkeys").Header.Get("Location")) // a fresh sign-in
		if registration.StatusCode != http.StatusSeeOther {
			w.Fatalf("signed in again: %s", registration.Status)
		}
		asked := me.get("/account/passkeys").options(w)
		stranger := visitor{w, map[string]string{"cs_browser": me.jar["cs_browser"]}}
		w.wantNoSignIn("made for a registration", stranger, stranger.submit("/login/passkey", url.Values{"credential": {k.get(asked)}}))
		forged := asked
		forged.Challenge = b64(make([]byte, 56))
		w.wantNoSignIn("not ours", stranger, stranger.submit("/login/passkey", url.Values{"credential": {k.get(forged)}}))
	})
}

// LG-32: a counter that does not go on is that of a copy, and so is one that two use
// at once.
func TestPasskeyCounterGoesOn(t *testing.T) {
	eachNamed(t, func(w *world, origin string) {
		k := newKey(origin)
		k.count = 7
		w.wantShown(w.me().add(k, "Counts"), "Your recovery codes")
		for _, step := range []struct {
			count uint32
			right bool
		}{{8, true}, {8, false}, {3, false}, {0, false}, {9, true}} {
			k.count = step.count
			v := visitor{w, map[string]string{}}
			res := v.signInBy(k, "/login")
			if step.right != (v.jar["cs_session"] != "") {
				w.Errorf("at %d: %s; want success %v", step.count, res.Status, step.right)
			}
		}
	})
}

// Where the server's address has no name there are no passkeys, and nobody is
// offered any.
func TestNoPasskeysWithoutAName(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		v := visitor{w, map[string]string{}}
		if page := v.get("/login"); strings.Contains(page.body, "passkey") || page.StatusCode != http.StatusOK {
			w.Errorf("the sign-in page offers one: %s", page.body)
		}
		w.wantNoSignIn("all the same", v, v.submit("/login/passkey", url.Values{"credential": {"{}"}}))
		w.wantPage(w.me().get("/account/passkeys"), "E-NO-PASSKEYS")
		w.wantPage(w.me().submit("/account/passkeys", url.Values{}), "E-NO-PASSKEYS")
		if page := w.me().get("/account/security"); strings.Contains(page.body, "Add a passkey") {
			w.Error("the account page offers one")
		}
	})
}

// Whichever statement fails, a passkey signs in or an outage is one.
func TestPasskeyWithFailingDatabase(t *testing.T) {
	eachNamed(t, func(w *world, origin string) {
		k := newKey(origin)
		w.wantShown(w.me().add(k, "Good"), "Your recovery codes")
		for n := 1; ; n++ {
			v := visitor{w, map[string]string{}}
			credential := k.get(v.get("/login").options(w))
			res, failed := w.failingAt(n, func() answer { return v.submit("/login/passkey", url.Values{"credential": {credential}}) })
			if !failed {
				if v.jar["cs_session"] == "" {
					w.Errorf("without a failure: %s", res.Status)
				}
				return
			}
			if res.StatusCode != http.StatusServiceUnavailable || v.jar["cs_session"] != "" {
				w.Fatalf("with statement %d failing: %s", n, res.Status)
			}
		}
	})
}

// LG-37: what a passkey is called is text, on either database.
func TestPasskeyLabel(t *testing.T) {
	eachNamed(t, func(w *world, origin string) {
		for _, label := range []string{"", "a\x00b", "a\xffb", "a\nb", strings.Repeat("x", 65)} {
			res := w.me().add(newKey(origin), label)
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.body, `aria-invalid="true"`) || !utf8.ValidString(res.body) {
				w.Errorf("%q: %s: %.600s", label, res.Status, res.body)
			}
		}
		if has, err := w.accounts.HasSecondFactor(w.Context(), w.user.ID); err != nil || has {
			w.Errorf("has a factor %v, %v", has, err)
		}
	})
}

// LG-37: neither are other texts of the account's own pages a fault of the
// server: a NUL or bytes that are no text are refused, or name nothing.
func TestOwnPagesTakeTextOnly(t *testing.T) {
	each(t, func(w *world) {
		w.install()
		for _, odd := range []string{"a\x00b", "a\xffb"} {
			for path, form := range map[string]url.Values{
				"/account/profile":              {"name": {odd}, "nickname": {odd}},
				"/account/password":             {"current_password": {odd}, "password": {odd}, "password_again": {odd}},
				"/account/sessions":             {"session": {odd}},
				"/account/applications/remove":  {"client": {odd}},
				"/account/passkeys/remove":      {"passkey": {odd}},
				"/account/authenticator":        {"enrolment": {odd}, "code": {odd}},
				"/account/authenticator/remove": {"x": {odd}},
				"/language":                     {"language": {odd}, "back": {odd}},
			} {
				r := w.request(http.MethodPost, path, formType, form.Encode())
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				r.Header.Set("User-Agent", "x\xff")
				if res := w.me().do(r); res.StatusCode >= http.StatusInternalServerError {
					w.Errorf("%s with %q: %s", path, odd, res.Status)
				}
			}
			for _, path := range []string{"/account/applications/remove?client=", "/account/passkeys/remove?passkey=", "/account/security?done="} {
				if res := w.me().get(path + url.QueryEscape(odd)); res.StatusCode >= http.StatusInternalServerError {
					w.Errorf("%s with %q: %s", path, odd, res.Status)
				}
			}
		}
	})
}
