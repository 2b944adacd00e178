package authz_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/authz/outbound"
	"countersign/authz/picture"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/logo"
)

// gallery is a site with logos, and what fetches them.
type gallery struct {
	*world
	site    *httptest.Server
	asked   atomic.Int32
	answer  atomic.Value // http.HandlerFunc
	logos   *logo.Store
	fetcher *picture.Fetcher
}

func newGallery(w *world) *gallery {
	w.Helper()
	g := &gallery{world: w, logos: logo.New(w.db)}
	g.site = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		g.asked.Add(1)
		g.answer.Load().(http.HandlerFunc)(rw, r) //nolint:forcetypeassert // nothing else is stored
	}))
	w.Cleanup(g.site.Close)
	g.serve(painted(w.T, color.White))
	g.fetcher = g.replica(outbound.Config{Local: true, MaxBody: picture.MaxFile + 1})
	return g
}

// replica is the job of another server.
func (g *gallery) replica(reach outbound.Config) *picture.Fetcher {
	return picture.NewFetcher(picture.FetcherConfig{Logos: g.logos, HTTP: outbound.New(reach), Log: slog.New(slog.NewTextHandler(g.logged, nil))})
}

func (g *gallery) fetch() {
	g.Helper()
	g.must(g.fetcher.Fetch(g.Context()))
}

func (g *gallery) serve(file []byte) {
	g.answer.Store(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(file) }))
}

func painted(t *testing.T, c color.Color) []byte {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, 32, 16), color.Palette{c})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pending is a client that waits for its approval.
func (g *gallery) pending() *clientstore.Client {
	g.Helper()
	c, _, err := g.clients.Register(g.Context(), admin, clientstore.Registration{Type: clientstore.OIDC, Name: "Painter", Metadata: clientstore.Metadata{
		RedirectURIs: []string{callback}, Scope: "openid", LogoURI: g.site.URL + "/logo",
	}})
	g.must(err)
	return c
}

// approved is a client whose logo was tried.
func (g *gallery) approved() *clientstore.Client {
	g.Helper()
	c, err := g.clients.Approve(g.Context(), admin, g.pending().ID)
	g.must(err)
	g.fetch()
	return c
}

