package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/clientstore"
	"countersign/storage/failure"
	"countersign/storage/locale"
)

// refusal is what a client was refused, with what an administrator can do.
type refusal struct {
	failure.Failure
	// Nearest is the registered redirect URI that is most like the one that was
	// sent, and Differs says in what; both empty where nothing is alike.
	Nearest string
	Differs locale.Message
	// Addable tells that the redirect URI leads to where registered ones lead.
	// Anybody can send a request with another one in a client's name, and a
	// button would make of it a proposal.
	Addable bool
	// Registered tells that it was added since.
	Registered bool
}

func refusals(c *clientstore.Client, list []failure.Failure) []refusal {
	shown := make([]refusal, len(list))
	for i, f := range list {
		shown[i] = refusal{Failure: f}
		if f.RedirectURI == "" {
			continue
		}
		shown[i].Registered = c.MatchRedirectURI(f.RedirectURI)
		shown[i].Nearest, shown[i].Differs = nearest(f.RedirectURI, c.Metadata.RedirectURIs)
		shown[i].Addable = !shown[i].Registered && c.ManagedBy == "" && slices.ContainsFunc(c.Metadata.RedirectURIs, func(uri string) bool {
			return domain(uri) == domain(f.RedirectURI) && scheme(uri) == scheme(f.RedirectURI)
		})
	}
	return shown
}

func scheme(uri string) string {
	name, _, _ := strings.Cut(strings.ToLower(uri), ":")
	return name
}

// nearest finds the URI that begins like the one that was sent for longest.
func nearest(sent string, registered []string) (string, locale.Message) {
	best, most := "", 0
	for _, uri := range registered {
		if n := alike(sent, uri); n > most {
			best, most = uri, n
		}
	}
	if best == "" {
		return "", ""
	}
	if says := oneDifference(sent, best); says != "" {
		return best, says
	}
	return "", ""
}

func alike(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// oneDifference names the one thing in which the URIs differ, empty where it is
// more than one.
func oneDifference(a, b string) locale.Message {
	switch {
	case strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/"):
		return "They differ in the slash at the end."
	case strings.EqualFold(a, b):
		return "They differ in capital letters."
	}
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	if errX != nil || errY != nil {
		return ""
	}
	var list []locale.Message
	for _, part := range []struct {
		same bool
		says locale.Message
	}{
		{x.Scheme == y.Scheme, "They differ in the scheme."},
		{x.Hostname() == y.Hostname(), "They differ in the host."},
		{x.Port() == y.Port(), "They differ in the port."},
		{x.EscapedPath() == y.EscapedPath(), "They differ in the path."},
		{x.RawQuery == y.RawQuery, "They differ in the query."},
	} {
		if !part.same {
			list = append(list, part.says)
		}
	}
	if len(list) != 1 {
		return ""
	}
	return list[0]
}

// proposed adds to the form the redirect URI of the refusal that the address
// names, for the administrator to look at and save.
func (h *handler) proposed(r *http.Request, c *clientstore.Client, f *clientForm) error {
	id := r.URL.Query().Get("refusal")
	if id == "" {
		return nil
	}
	list, err := h.cfg.Failures.List(r.Context(), c.ID, failure.Kept)
	if err != nil {
		return err
	}
	for _, one := range refusals(c, list) {
		if one.ID == id && one.Addable {
			f.Redirects = strings.TrimSpace(f.Redirects + "\n" + one.RedirectURI)
			f.Added = one.RedirectURI
		}
	}
	return nil
}
