package e2etest

import (
	"context"
	"os/exec"
	"sync"

	"github.com/chromedp/chromedp"
)

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
