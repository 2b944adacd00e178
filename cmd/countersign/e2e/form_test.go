package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The form of a client tells while it is filled in what the client will be able
// to do, what is wrong with a redirect URI, and how good a secret is.
func TestFormTellsWhileItIsFilledIn(t *testing.T) {
	t.Parallel()
	s, b := startPlain(t), newTab(t)
	enterSettings(s, b)
	b.open(s.settings("/oauth-clients/create?type=oidc"))
	shown := func(selector string) string {
		return b.evaluate(`[...document.querySelectorAll(` + quote(selector) + `)].filter((e) => e.offsetParent).map((e) => e.textContent).join("\n")`)
	}
	const asPeople, byPassword, openID, email = "Send people here to sign in", "type their password into it", "Learn who signed in.", "Read people's email addresses."
	if got := shown(".able li"); !strings.Contains(got, asPeople) || strings.Contains(got, byPassword) || !strings.Contains(got, email) {
		t.Errorf("at first it will be able to\n%s", got)
	}
	b.run(chromedp.Click(`[name="grant"][value="password"]`, chromedp.ByQuery))
	b.fill("#scope", "openid")
	if got := shown(".able li"); !strings.Contains(got, byPassword) || !strings.Contains(got, openID) || strings.Contains(got, email) {
		t.Errorf("with a password, for openid, it will be able to\n%s", got)
	}
	b.run(chromedp.Click("#type-oauth1", chromedp.ByQuery))
	if got := shown(".able li"); strings.Contains(got, asPeople) || strings.Contains(got, byPassword) || !strings.Contains(got, "allow it access") {
		t.Errorf("as a consumer it will be able to\n%s", got)
	}

	b.run(chromedp.SetValue("#redirect_uris", "https://a.example/cb\nhttp://b.example/\nb.example\nhttps://a.example/#x\nhttps://*.a.example\nhttps://a.example/cb\nhttp://127.0.0.1/ok\njavascript:x", chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector("#redirect_uris").dispatchEvent(new Event("blur"))`, nil))
	got := shown(".remarks li")
	for _, want := range []string{
		"https://a.example/cb is there twice", "http://b.example/ is http", "b.example is not a whole address", "https://a.example/#x has a fragment",
		"https://*.a.example has a wildcard", "javascript:x would run",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the remarks lack %q:\n%s", want, got)
		}
	}
	if strings.Count(got, "\n") != 5 {
		t.Errorf("the remarks:\n%s", got)
	}

	b.run(chromedp.Click("#secret-typed", chromedp.ByQuery))
	for secret, want := range map[string]string{"aaaaaaaaaaaaaaaaaaaa": "Weak", "correct horse": "Fair", "k7#Wq9!zR2@xM5$vT8&b": "Strong"} {
		b.fill("#secret", secret)
		if got := shown("[data-strength]"); !strings.Contains(got, want) {
			t.Errorf("the secret %q: %s; want %s", secret, got, want)
		}
	}
}

// Dark is a choice that holds against the system, and is taken back.
func TestSchemeByChoice(t *testing.T) {
	t.Parallel()
	s, b := startPlain(t), newTab(t)
	background := func() string { return b.evaluate(`getComputedStyle(document.body).backgroundColor`) }
	b.see(looks[0])
	b.open(s.issuer + "/login")
	light := background()
	b.click(`button[name="scheme"][value="dark"]`)
	dark := background()
	b.see(looks[1])
	b.click(`button[name="scheme"][value="light"]`)
	if got := background(); got != light || dark == light {
		t.Errorf("light is %s, dark %s, and light on a dark system %s", light, dark, got)
	}
	b.click(`button[name="scheme"][value="system"]`)
	if got := background(); got != dark {
		t.Errorf("a dark system shows %s; want %s", got, dark)
	}
}

// What scripts add beside the forms: Caps Lock is told of, a password can be
// looked at, and a secret that nobody took along asks before it is left behind.
func TestScriptsHelp(t *testing.T) {
	t.Parallel()
	s, b := startPlain(t), newTab(t)
	b.open(s.issuer + "/login")
	press := func(on string) string {
		return b.evaluate(`document.querySelector("#password").dispatchEvent(new KeyboardEvent("keydown", {key: "A", modifierCapsLock: ` + on + `})); document.querySelector("#caps").textContent`)
	}
	if on, off := press("true"), press("false"); on != "Caps Lock is on." || off != "" {
		t.Errorf("with Caps Lock %q, without %q", on, off)
	}
	b.run(chromedp.Click(`button[data-reveals="password"]`, chromedp.ByQuery))
	if kind := b.evaluate(`document.querySelector("#password").type`); kind != "text" {
		t.Errorf("a password that is looked at has the type %s", kind)
	}

	enterSettings(s, b)
	b.open(s.settings("/oauth-clients/create?preset=web"))
	b.fill("#name", "Doors Bridge")
	b.fill("#redirect_uris", "https://doors.example.org/callback")
	b.click(`form.panel button.primary`)
	s.canaries.add("client secret", b.read("#secret-value"))
	leaving := func() string {
		return b.evaluate(`(() => { const e = new Event("beforeunload", {cancelable: true}); dispatchEvent(e); return e.defaultPrevented ? "asks" : "" })()`)
	}
	if leaving() == "" {
		t.Error("a secret that nobody took along is left behind without a word")
	}
	b.take()
	if leaving() != "" {
		t.Error("the page asks although the secret was copied")
	}
	for _, id := range []string{"key", "env", "json", "code-curl"} {
		if !b.has(`button[data-copies="` + id + `"]:not([hidden])`) {
			t.Errorf("%s cannot be copied", id)
		}
	}
}

// tableWidths are widths of a window in which the clients are a table: of most
// notebooks, of those with a scrollbar beside the page, and the least.
var tableWidths = []int64{1280, 1265, 1257}

// The table of clients fits into its card in every language, with clients of
// every status, used and with conditions, and sorted by the last column: what is
// cut off are the menus of the rows.
func TestTableFitsInEveryLanguage(t *testing.T) {
	t.Parallel()
	s, b := startPlain(t), newTab(t)
	b.see(looks[0])
	enterSettings(s, b)
	report := s.sampleClients()
	s.CLI("", "client", "approve", report.ID, "--yes", "--until", "2027-12-28", "--test-user", "ada", "--scope", "openid")
	day := time.Date(2026, time.December, 28, 10, 0, 0, 0, time.UTC) // few days are wider
	if err := s.database().With(t.Context()).Exec(`UPDATE clients SET created_at = ?, used_at = ?`, day, day).Error; err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"de", "fr", "ar", "en"} {
		b.open(s.settings("/oauth-clients?sort=-used"))
		b.click(`button[name="language"][value="` + language + `"]`)
		for _, width := range tableWidths {
			b.run(emulation.SetDeviceMetricsOverride(width, 900, 1, false))
			if cut := b.evaluate(`(() => { const e = document.querySelector("table.data"), t = e.getBoundingClientRect(), c = document.querySelector(".sheet").getBoundingClientRect();
				return getComputedStyle(e).display != "table" ? "no table" : t.right > c.right + 1 || t.left < c.left - 1 ? t.width + " in " + c.width : "" })()`); cut != "" {
				t.Errorf("in %s at %d px the table is cut off: %s", language, width, cut)
			}
		}
	}
}

// Where the system forces its colours, what is only a colour elsewhere has an
// edge: the button that is meant first, badges, and the page that is open.
func TestForcedColours(t *testing.T) {
	t.Parallel()
	s, b := startPlain(t), newTab(t)
	enterSettings(s, b)
	s.sampleClients()
	b.open(s.settings("/oauth-clients"))
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}))
	for _, selector := range []string{".head .primary", ".badge.pending", ".badge.approved", ".tabs [aria-current]"} {
		if edge := b.evaluate(`(() => { const s = getComputedStyle(document.querySelector(` + quote(selector) + `)); return s.borderBottomStyle + " " + s.borderBottomWidth })()`); !strings.HasPrefix(edge, "solid") || strings.HasSuffix(edge, " 0px") {
			t.Errorf("%s has the edge %q", selector, edge)
		}
	}
}
