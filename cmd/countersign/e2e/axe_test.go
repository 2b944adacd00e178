package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	capture "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// look is a way in which pages are seen.
type look struct {
	name          string
	width, height int64
	scale         float64
	scheme        string // prefers-color-scheme
}

// narrowest is a page 1280 pixels wide, enlarged four times (WCAG 2.2, 1.4.10).
const narrowest = 320

var looks = []look{
	{"desktop-light", 1280, 900, 1, "light"},
	{"desktop-dark", 1280, 900, 1, "dark"},
	{"phone-light", 390, 844, 2, "light"},
	{"phone-dark", 390, 844, 2, "dark"},
	{"narrow-light", narrowest, 568, 1, "light"},
}

func (b *tab) see(l look) {
	b.t.Helper()
	b.run(
		emulation.SetDeviceMetricsOverride(l.width, l.height, l.scale, l.width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		}),
	)
}

// axeCore is the script of axe-core.
func axeCore(t testing.TB) string {
	t.Helper()
	axe, err := os.ReadFile(filepath.Join("node", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal("axe-core is not installed: run `make test`, or `npm ci` in cmd/countersign/e2e/node")
	}
	return string(axe)
}

// TestAccessibility goes through every page in every look: it is drawn,
// axe-core finds nothing, and it does not scroll sideways.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	s, b := startPlain(t, setting{"NAME", "Countersign"}), newTab(t)
	tour(t, s, b, func(name string) { b.examine(name, axe, looks) })
}

// TestAccountAccessibility does the same with the pages of somebody's own
// account, in the looks that between them have every width and scheme.
func TestAccountAccessibility(t *testing.T) {
	t.Parallel()
	axe := axeCore(t)
	s, b := startNamed(t, sqlite), newTab(t)
	seen := []look{looks[0], looks[3], looks[4]}
	if os.Getenv("COUNTERSIGN_SCREENSHOTS") != "" {
		seen = looks
	}
	tourOfAccount(t, s, b, func(name, selector string) {
		b.await(selector)
		b.examine(name, axe, seen)
	})
}

// examine draws the page in each look, has axe-core look at it, and sees that
// it does not scroll sideways.
func (b *tab) examine(name, axe string, in []look) {
	b.t.Helper()
	schemes := map[string]bool{}
	for i, l := range in {
		b.see(l)
		b.picture(name, l)
		only := byWidth
		switch {
		case i == 0:
			only = allRules
		case !schemes[l.scheme]:
			only = byWidthAndScheme
		}
		schemes[l.scheme] = true
		for _, fault := range b.check(axe, only) {
			b.t.Errorf("%s, %s: %s", name, l.name, fault)
		}
		if wide := b.evaluate(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); wide != "0" {
			b.t.Errorf("%s, %s: the page is %s pixels too wide", name, l.name, wide)
		}
	}
	b.see(looks[0])
}

// The rules of axe-core: a page is held against all of them once, and in its
// other looks against those whose outcome the look can change.
const (
	allRules         = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`
	byWidth          = `{type: "rule", values: ["target-size", "scrollable-region-focusable", "meta-viewport", "region"]}`
	byWidthAndScheme = `{type: "rule", values: ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable", "meta-viewport", "region"]}`
)

// check returns what axe-core finds on the page by some of its rules.
func (b *tab) check(axe, rules string) []string {
	b.t.Helper()
	run := `axe.run(document, {runOnly: ` + rules + `, resultTypes: ["violations"]})
		.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html + " " + (n.failureSummary || ""))).join("\n---\n"))`
	var found string
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	b.run(chromedp.Evaluate(`typeof axe === "undefined" ? (() => {`+axe+`})() : null`, nil), chromedp.Evaluate(run, &found, await))
	if found == "" {
		return nil
	}
	return strings.Split(found, "\n---\n")
}

// pictured are the pages whose pictures the documentation shows in every look
// but the narrowest. Of the others it keeps two, which between them have both
// widths and both schemes.
var pictured = map[string]bool{
	"sign-in": true, "consent": true, "waiting for approval": true, "connected applications": true, "account sign-in": true,
	"clients": true, "create client": true, "client created": true, "approve client": true, "client": true,
}

// keeps reports whether a picture of the page is kept.
func keeps(name string, l look) bool {
	return os.Getenv("COUNTERSIGN_SCREENSHOTS") != "" && (l == looks[0] || l.name == "phone-dark" || pictured[name] && l.width != narrowest)
}

// picture draws the page, and keeps the picture where `make screenshots` says.
func (b *tab) picture(name string, l look) {
	b.t.Helper()
	kept := keeps(name, l)
	if !kept && l != looks[0] {
		return // one picture shows that something is drawn
	}
	b.run(chromedp.Sleep(50 * time.Millisecond)) // let it be drawn
	var picture []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		picture, err = capture.CaptureScreenshot().WithFormat(capture.CaptureScreenshotFormatWebp).WithQuality(80).Do(ctx)
		return err
	}))
	if len(picture) < 1000 {
		b.t.Errorf("%s, %s: nothing was drawn", name, l.name)
	}
	if !kept {
		return
	}
	file := filepath.Join(os.Getenv("COUNTERSIGN_SCREENSHOTS"), strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")+"-"+l.name+".webp")
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
