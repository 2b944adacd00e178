package admin

import (
	"net/http"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/failure"
	"countersign/storage/locale"
)

// A redirect URI that was refused is held against the nearest that is
// registered, and can be added where it leads to the same domain. It is saved by
// the form, and by nothing less.
func TestAddARefusedRedirectURI(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.register("App", clientstore.OIDC) // it has https://app.example/cb
		for _, sent := range []string{"https://app.example/cb/", "https://evil.example/cb"} {
			d.door.cfg.Failures.Note(failure.Failure{ClientID: c.ID, Endpoint: "/authorize", Code: "E-REDIRECT-MISMATCH", Cause: "It asked to be answered at " + sent + ".", RedirectURI: sent})
		}
		if _, err := d.door.cfg.Failures.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		page := d.open(clientPath(c.ID))
		d.want(page, http.StatusOK, "The nearest that is registered is https://app.example/cb. They differ in the slash at the end.",
			"Anybody can send such a request", "It leads elsewhere than what is registered.")
		var add []string
		for _, link := range page.links() {
			if strings.Contains(link, "refusal=") {
				add = append(add, strings.TrimPrefix(link, "/auth"))
			}
		}
		if len(add) != 1 {
			t.Fatalf("links that add: %q; want one", add)
		}
		form := d.open(add[0])
		d.want(form, http.StatusOK, "One redirect URI is proposed", "https://app.example/cb/")
		if got, err := d.clients.Get(t.Context(), c.ID); err != nil || len(got.Metadata.RedirectURIs) != 1 {
			t.Errorf("before it is saved: %v, %v", got.Metadata.RedirectURIs, err)
		}
		d.want(d.open(clientPath(c.ID)+"/edit?refusal=https://evil.example/cb"), http.StatusOK, "https://app.example/cb")
		fields := form.fields("version")
		fields.Set("redirect_uris", "https://app.example/cb\nhttps://app.example/cb/")
		if res := d.send(clientPath(c.ID)+"/edit", fields); res.status != http.StatusSeeOther {
			t.Fatalf("%d: %s", res.status, res.text())
		}
		d.want(d.open(clientPath(c.ID)), http.StatusOK, "It has been registered since.")
	})
}

func TestWhatDiffers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want locale.Message
	}{
		{"https://a.example/cb", "https://a.example/cb/", "They differ in the slash at the end."},
		{"https://a.example/CB", "https://a.example/cb", "They differ in capital letters."},
		{"http://a.example/cb", "https://a.example/cb", "They differ in the scheme."},
		{"https://www.a.example/cb", "https://a.example/cb", "They differ in the host."},
		{"https://a.example:8443/cb", "https://a.example/cb", "They differ in the port."},
		{"https://a.example/x", "https://a.example/cb", "They differ in the path."},
		{"https://a.example/cb?x", "https://a.example/cb", "They differ in the query."},
		{"http://a.example/x", "https://a.example/cb", ""},
		{"%zz", "https://a.example/cb", ""},
	} {
		if got := oneDifference(tt.a, tt.b); got != tt.want {
			t.Errorf("%s, %s: %q; want %q", tt.a, tt.b, got, tt.want)
		}
	}
	if uri, says := nearest("x://y", []string{"https://a.example/cb"}); uri != "" || says != "" {
		t.Errorf("nearest to nothing alike: %q %q", uri, says)
	}
}
