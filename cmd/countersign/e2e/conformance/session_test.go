package conformance

import (
	"context"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"countersign/cmd/countersign/e2e/e2etest"
)

var sessionManagement = plan{
	name: "oidcc-session-management-certification-test-plan", title: "Session Management", variants: logoutVariants,
	modules: []module{
		{"oidcc-session-management-discovery-endpoint-verification", "check_session_iframe is advertised, and https.", func(r *run) {
			advertises(r)
			r.want(strings.HasPrefix(text(r.op.metadata, "check_session_iframe"), "https://"), "check_session_iframe is %v", r.op.metadata["check_session_iframe"])
		}, nil},
		{"oidcc-session-management-rp-initiated-logout", "In Chromium, the provider's frame says unchanged before a logout and changed after it.", sessionManaged, nil},
	},
}

func TestSessionManagement(t *testing.T) { sessionManagement.test(t) }

// watching is a page of the client that embeds the provider's frame and asks
// it about the session_state that came with the authorization response (OpenID
// Connect Session Management 1.0, section 3.2).
const watching = `<!doctype html><html lang="en"><title>Client</title><h1 id="answer"></h1>
<script>
const sent = new URLSearchParams(location.hash.slice(1) || location.search);
if (sent.get("session_state")) sessionStorage.setItem("session_state", sent.get("session_state"));
const frame = document.createElement("iframe");
addEventListener("message", (event) => {
  if (event.origin === %[2]q && event.source === frame.contentWindow) document.getElementById("answer").textContent = event.data;
});
frame.onload = () => frame.contentWindow.postMessage(%[1]q + " " + sessionStorage.getItem("session_state"), %[2]q);
frame.src = %[3]q;
document.body.append(frame);
</script>`

func sessionManaged(r *run) {
	p, metadata := r.newParty()
	farewell := p.site.url("/post_logout_redirect")
	p.enrol(metadata, map[string]any{"post_logout_redirect_uris": []string{farewell}})
	page := fmt.Sprintf(watching, p.id, r.op.issuer, r.op.endpoint(r, "check_session_iframe"))
	p.site.serves("/cb", "text/html; charset=utf-8", page)
	p.site.serves("/post_logout_redirect", "text/html; charset=utf-8", page)

	tab := r.openTab()
	q := p.request()
	r.do(tab,
		chromedp.Navigate(r.op.endpoint(r, "authorization_endpoint")+"?"+q.Encode()),
		chromedp.SendKeys(`input[name="username"]`, r.op.username, chromedp.ByQuery),
		chromedp.SendKeys(`input[name="password"]`, r.op.password, chromedp.ByQuery),
		chromedp.Click(`main form button[type="submit"]`, chromedp.ByQuery),
		chromedp.Click(`button[name="decision"][value="allow"]`, chromedp.ByQuery),
	)
	r.want(r.answerIn(tab) == "unchanged", "the frame does not say unchanged")
	var arrived string
	r.do(tab, chromedp.Location(&arrived))
	at, err := url.Parse(arrived)
	if err != nil {
		r.Fatal(err)
	}
	f := p.receive(&visit{callback: newCallback("GET", at, nil)}, q)
	r.want(f.params.Get("session_state") != "", "the authorization response has no session_state: %v", f.params)

	leave := url.Values{"id_token_hint": {f.idToken}, "post_logout_redirect_uri": {farewell}}
	r.do(tab, chromedp.Navigate(r.op.endpoint(r, "end_session_endpoint")+"?"+leave.Encode()))
	r.want(r.answerIn(tab) == "changed", "the frame does not say changed")
	r.do(tab, chromedp.Location(&arrived))
	r.want(arrived == farewell, "the browser is at %s", html.UnescapeString(arrived))
}

// openTab opens a tab in a profile of its own.
func (r *run) openTab() context.Context {
	r.Helper()
	browser, err := e2etest.Chromium()
	if err != nil {
		r.Fatalf("Chromium does not start: %v. Install it (Debian: `apt-get install chromium`)", err)
	}
	direct := cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
	profile, err := target.CreateBrowserContext().Do(direct)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = target.DisposeBrowserContext(profile).Do(direct) }) // it ends with the browser at the latest
	// A profile without a window has nowhere to put a tab.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(direct)
	if err != nil {
		r.Fatal(err)
	}
	tab, end := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	r.Cleanup(end)
	tab, cancel := context.WithTimeout(tab, 2*time.Minute)
	r.Cleanup(cancel)
	r.do(tab) // what runs first decides how long the tab is listened to
	return tab
}

// do runs actions, or fails the module with what the tab shows.
func (r *run) do(tab context.Context, actions ...chromedp.Action) {
	r.Helper()
	if err := chromedp.Run(tab, actions...); err != nil {
		var at, shows string
		_ = chromedp.Run(tab, chromedp.Location(&at), chromedp.Evaluate(`document.body.innerText`, &shows)) // the failure is reported
		r.Fatalf("%v at %s:\n%s", err, at, shows)
	}
}

// answerIn is what the provider's frame answered the page in the tab.
func (r *run) answerIn(tab context.Context) string {
	r.Helper()
	var answer string
	r.do(tab,
		chromedp.Poll(`document.getElementById("answer")?.textContent !== "" && document.getElementById("answer")?.textContent !== undefined`, nil),
		chromedp.Text("#answer", &answer, chromedp.ByQuery))
	return answer
}
