package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dghubble/oauth1"
)

// goConsumer is a client of OAuth 1.0a that we did not write.
func (s *server) goConsumer(c *client) *oauth1.Config {
	return &oauth1.Config{
		ConsumerKey: c.ID, ConsumerSecret: c.Secret, CallbackURL: webRedirect,
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: s.endpoint("oauth1_request_token_endpoint"), AuthorizeURL: s.endpoint("oauth1_authorization_endpoint"),
			AccessTokenURL: s.endpoint("oauth1_access_token_endpoint"),
		},
	}
}

// captured is a transport that keeps the request that a library signed, and
// sends nothing.
type captured struct{ request *http.Request }

func (c *captured) RoundTrip(r *http.Request) (*http.Response, error) {
	c.request = r.Clone(r.Context())
	return nil, http.ErrUseLastResponse
}

// keep returns the request of the library that send sends.
func keep(config oauth1.Config, send func(*oauth1.Config) error) *http.Request {
	kept := &captured{}
	config.HTTPClient = &http.Client{Transport: kept}
	_ = send(&config) // which fails
	return kept.request
}

// TestOAuth1AcrossReplicas sends one signed request 50 times, and one verifier 20
// times, to two servers on one database at once: one request is taken, and one
// verifier yields credentials (O1-04, O1-11).
func TestOAuth1AcrossReplicas(t *testing.T) {
	t.Parallel()
	one := start(t, postgres)
	two := one.replica()
	u := one.User()
	c := mustJSON[client](t, one.CLI("", "client", "create", "--type", "oauth1", "--name", "Bridge", "--redirect-uri", webRedirect, "--approve", "-o", "json"))
	one.canaries.add("client secret", c.Secret)
	config := one.goConsumer(&c)

	var mu sync.Mutex
	sent := 0
	turn := func() *server {
		mu.Lock()
		defer mu.Unlock()
		sent++
		return []*server{one, two}[sent%2]
	}
	won := func(what string, answers []answer) {
		t.Helper()
		n := 0
		for _, a := range answers {
			switch {
			case a.Status == http.StatusOK:
				n++
			case a.Status != http.StatusUnauthorized || !strings.Contains(a.Body, "_used"):
				t.Errorf("%s: a loser is answered %d %s", what, a.Status, a.Body)
			}
		}
		if n != 1 {
			t.Errorf("%s was taken %d times at two servers; want once", what, n)
		}
	}
	again := func(r *http.Request) *http.Request {
		req := one.newRequest(r.Method, r.URL.String(), "")
		req.Header = r.Header.Clone()
		return req
	}
	request := keep(*config, func(c *oauth1.Config) error { _, _, err := c.RequestToken(); return err })
	won("one nonce", race(func() answer { return turn().do(again(request)) }))

	token, secret, err := config.RequestToken()
	if err != nil {
		t.Fatal(err)
	}
	p := one.browse().Authorize(config.Endpoint.AuthorizeURL+"?oauth_token="+url.QueryEscape(token), u)
	if p.Callback == nil {
		t.Fatalf("not allowed: %s (%d): %s", p.URL, p.Status, p.Text())
	}
	var exchanges []*http.Request // each with a nonce of its own
	for range 20 {
		exchanges = append(exchanges, keep(*config, func(c *oauth1.Config) error {
			_, _, err := c.AccessToken(token, secret, p.Callback.Query().Get("oauth_verifier"))
			return err
		}))
	}
	answers := make([]answer, len(exchanges))
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for i, r := range exchanges {
		s := turn()
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			answers[i] = s.do(again(r))
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	won("one verifier", answers)

	// What was refused is there for the administrator, whichever server refused it.
	type failure struct {
		Code       string `json:"code"`
		BaseString string `json:"base_string"`
	}
	var failures []failure
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		failures = mustJSON[[]failure](t, one.CLI("", "client", "failures", c.ID, "-o", "json"))
		used := slices.DeleteFunc(slices.Clone(failures), func(f failure) bool { return f.Code != "token_used" })
		if len(used) == 19 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 19 refused verifiers are noted", len(used))
		}
	}
	codes := map[string]int{}
	for _, f := range failures {
		codes[f.Code]++
		if !strings.HasPrefix(f.BaseString, "POST&") {
			t.Errorf("base string %q", f.BaseString)
		}
	}
	if len(failures) != 50 || codes["nonce_used"]+codes["token_used"] != 50 || codes["token_used"] != 19 {
		t.Errorf("%d failures are noted: %v; want the last 50", len(failures), codes)
	}
}
