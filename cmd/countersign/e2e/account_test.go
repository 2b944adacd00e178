package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	bigendian "encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"countersign/cmd/countersign/e2e/e2etest"
)

// startNamed runs a server of its own that is known by a name, as passkeys
// need.
func startNamed(t testing.TB, database string, settings ...setting) *server {
	t.Helper()
	s := prepare(t, database, settings...)
	s.bin = e2etest.PlainBinary(t) // Chromium is busy enough, and others race the same code
	s.issuer = strings.Replace(s.issuer, "127.0.0.1", "localhost", 1)
	s.set("ISSUER", s.issuer)
	s.Start()
	t.Cleanup(s.finish)
	return s
}

// authenticator is a device that verifies its user, as Chromium pretends to
// have one.
type authenticator struct {
	b  *tab
	id webauthn.AuthenticatorID
}

func (b *tab) authenticator() authenticator {
	b.t.Helper()
	a := authenticator{b: b}
	b.run(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		a.id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, DefaultBackupEligibility: true, DefaultBackupState: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}))
	return a
}

// touched says whether somebody touches the device when it asks.
func (a authenticator) touched(yes bool) {
	a.b.t.Helper()
	a.b.run(webauthn.SetAutomaticPresenceSimulation(a.id, yes))
}

// totp is the code that an application shows for the key (RFC 6238), so many
// steps from now.
func totp(key string, steps int64) string {
	secret, _ := base32.StdEncoding.DecodeString(strings.ReplaceAll(key, " ", ""))
	h := hmac.New(sha1.New, secret)
	_ = bigendian.Write(h, bigendian.BigEndian, time.Now().Unix()/30+steps) // a hash takes everything
	sum := h.Sum(nil)
	offset := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", bigendian.BigEndian.Uint32(sum[offset:offset+4])&0x7fffffff%1_000_000)
}

const (
	passkeyButton = `form[data-passkey] button[type="submit"]`
	codeField     = `input[name="code"]`
	recoveryField = `input[name="recovery"]`
)

// shownOnce returns the recovery codes that the page shows, and knows that they
// belong nowhere else.
func (s *server) shownOnce(b *tab) []string {
	s.t.Helper()
	b.await("#codes")
	codes := strings.Fields(b.evaluate(`[...document.querySelectorAll("#codes li")].map((e) => e.textContent).join(" ")`))
	if len(codes) != 10 {
		s.t.Fatalf("%d recovery codes are shown; want 10", len(codes))
	}
	for _, c := range codes {
		s.canaries.add("recovery code", c)
	}
	return codes
}

func (s *server) signOut(b *tab) {
	s.t.Helper()
	b.open(s.issuer + "/logout")
	b.click(signInButton)
}

// setUpAuthenticator sets an authenticator application up and returns its key.
func (s *server) setUpAuthenticator(b *tab) string {
	s.t.Helper()
	b.open(s.issuer + "/account/authenticator")
	b.await(codeField)
	key := s.canaries.add("key of an authenticator", strings.TrimSpace(b.evaluate(`document.getElementById("key").textContent`)))
	b.fill(codeField, totp(key, 0))
	b.click(`button.primary`)
	return key
}

// TestChromiumSecondFactors signs in by passkey and by code in a real browser,
// with a device that Chromium pretends to have, and shows what applications
// learn of it.
func TestChromiumSecondFactors(t *testing.T) {
	t.Parallel()
	s, app, b := startNamed(t, sqlite), newApplication(t), newTab(t)
	u, c := s.User(), s.PublicClient()
	device := b.authenticator()

	b.open(s.issuer + "/login")
	b.signIn(u.Username, u.password)
	b.open(s.issuer + "/account/passkeys")
	b.await(`form[data-passkey] input[name="label"]`)
	b.fill(`input[name="label"]`, "Test laptop")
	b.click(passkeyButton)
	codes := s.shownOnce(b)
	s.signOut(b)

	// By a button, for an application; without a password.
	device.touched(false)
	r := s.Request(c).With("redirect_uri", app.redirectURI("127.0.0.1"))
	b.open(r.URL())
	b.await(passkeyButton)
	b.leave(webauthn.SetAutomaticPresenceSimulation(device.id, true), chromedp.Click(passkeyButton, chromedp.ByQuery))
	b.click(allowButton)
	q := app.answer(b)
	s.wantMethods(s.Exchange(c, s.canaries.add("authorization code", q.Get("code")), r), "swk", "user", "mfa")
	s.signOut(b)

	// Without any button, from the field for the username.
	b.open(s.issuer + "/login")
	b.await(".tiles")
	if !strings.Contains(b.text(), "Protected by a second factor") {
		t.Errorf("signed in: %s", b.text())
	}

	// By password and a code.
	key := s.setUpAuthenticator(b)
	b.await(".done")
	s.signOut(b)
	device.touched(false)
	b.open(r.URL())
	b.signIn(u.Username, u.password)
	b.await(codeField)
	if !b.has(passkeyButton) {
		t.Error("the second step does not offer the passkey")
	}
	b.fill(codeField, totp(key, 1)) // the one of this moment was used to set it up
	b.click(`form:not([data-passkey]) button.primary`)
	b.click(allowButton)
	q = app.answer(b)
	s.wantMethods(s.Exchange(c, s.canaries.add("authorization code", q.Get("code")), r), "pwd", "otp", "mfa")
	s.signOut(b)

	// By password and a passkey.
	b.open(s.issuer + "/login")
	b.signIn(u.Username, u.password)
	device.touched(true)
	b.click(passkeyButton)
	b.await(".tiles")
	s.signOut(b)

	// By password and a recovery code, without scripts; once.
	b.withoutScripts()
	for _, works := range []bool{true, false} {
		b.open(s.issuer + "/login")
		b.signIn(u.Username, u.password)
		b.await("summary")
		b.run(chromedp.Click("summary", chromedp.ByQuery))
		b.fill(recoveryField, codes[0])
		b.click(`details form button`)
		if works {
			b.await(".tiles")
			b.open(s.issuer + "/logout")
			b.click(signInButton)
			continue
		}
		b.await(`[role="alert"]`)
		if !strings.Contains(b.text(), "each recovery code works once") {
			t.Errorf("the same recovery code again: %s", b.text())
		}
	}
}