// shown is the path of the picture on the page that asks for consent.
func (g *gallery) shown(c *clientstore.Client) string {
	g.Helper()
	page := g.follow(g.authorize(url.Values{
		"client_id": {c.ID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}))
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(page.body, "Painter") || strings.Contains(page.body+policy, g.site.URL) {
		g.Fatalf("%s: %.3000s", policy, page.body)
	}
	_, rest, _ := strings.Cut(page.body, `<img class="logo" src="`)
	path, _, _ := strings.Cut(rest, `"`)
	return path
}

func (g *gallery) wantGone(path string) {
	g.Helper()
	if res := g.do(g.request(http.MethodGet, path, "", "")); res.StatusCode != http.StatusNotFound || !strings.Contains(res.body, "E-NOT-FOUND") {
		g.Errorf("%s: %d", path, res.StatusCode)
	}
}

// DC-05, SS-09: the logo of a client is a picture of somebody's choosing at an
// address of theirs: nothing is fetched from there before an administrator has
// approved the client, and then no browser is sent there.
func TestLogosOfTheApproved(t *testing.T) {
	each(t, func(w *world) {
		g := newGallery(w)
		c := g.pending()
		g.fetch()
		if path := g.shown(c); path != "" || g.asked.Load() != 0 {
			g.Fatalf("before its approval %q is shown, asked %d times", path, g.asked.Load())
		}
		_, err := g.clients.Approve(g.Context(), admin, c.ID)
		g.must(err)
		if path := g.shown(c); path != "" {
			g.Fatalf("before it was fetched %q is shown", path)
		}
		g.fetch()
		path := g.shown(c)
		res := g.do(g.request(http.MethodGet, path, "", ""))
		m, err := png.Decode(strings.NewReader(res.body))
		if err != nil || m.Bounds().Size() != image.Pt(32, 16) {
			g.Fatalf("%q: %v, %v", path, m, err)
		}
		for name, want := range map[string]string{
			"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
			"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, max-age=31536000, immutable", "Access-Control-Allow-Origin": "",
		} {
			if got := res.Header.Get(name); got != want {
				g.Errorf("%s: %q; want %q", name, got, want)
			}
		}
		for _, none := range []string{"/logo/x.png", "/logo/" + strings.Repeat("0", 64) + ".png", strings.TrimSuffix(path, ".png"), "/logo/"} {
			g.wantGone(none)
		}
		page := g.get("/account/applications")
		if strings.Contains(page.body, path) {
			g.Error("an application that nothing was allowed to is on the account's page")
		}
		g.must(g.grants.RememberConsent(g.Context(), g.user.ID, c.ID, "openid", c.ConsentDigest))
		if page := g.get("/account/applications"); !strings.Contains(page.body, `src="`+path+`"`) {
			g.Error("the account's page lacks the picture")
		}
		g.fetch()
		if n := g.asked.Load(); n != 1 {
			g.Errorf("it was fetched %d times", n)
		}
	})
}

// SS-10: a picture is that of an approved client at the address it has.
func TestLogoEndsWithTheApproval(t *testing.T) {
	each(t, func(w *world) {
		g, shade := newGallery(w), uint8(0)
		var c *clientstore.Client
		for name, end := range map[string]func() error{
			"disapproved": func() error { _, err := g.clients.Disapprove(g.Context(), admin, c.ID, ""); return err },
			"expired": func() error {
				until := g.clock.Now().Add(time.Minute)
				_, err := g.clients.ApproveOn(g.Context(), admin, c.ID, clientstore.Approval{Version: c.Version, Conditions: &clientstore.Conditions{Until: &until}})
				g.clock.Advance(time.Minute)
				return err
			},
			"moved": func() error {
				return g.edit(c.ID, func(m *clientstore.Metadata) { m.LogoURI = g.site.URL + "/moved" })
			},
			"without one": func() error { return g.edit(c.ID, func(m *clientstore.Metadata) { m.LogoURI = "" }) },
			"removed":     func() error { return g.clients.Remove(g.Context(), admin, c.ID) },
		} {
			shade++
			g.serve(painted(g.T, color.Gray{Y: shade}))
			c = g.approved()
			path := g.shown(c)
			g.must(end())
			g.wantGone(path)
			if s, err := g.logos.State(g.Context(), c.ID); err != nil || s != nil {
				g.Errorf("%s: %+v, %v", name, s, err)
			}
			g.purge()
			g.wantRows(c.ID, 0)
			_ = g.clients.Remove(g.Context(), admin, c.ID) // if it is still there: its next picture would be that of the next
		}
	})
}

// SS-11: what fails is tried again later and leaves the last good picture.
func TestLogoIsRefreshed(t *testing.T) {
	each(t, func(w *world) {
		g := newGallery(w)
		c := g.approved()
		first := g.shown(c)
		g.clock.Advance(7 * 24 * time.Hour)
		g.signIn()
		g.serve([]byte("no picture"))
		g.fetch()
		s, err := g.logos.State(g.Context(), c.ID)
		if err != nil || g.shown(c) != first || s.Reason != logo.Format || s.FailedAt == nil {
			g.Fatalf("%+v, %v", s, err)
		}
		g.serve(painted(g.T, color.Black))
		g.fetch()
		if g.shown(c) != first {
			g.Error("it was tried again at once")
		}
		g.clock.Advance(time.Minute)
		g.fetch()
		if second := g.shown(c); second == first || second == "" {
			g.Errorf("%q is shown; before %q", second, first)
		}
		g.wantGone(first)
		g.serve([]byte("no picture"))
		g.clock.Advance(7 * 24 * time.Hour)
		g.fetch()
		g.serve(painted(g.T, color.White))
		g.clock.Advance(time.Second)
		g.must(g.edit(c.ID, func(m *clientstore.Metadata) { m.ClientURI = "https://painter.example/" }))
		g.signIn()
		g.fetch() // a client that was changed is tried again at once
		if third := g.shown(c); third != first {
			g.Errorf("%q is shown; want %q", third, first)
		}
	})
}

// SS-12: of several servers one fetches, and what a server that died had begun
// another does.
func TestLogoIsFetchedOnce(t *testing.T) {
	each(t, func(w *world) {
		g := newGallery(w)
		c, err := g.clients.Approve(g.Context(), admin, g.pending().ID)
		g.must(err)
		var all sync.WaitGroup
		for range 4 {
			other := g.replica(outbound.Config{Local: true})
			all.Go(func() {
				if err := other.Fetch(g.Context()); err != nil {
					g.Error(err)
				}
			})
		}
		all.Wait()
		if n := g.asked.Load(); n != 1 || g.shown(c) == "" {
			g.Errorf("it was fetched %d times", n)
		}
		late, err := g.clients.Approve(g.Context(), admin, g.pending().ID)
		g.must(err)
		_, err = g.logos.Owe(g.Context(), time.Time{})
		g.must(err)
		due, err := g.logos.Due(g.Context(), 10)
		g.must(err)
		if len(due) != 1 || due[0].ClientID != late.ID {
			g.Fatalf("due is %+v", due)
		}
		if ours, err := g.logos.Claim(g.Context(), &due[0]); err != nil || !ours {
			g.Fatal(ours, err)
		}
		g.fetch()
		if g.shown(late) != "" {
			g.Error("what another server had begun was done at the same time")
		}
		g.clock.Advance(time.Minute)
		g.fetch()
		if g.shown(late) == "" {
			g.Error("what a server left was not done")
		}
	})
}

// SS-02, SS-03, SS-04, SS-13, SS-14: what is not a picture at an address that
// the server speaks to is not shown, and the administrator is told why.
func TestLogosThatAreRefused(t *testing.T) {
	each(t, func(w *world) {
		g := newGallery(w)
		var elsewhere atomic.Int32
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
		defer other.Close()
		write := func(text string) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(text)) }
		}
		for name, tt := range map[string]struct {
			serve http.HandlerFunc
			want  logo.Reason
		}{
			"redirect": {func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, other.URL, http.StatusFound) }, logo.Status},
			"missing":  {http.NotFound, logo.Status},
			"large":    {write("\x89PNG\r\n\x1a\n" + strings.Repeat("x", picture.MaxFile)), logo.TooLong},
			"SVG":      {write(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), logo.Format},
			"bomb":     {write("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x06\x00\x00\x00\x6c\x84\x30\xe3"), logo.TooLarge},
			"torn":     {write("\x89PNG\r\n\x1a\n\x00\x00"), logo.Broken},
			"slow": {func(rw http.ResponseWriter, r *http.Request) {
				rw.WriteHeader(http.StatusOK)
				for r.Context().Err() == nil { // a byte now and then
					_, _ = rw.Write([]byte("x"))
					_ = http.NewResponseController(rw).Flush()
					time.Sleep(200 * time.Millisecond)
				}
			}, logo.Unreachable},
		} {
			g.answer.Store(tt.serve)
			c := g.approved()
			s, err := g.logos.State(g.Context(), c.ID)
			if err != nil || s == nil || s.Reason != tt.want || s.Digest != "" || g.shown(c) != "" {
				g.Errorf("%s: %+v, %v; want %s", name, s, err, tt.want)
			}
		}
		g.serve(painted(g.T, color.White))
		before := g.asked.Load()
		g.fetcher = g.replica(outbound.Config{}) // a server that is not on this machine
		c := g.approved()
		if s, err := g.logos.State(g.Context(), c.ID); err != nil || s == nil || s.Reason != logo.Refused {
			g.Errorf("private address: %+v, %v", s, err)
		}
		if g.asked.Load() != before || elsewhere.Load() != 0 {
			g.Errorf("a private address was asked, or another was: %d", elsewhere.Load())
		}
	})
}

// edit changes the metadata of a client.
func (g *gallery) edit(id string, change func(*clientstore.Metadata)) error {
	c, err := g.clients.Get(g.Context(), id)
	if err != nil {
		return err
	}
	change(&c.Metadata)
	_, err = g.clients.Edit(g.Context(), admin, id, clientstore.Edit{Version: c.Version, Metadata: &c.Metadata})
	return err
}

func (g *gallery) purge() {
	g.Helper()
	_, err := g.logos.Purge(g.Context(), 100)
	g.must(err)
}

func (g *gallery) wantRows(id string, want int) {
	g.Helper()
	rows, err := storage.Select[int](g.Context(), g.db, `SELECT COUNT(*) FROM client_logos WHERE client_id = @id`, map[string]any{"id": id})
	if err != nil || rows[0] != want {
		g.Errorf("%d rows, %v; want %d", rows, err, want)
	}
}
