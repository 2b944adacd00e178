package admin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

// names are the clients that the table shows.
func (a answer) names() []string {
	var list []string
	for _, n := range a.elements("th") {
		if attr(n, "scope") == "row" {
			list = append(list, strings.TrimSpace(textOf(n)))
		}
	}
	return list
}

func (d *desk) wantNames(a answer, want ...string) {
	d.t.Helper()
	if got := a.names(); a.status != http.StatusOK || !slices.Equal(got, want) {
		d.t.Errorf("%d with %q; want %q", a.status, got, want)
	}
}

func TestClientList(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, d *desk) {
		d.want(d.open("/settings/oauth-clients"), http.StatusOK, "Create your first client", "Modeling tool", "Native or device tool", "Web application")
		tool := d.approve(d.register("Tool", clientstore.OAuth1))
		d.register("<script>", clientstore.OAuth2)
		d.register("App", clientstore.OIDC)
		a := d.open("/settings/oauth-clients")
		d.want(a, http.StatusOK, "OAuth 1.0a", "three-legged", "Approved", "Pending", "the command line", tool.ID, "Not yet", "code, refresh")
		d.wantNames(a, "<script>", "App", "Tool")
		d.wantNames(d.open("/settings/oauth-clients?type=oauth1"), "Tool")
		d.wantNames(d.open("/settings/oauth-clients?status=pending&sort=-name"), "App", "<script>")
		d.wantNames(d.open("/settings/oauth-clients?sort=created"), "Tool", "<script>", "App")
		d.wantNames(d.open("/settings/oauth-clients?q="+tool.ID[:9]), "Tool")
		d.wantNames(d.open("/settings/oauth-clients?type=oidc&q=APP.example"), "App")
		d.want(d.open("/settings/oauth-clients?q=nothing"), http.StatusOK, "Nothing matches", "Show all")
		d.wantRows(a)
		for _, query := range []string{"type=x", "status=x", "sort=x", "after=x", "after=%21", "before=YQ&after=YQ", "sort=created&after=QXBwAGFiYw"} {
			d.want(d.open("/settings/oauth-clients?"+query), http.StatusBadRequest, "E-LIST")
		}
	})
}

// wantRows looks at what a row is made of: grey where the client does not
// work, and the acts that fit.
func (d *desk) wantRows(a answer) {
	d.t.Helper()
	for _, row := range a.elements("tr") {
		text := textOf(row)
		switch {
		case strings.Contains(text, "Approved"):
			if attr(row, "class") == "off" || !strings.Contains(text, "Disapprove") || !strings.Contains(text, "Actions for Tool") {
				d.t.Errorf("row of an approved client: %s", text)
			}
		case strings.Contains(text, "Pending"):
			if attr(row, "class") != "off" || !strings.Contains(text, "Approve") || !strings.Contains(text, "Remove") || !strings.Contains(text, "Edit") {
				d.t.Errorf("row of a pending client: %s", text)
			}
		}
	}
}

// TestClientListPages goes through 60 clients and back, and keeps the filter.
func TestClientListPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		var all []string
		for i := range 60 {
			name := fmt.Sprintf("Client %03d", i)
			d.register(name, clientstore.OAuth2)
			all = append(all, name)
		}
		follow := func(a answer, rel string) answer {
			for _, n := range a.elements("a") {
				if attr(n, "rel") == rel {
					return d.open(strings.TrimPrefix(attr(n, "href"), "/auth"))
				}
			}
			return answer{doc: &html.Node{}}
		}
		first := d.open("/settings/oauth-clients?type=oauth2&q=client")
		d.wantNames(first, all[:25]...)
		second := follow(first, "next")
		d.wantNames(second, all[25:50]...)
		third := follow(second, "next")
		d.wantNames(third, all[50:]...)
		if follow(third, "next").status != 0 || follow(first, "prev").status != 0 {
			t.Error("the ends lead on")
		}
		d.wantNames(follow(third, "prev"), all[25:50]...)
		back := follow(second, "prev")
		d.wantNames(back, all[:25]...)
		if follow(back, "prev").status != 0 {
			t.Error("the first page has one before it")
		}
	})
}

// TestClientListStatements counts what a page asks the database, however many
// rows it has: who asks, the rows, whom they name, and what waits.
func TestClientListStatements(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	for i := range 60 {
		d.register(fmt.Sprint(i), clientstore.OAuth2)
	}
	c := d.register("Own", clientstore.OAuth2)
	if err := d.db.With(t.Context()).Exec("UPDATE clients SET created_by = ? WHERE id <> ?", d.who.ID, c.ID).Error; err != nil {
		t.Fatal(err)
	}
	counted := storagetest.CountStatements(d.db)
	a := d.open("/settings/oauth-clients")
	if n := counted.Count(); n != 5 || len(a.names()) != pageSize {
		t.Errorf("%d statements for %d rows: %q", n, len(a.names()), counted.Statements())
	}
	d.want(a, http.StatusOK, "by ada")
}

// TestClientListIsSmall keeps a full page well below what a first load may be
// (60 KB with style sheets and script, which the tests of the assets measure).
func TestClientListIsSmall(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	for i := range pageSize + 1 {
		d.register(fmt.Sprintf("A client with a name of usual length %d", i), clientstore.OAuth2)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, d.request(http.MethodGet, "/settings/oauth-clients", nil))
	if n := w.Body.Len(); n > 45_000 || n < 10_000 {
		t.Errorf("the page has %d bytes", n)
	}
}
