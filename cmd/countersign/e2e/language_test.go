package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestRightToLeft reads the pages in Arabic, narrow and wide: they run from
// right to left, axe-core finds nothing, and they do not scroll sideways.
func TestRightToLeft(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join("node", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal("axe-core is not installed: run `make test`, or `npm ci` in cmd/countersign/e2e/node")
	}
	s, b := startPlain(t, setting{"NAME", "Countersign"}), newTab(t)
	ada := s.administrator()
	web := s.register("--name", "Modeling Tool", "--redirect-uri", webRedirect, "--scope", "openid profile email offline_access", "--approve")
	seen := []look{looks[0], looks[4]}
	stop := func(name, selector string) {
		t.Helper()
		b.await(selector)
		if direction := b.evaluate(`getComputedStyle(document.body).direction + " " + document.documentElement.lang`); direction != "rtl ar" {
			t.Errorf("%s: %s", name, direction)
		}
		if outside := b.evaluate(`[...document.querySelectorAll("body *")].filter((e) => { const r = e.getBoundingClientRect(); return r.width && !e.closest("pre") && (r.left < -1 || r.right > innerWidth + 1) }).slice(0, 5).map((e) => e.outerHTML.slice(0, 120)).join("\n")`); outside != "" {
			t.Errorf("%s: outside of the page:\n%s", name, outside)
		}
		b.examine("arabic "+name, string(axe), seen)
		if folder := os.Getenv("COUNTERSIGN_RTL"); folder != "" {
			for _, l := range seen {
				var picture []byte
				b.see(l)
				b.run(chromedp.FullScreenshot(&picture, 100))
				if err := os.WriteFile(filepath.Join(folder, name+"-"+l.name+".png"), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}

	b.open(s.issuer + "/login")
	b.click(`button[name="language"][value="ar"]`)
	stop("sign-in", usernameField)
	b.signIn(ada.Username, ada.password)
	b.open(s.Request(web).With("prompt", "consent").URL())
	stop("consent", allowButton)
	b.open(s.issuer + "/")
	stop("account", ".tiles")
	b.open(s.settings("/oauth-clients"))
	stop("clients", "table.data")
	b.open(s.settings("/oauth-clients/" + web.ID))
	stop("client", ".trail")
	b.open(s.settings("/oauth-clients/create"))
	stop("create client", "#redirect_uris")
}