// wantMethods checks what an ID token says of how somebody signed in.
func (s *server) wantMethods(tokens answer, want ...string) {
	s.t.Helper()
	claims := jwtClaims(s.t, tokens.str("id_token"))
	if claims["acr"] != "urn:countersign:acr:mfa" || fmt.Sprint(claims["amr"]) != fmt.Sprint(want) {
		s.t.Errorf("acr %v, amr %v; want two factors, %v", claims["acr"], claims["amr"], want)
	}
}

// tourOfAccount goes through the pages of somebody's own account, on a server
// that is known by a name.
func tourOfAccount(t *testing.T, s *server, b *tab, stop func(name, selector string)) {
	t.Helper()
	app := newApplication(t)
	u := s.User("--permission", "configure_server")
	web := s.register("--name", "Modeling Tool", "--redirect-uri", app.redirectURI("localhost"), "--scope", "openid profile email offline_access models.read", "--approve")
	tool := s.register("--name", "Model Exporter", "--public", "--grant", "authorization_code", "--redirect-uri", app.redirectURI("localhost"), "--scope", "openid profile", "--approve")
	other := newTab(t)
	other.open(s.issuer + "/login")
	other.signIn(u.Username, u.password)

	r := s.Request(web).With("redirect_uri", app.redirectURI("localhost")).With("scope", "openid profile email offline_access models.read")
	b.open(r.URL())
	b.signIn(u.Username, u.password)
	b.click(allowButton)
	s.Exchange(web, s.canaries.add("authorization code", app.answer(b).Get("code")), r)
	b.open(s.Request(tool).With("redirect_uri", app.redirectURI("localhost")).With("scope", "openid profile").URL())
	b.click(allowButton)
	app.answer(b)

	for _, page := range [][2]string{{"account", ""}, {"account profile", "account/profile"}, {"account sessions", "account/sessions"}, {"connected applications", "account/applications"}} {
		b.open(s.issuer + "/" + page[1])
		stop(page[0], "main.account h1")
	}
	b.click(`a[href*="/account/applications/remove"]`)
	stop("removing an application", ".danger")
	b.click(".danger")
	stop("removed an application", ".done")
	b.open(s.issuer + "/account/security")
	stop("account sign-in", "main.account h1")
	b.open(s.issuer + "/account/password")
	b.fill(`input[name="current_password"]`, s.canaries.add("wrong password", "wrong "+newVerifier()))
	b.fill(passwordField, "password1")
	b.fill(`input[name="password_again"]`, "password1")
	b.click(`button.primary`)
	stop("changing a password", `[role="alert"]`)
	b.open(s.issuer + "/account/authenticator")
	b.run(chromedp.Evaluate(`document.querySelector("main details").open = true`, nil))
	stop("setting up an authenticator", codeField)
	s.setUpAuthenticator(b)
	s.shownOnce(b)
	stop("recovery codes", "#codes")
	tourOfPasskeys(s, b, stop)
	b.open(s.issuer + "/account/activity")
	stop("recent activity", ".events")
	s.signOut(b)
	b.open(s.issuer + "/login")
	stop("sign-in, or a passkey", passkeyButton)
	b.signIn(u.Username, u.password)
	stop("second step", codeField)
	b.fill(codeField, "000000")
	b.click(`form:not([data-passkey]) button.primary`)
	stop("second step refused", `[role="alert"]`)
}

// tourOfPasskeys adds a passkey. Nobody touches the device again.
func tourOfPasskeys(s *server, b *tab, stop func(name, selector string)) {
	s.t.Helper()
	device := b.authenticator()
	b.open(s.issuer + "/account/passkeys")
	stop("adding a passkey", `form[data-passkey] input[name="label"]`)
	b.click(passkeyButton)
	stop("account with second factors", ".done")
	device.touched(false)
	b.click(`a[href*="/account/passkeys/remove"]`)
	stop("removing a passkey", ".danger")
	b.open(s.issuer + "/account/recovery-codes")
	stop("new recovery codes", "button.primary")
}

// TestAccountWithoutScripts changes a password and signs another browser out
// without JavaScript.
func TestAccountWithoutScripts(t *testing.T) {
	t.Parallel()
	s, b := shared(t, postgres), newTab(t)
	u := s.User()
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.open(s.issuer + "/login")
	b.signIn(u.Username, u.password)
	next := s.canaries.add("password", "a longer sentence "+newVerifier())
	b.open(s.issuer + "/account/password")
	b.fill(`input[name="current_password"]`, u.password)
	b.fill(passwordField, next)
	b.fill(`input[name="password_again"]`, next)
	b.click(`button.primary`)
	b.await(".done")
	if !strings.Contains(b.text(), "Your password is changed") {
		t.Errorf("changed: %s", b.text())
	}
	other := s.browse()
	if p := other.SignIn(other.Open(s.issuer+"/login"), u.Username, next); !strings.Contains(p.Text(), "Your account") {
		t.Errorf("signing in with it: %s", p.Text())
	}
	b.open(s.issuer + "/account/sessions")
	b.click(`button[name="others"]`)
	b.await(".done")
	if p := other.Open(s.issuer + "/"); strings.Contains(p.Text(), "Connected applications") {
		t.Error("the other browser is still signed in")
	}
}
