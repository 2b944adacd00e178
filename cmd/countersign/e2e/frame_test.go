package e2e

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	capture "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// BR-03, DV-12: no page lets another site show it in a frame, not even one of
// the same host, to which the browser sends the cookies along. The page that
// is made for frames shows that the browser would.
func TestBR03NoPageIsFramed(t *testing.T) {
	t.Parallel()
	s, b := shared(t, sqlite), newTab(t)
	u, c := s.User(), s.Client()
	tool := s.PublicClient("--grant", deviceGrant)
	parked := s.register("--public", "--grant", deviceGrant, "--redirect-uri", nativeRedirect, "--set", "application_type=native", "--scope", "openid")
	codes, waits := s.startDevice(tool), s.startDevice(parked)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Prize</title><iframe src="%s"></iframe>`, html.EscapeString(r.URL.Query().Get("of"))) // the browser reports
	}))
	t.Cleanup(evil.Close)
	b.open(s.issuer + "/login")
	b.signIn(u.Username, u.password)
	for address, blocked := range map[string]bool{
		s.endpoint("check_session_iframe"):          false,
		s.issuer + "/":                              true,
		s.issuer + "/login?switch=1":                true,
		s.issuer + "/sign-up":                       true,
		s.issuer + "/logout":                        true,
		s.issuer + "/device":                        true,
		s.issuer + "/device?user_code=BCDF-GHJK":    true,
		codes.str("verification_uri_complete"):      true,
		waits.str("verification_uri_complete"):      true,
		s.Request(c).URL():                          true, // consent
		s.Request(c).With("redirect_uri", "").URL(): true,
		s.issuer + "/authorize":                     true,
		s.issuer + "/setup":                         true,
		s.issuer + "/no-such-page":                  true,
	} {
		b.open(evil.URL + "/?of=" + url.QueryEscape(address))
		if shown := b.framed(); (shown == "") != blocked {
			t.Errorf("%s in a frame is shown as %q; want blocked: %t", strings.TrimPrefix(address, s.issuer), shown, blocked)
		}
	}
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// startDevice asks for a pair of codes.
func (s *server) startDevice(c *client) answer {
	s.t.Helper()
	a := s.Post(s.endpoint("device_authorization_endpoint"), c, url.Values{"scope": {"openid"}})
	if a.Status != http.StatusOK {
		s.t.Fatalf("device authorization: %d %s", a.Status, a.Body)
	}
	return a
}

// framed returns the address that the page's one frame shows, empty when the
// browser refused to show it.
func (b *tab) framed() string {
	b.t.Helper()
	for range 200 {
		var tree *capture.FrameTree
		b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
			tree, err = capture.GetFrameTree().Do(ctx)
			return err
		}))
		if len(tree.ChildFrames) == 1 {
			switch shown := tree.ChildFrames[0].Frame.URL; {
			case strings.HasPrefix(shown, "chrome-error:"):
				return ""
			case shown != "" && shown != "about:blank":
				return shown
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("the frame of %s never loads", b.location())
	return ""
}
