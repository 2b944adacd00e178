package e2e

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestEveryPage is BR-01: whatever answers with HTML does so by the policy of
// all pages. Asked are all routes that are for people, and every page that a link
// leads to, by somebody who signed in as an administrator and by nobody. Nobody
// else uses the server, whose lists would have more than they show.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *server) {
		c, u, b := s.Client(), s.administrator(), s.browse()
		s.Code(b, s.Request(c), u)
		seen := map[string]bool{}
		for _, who := range []*browser{b, s.browse()} {
			for _, path := range pageRoutes(t) {
				wantPolicy(t, who.Open(s.issuer+path))
			}
		}
		crawl(t, b, []string{"/", "/settings/", "/settings/oauth-clients/" + c.ID}, seen)
		for _, path := range []string{
			"/account/profile", "/account/authenticator", "/settings/accounts/" + u.ID, "/settings/approvals", "/settings/audit", "/settings/keys", "/settings/sessions",
			"/settings/diagnostics", "/settings/oauth-clients/create", "/settings/oauth-clients/" + c.ID + "/edit", "/settings/oauth-clients/" + c.ID + "/secrets",
		} {
			if !seen[path] {
				t.Errorf("no link leads to %s: %d pages were seen", path, len(seen))
			}
		}
	})
}

// pageRoutes are the paths of the routes for people that answer to GET.
func pageRoutes(t *testing.T) []string {
	t.Helper()
	golden, err := os.ReadFile("../../../authz/testdata/routes.golden")
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/setup", "/setup/done", "/no-such-page", "/settings/no-such-page", "/login?interaction=x", "/authorize?client_id=x", "/device?user_code=BCDF-GHJK"}
	for row := range strings.Lines(string(golden)) {
		column := strings.Split(strings.TrimSpace(row), "\t")
		if strings.HasPrefix(column[0], "GET") && (column[2] == "page" || column[2] == "front") {
			paths = append(paths, strings.ReplaceAll(column[1], "{picture}", "x.png"))
		}
	}
	if len(paths) < 30 {
		t.Fatalf("%d routes for people; want all", len(paths))
	}
	return paths
}

// crawl opens the pages, and every page of the server that links of theirs lead to.
func crawl(t *testing.T, b *browser, paths []string, seen map[string]bool) {
	t.Helper()
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		p := b.Open(b.s.issuer + path)
		if p.Callback == nil && wantPolicy(t, p) {
			paths = append(paths, linked(p)...)
		}
	}
}

// linked are the paths of the server that a page has links to. What follows a
// question mark sorts and filters the same page.
func linked(p *page) []string {
	var paths []string
	for n := range p.doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "a" {
			continue
		}
		for _, a := range n.Attr {
			if to, err := p.URL.Parse(a.Val); a.Key == "href" && err == nil && to.Host == p.URL.Host {
				paths = append(paths, to.EscapedPath())
			}
		}
	}
	return paths
}

// wantPolicy asserts the headers of pages, and reports whether it is one. A file
// is to be kept, and not to be taken for a page.
func wantPolicy(t *testing.T, p *page) bool {
	t.Helper()
	if !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		if p.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be taken for a page", p.URL)
		}
		return false
	}
	failed := t.Failed()
	wantPageHeaders(t, p)
	if policy := p.Header.Get("Content-Security-Policy"); strings.Contains(policy, "*") || strings.Contains(policy, "data:") || strings.Contains(policy, "default-src 'self'") {
		t.Errorf("the policy %q lets more in than is the server's", policy)
	}
	if t.Failed() && !failed {
		t.Errorf("that was %s (%d)", p.URL, p.Status)
	}
	return true
}

// TestRefusalsAreNoLessPages is the rest of BR-01: what is refused before a page
// is made is told by one that keeps to the policy.
func TestRefusalsAreNoLessPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		b := s.browse()
		for name, tt := range map[string]struct {
			method, path, site, body string
			status                   int
		}{
			"another method":         {http.MethodDelete, "/login", "same-origin", "", http.StatusMethodNotAllowed},
			"another method, front":  {http.MethodDelete, "/authorize", "none", "", http.StatusMethodNotAllowed},
			"from another site":      {http.MethodPost, "/login", "cross-site", "username=x", http.StatusForbidden},
			"settings, another site": {http.MethodPost, "/settings/keys", "cross-site", "x=y", http.StatusForbidden},
			"too large":              {http.MethodPost, "/login", "same-origin", "x=" + strings.Repeat("a", 64<<10), http.StatusBadRequest},
			"too large, front":       {http.MethodPost, "/authorize", "none", "x=" + strings.Repeat("a", 64<<10), http.StatusRequestEntityTooLarge},
			"no parameters at all":   {http.MethodGet, "/authorize", "none", "", http.StatusBadRequest},
			"not even text":          {http.MethodGet, "/authorize?client_id=%ff", "none", "", http.StatusBadRequest},
			"a parameter twice":      {http.MethodGet, "/authorize?client_id=a&client_id=b", "none", "", http.StatusBadRequest},
			"no such page":           {http.MethodGet, "/no-such-page", "none", "", http.StatusNotFound},
		} {
			t.Run(name, func(t *testing.T) {
				req := b.post(s.issuer+tt.path, url.Values{})
				if tt.body != "" || tt.method == http.MethodGet {
					req = s.newRequest(tt.method, s.issuer+tt.path, tt.body)
					req.Header.Set("Content-Type", formType)
				}
				req.Method = tt.method
				req.Header.Set("Sec-Fetch-Site", tt.site)
				p := b.follow(req)
				if p.Status != tt.status {
					t.Errorf("%s %s: %d; want %d", tt.method, tt.path, p.Status, tt.status)
				}
				if !wantPolicy(t, p) {
					t.Errorf("%s %s is no page: %s", tt.method, tt.path, p.Body)
				}
			})
		}
	})
}
