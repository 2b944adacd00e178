package e2e

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// studio is a site with a logo: a dark ring on nothing.
func studio(t *testing.T) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 400, 200))
	ink := image.NewUniform(color.NRGBA{R: 26, G: 32, B: 48, A: 255})
	draw.Draw(m, image.Rect(20, 20, 380, 180), ink, image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(60, 60, 340, 140), image.Transparent, image.Point{}, draw.Src)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = png.Encode(w, m) // who asked may have gone
	}))
	t.Cleanup(server.Close)
	return server.URL + "/logo.png"
}

// TestChromiumLogo sees the logo of an approved client where somebody consents,
// on the account's page and in the Settings application, drawn in every
// scheme. Their policy lets nothing in that is not from this server.
func TestChromiumLogo(t *testing.T) {
	t.Parallel()
	each(t, seeLogo)
}

func seeLogo(t *testing.T, s *server) {
	t.Helper()
	app, b := newApplication(t), newTab(t)
	u := s.User("--permission", "configure_server")
	c := s.register("--redirect-uri", app.redirectURI("localhost"), "--scope", "openid profile", "--set", "logo_uri="+studio(t), "--approve")
	r := s.Request(c).With("redirect_uri", app.redirectURI("localhost")).With("scope", "openid profile")
	const drawn = `(() => { const l = document.querySelector("img.logo"); return l && l.complete ? l.naturalWidth + "x" + l.naturalHeight : "none" })()`
	b.open(r.URL())
	b.signIn(u.Username, u.password)
	b.await(allowButton)
	for deadline := time.Now().Add(15 * time.Second); !b.has("img.logo") && time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		b.open(b.location().String())
	}
	wantDrawn := func(where string) {
		t.Helper()
		if got, want := b.evaluate(drawn), "256x128"; got != want {
			t.Errorf("%s: the logo is %s; want %s", where, got, want)
		}
	}
	for _, l := range looks {
		b.see(l)
		b.picture("consent with a logo", l)
		wantDrawn("consent, " + l.name)
	}
	b.see(looks[0])
	b.click(`button[name="scheme"][value="dark"]`)
	b.await(`:root[data-scheme="dark"] img.logo`)
	b.picture("consent with a logo, dark chosen", looks[0])
	wantDrawn("consent, dark by choice")
	b.click(allowButton)
	app.answer(b)
	b.open(s.issuer + "/account/applications")
	b.await("img.logo")
	b.picture("applications with a logo", looks[0])
	wantDrawn("account")
	b.open(s.issuer + "/settings/oauth-clients/" + c.ID)
	b.await("img.logo")
	b.picture("client with a logo", looks[0])
	wantDrawn("Settings")
}
