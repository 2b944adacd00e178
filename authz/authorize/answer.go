package authorize

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/locale"
)

// target is where an answer goes, and how. The redirect URI was compared with
// the registered ones byte by byte, and is kept as it is.
type target struct {
	clientID    string
	redirectURI string
	mode        string // query, fragment or form_post
	state       string
}

// newTarget settles where the answer to a request goes. A mode that the
// request may not choose is left for validation to refuse, by the mode that its
// response type has when none is chosen (OAuth 2.0 Multiple Response Type
// Encoding Practices, sections 2.1 and 5).
func newTarget(redirectURI string, p protocol.Parameters) target {
	t := target{clientID: p.Get("client_id"), redirectURI: redirectURI, mode: "query", state: p.Get("state")}
	front := inFront(words(p.Get("response_type")))
	if front {
		t.mode = "fragment"
	}
	switch mode := p.Get("response_mode"); {
	case mode == "fragment", mode == "form_post", mode == "query" && !front:
		t.mode = mode
	}
	return t
}

// inFront reports whether a response type hands out tokens at the
// authorization endpoint.
func inFront(responseType []string) bool {
	return slices.Contains(responseType, "token") || slices.Contains(responseType, "id_token")
}

// answer brings the client the parameters, the state of its request and the
// issuer (RFC 6749, sections 4.1.2 and 4.2.2; RFC 9207, section 2).
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, t target, parameters url.Values) error {
	if t.state != "" {
		parameters.Set("state", t.state)
	}
	parameters.Set("iss", h.cfg.Issuer)
	if t.mode == "form_post" {
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.FormPost{Action: t.redirectURI, Fields: fields(parameters)})
	}
	separator := "?"
	switch {
	case t.mode == "fragment":
		separator = "#"
	case strings.Contains(t.redirectURI, "?"):
		separator = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", t.redirectURI+separator+parameters.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func fields(parameters url.Values) []page.Field {
	var list []page.Field
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		list = append(list, page.Field{Name: name, Value: parameters.Get(name)})
	}
	return list
}

// refuse tells the client of an error.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, t target, e *protocol.Error) error {
	h.cfg.Refused(r, protocol.About(t.clientID, e))
	return h.answer(w, r, t, url.Values{
		"error":             {string(e.Code)},
		"error_description": {e.Description},
	})
}

// unreadable is the page of a request that cannot be read.
func unreadable(err error) error {
	p := page.BadRequest("E-REQUEST", locale.Sprintf("The application sent a request that cannot be read: %s.", err.Error()),
		"Tell the developer of the application. Nothing was shared with it.")
	return p
}

// unknownClient is the page of a request that names no client of ours.
func unknownClient() error {
	p := page.BadRequest("E-CLIENT-UNKNOWN", "The application that sent you here is not registered: it named no client_id, or one that is not known.",
		"Go back to the application. Its developer or your administrator can register it and check its client_id.")
	p.Title = "This application is not registered here"
	return p
}

func badRedirect(what locale.Message) error {
	return page.BadRequest("E-REDIRECT-URI", what, "Tell the developer of the application: it must send one of the redirect URIs that are registered for it.")
}

// mismatch is the page of a redirect URI that is not registered. The
// developer learns what was sent; where the two differ is on the
// administrator's side, because the registered ones are nobody else's business.
func mismatch(sent string, c *clientstore.Client) error {
	p := page.BadRequest("E-REDIRECT-MISMATCH",
		"The application asked to be answered at an address that is not registered for it, so nothing was shared.",
		"Tell the developer of the application, or your administrator, who can add the address if it is the application's own.")
	p.Title = "The application's address does not match"
	p.Detail = "redirect_uri sent by client " + c.ID + ": " + protocol.Printable(sent) + ". It must equal a registered redirect URI, character by character."
	p.RedirectURI = sent
	return protocol.About(c.ID, p)
}

// tooLong is the page of a request that is too long to wait.
func tooLong(name string) error {
	return page.BadRequest("E-REQUEST", locale.Sprintf("The application sent a request that is too long to be kept while you sign in: its %s.", name),
		"Tell the developer of the application. Nothing was shared with it.")
}

// silenced is the page of a request that forbids pages, of a client that no
// administrator approves of: whoever is not signed in learns nothing of it.
func silenced() error {
	p := page.BadRequest("E-SILENT", "The application asked for an answer without asking you, which is not possible.",
		"Go back to the application and sign in from there.")
	p.Status, p.Who = http.StatusForbidden, page.You
	return p
}

// tooMany is the page of a network from which more requests come than people
// can sign in for.
func tooMany() error {
	return &page.Problem{
		Status: http.StatusTooManyRequests, Code: "E-TOO-MANY", Who: page.You, RetryAfter: time.Second,
		Title:  "Too many sign-ins begin at once",
		What:   "More sign-ins were begun from your network than this server keeps waiting.",
		Remedy: "Wait a moment and reload this page.",
	}
}
