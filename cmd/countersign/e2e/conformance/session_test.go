package conformance

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"countersign/cmd/countersign/e2e/e2etest"
)

var sessionManagement = plan{
	name: "oidcc-session-management-certification-test-plan", title: "Session Management", variants: logoutVariants,
	modules: []module{
		{"oidcc-session-management-discovery-endpoint-verification", "check_session_iframe is advertised, and https.", func(r *run) {
			advertises(r)
			r.want(strings.HasPrefix(text(r.op.metadata, "check_session_iframe"), "https://"), "check_session_iframe is %v", r.op.metadata["check_session_iframe"])
		}, nil, false},
		{"oidcc-session-management-rp-initiated-logout", "In Chromium, the provider's frame says unchanged before a logout and changed after it.", sessionManaged, nil, false},
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

// sessionManaged has the client on the same site as the provider: where they
// are on two, it depends on the person's settings whether the browser gives the
// frame its cookies, and private profiles do not.
func sessionManaged(r *run) {
	p, metadata := r.newParty()
	farewell := p.site.local("/post_logout_redirect")
	p.redirectURI = p.site.local("/cb")
	p.enrol(metadata, map[string]any{
		"application_type": "native", "redirect_uris": []string{p.redirectURI}, "post_logout_redirect_uris": []string{farewell},
	})
	page := fmt.Sprintf(watching, p.id, r.op.issuer, r.op.endpoint(r, "check_session_iframe"))
	p.site.serves("/cb", "text/html; charset=utf-8", page)
	p.site.serves("/post_logout_redirect", "text/html; charset=utf-8", page)

	tab := e2etest.OpenTab(r, e2etest.NewProfile(r))
	q := p.request()
	r.do(tab,
		chromedp.Navigate(r.op.endpoint(r, "authorization_endpoint")+"?"+q.Encode()),
		chromedp.SendKeys(`input[name="username"]`, r.op.username, chromedp.ByQuery),
		chromedp.SendKeys(`input[name="password"]`, r.op.password, chromedp.ByQuery),
		chromedp.Click(`main form button[type="submit"]`, chromedp.ByQuery),
		chromedp.Click(`button[name="decision"][value="allow"]`, chromedp.ByQuery),
	)
	before := r.answerIn(tab)
	r.want(before == "unchanged", "the frame says %q; want unchanged", before)
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
	after := r.answerIn(tab)
	r.want(after == "changed", "the frame says %q; want changed", after)
	r.do(tab, chromedp.Location(&arrived))
	r.want(arrived == farewell, "the browser is at %s", arrived)
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

// answerIn is what the provider's frame answered the page that the tab shows
// or comes to.
func (r *run) answerIn(tab context.Context) string {
	r.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var answer string
		err := chromedp.Run(tab, chromedp.Evaluate(`document.getElementById("answer")?.textContent ?? ""`, &answer))
		if err == nil && answer != "" { // it fails while the page changes
			return answer
		}
	}
	return ""
}
