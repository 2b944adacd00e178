package e2etest

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// HomeDomain is a domain whose hosts the browser finds on this machine.
const HomeDomain = "countersign.test"

// Chromium starts the browser, once per test process. It takes certificates
// that nobody vouches for, as those of test servers are.
var Chromium = sync.OnceValues(func() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // tests may run as root
		chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", "MAP *."+HomeDomain+" 127.0.0.1"),
		chromedp.WindowSize(1280, 900),
	)
	if path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	Process.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	Process.Cleanup(end)
	return ctx, chromedp.Run(ctx)
})

// browser returns the browser and what gives it commands of its own.
func browser(t testing.TB) (ctx, direct context.Context) {
	t.Helper()
	ctx, err := Chromium()
	if err != nil {
		t.Fatalf("Chromium does not start: %v. Install it (Debian: `apt-get install chromium`)", err)
	}
	return ctx, cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
}

// NewProfile makes a profile that shares nothing with others. It is a private
// one, in which Chromium keeps cookies from pages that other sites embed.
func NewProfile(t testing.TB) cdp.BrowserContextID {
	t.Helper()
	_, direct := browser(t)
	profile, err := target.CreateBrowserContext().Do(direct)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.DisposeBrowserContext(profile).Do(direct) }) // it ends with the browser at the latest
	return profile
}

// OpenTab opens a tab of a profile for three minutes at most.
func OpenTab(t testing.TB, profile cdp.BrowserContextID) context.Context {
	t.Helper()
	ctx, direct := browser(t)
	// A profile without a window has nowhere to put a tab.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(direct)
	if err != nil {
		t.Fatal(err)
	}
	tab, end := chromedp.NewContext(ctx, chromedp.WithTargetID(id))
	t.Cleanup(end)
	tab, cancel := context.WithTimeout(tab, 15*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Run(tab); err != nil { // what runs first decides how long the tab is listened to
		t.Fatal(err)
	}
	return tab
}
