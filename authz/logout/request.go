package logout

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
	"countersign/storage/session"
)

// carried are the parameters that the confirmation brings along (OpenID
// Connect RP-Initiated Logout 1.0, section 2). The others are hints that
// nothing here depends on.
var carried = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

// hint is what a genuine ID token of ours says, however old it is.
type hint struct {
	clients []string // aud
	session string   // sid
}

// request is a logout request that was read and judged.
type request struct {
	parameters protocol.Parameters
	// client is who asked: an approved client that has shown an ID token of
	// ours. It is nil when nobody can be believed to have asked.
	client *clientstore.Client
	// session is the session of the ID token, as its client knows it.
	session string
	// everywhere tells that the person wants every session of theirs to end.
	everywhere bool
	// redirect is where the person goes afterwards, empty for nowhere.
	redirect string
}

// names reports whether the request is about this very session. The session's
// identifier is known to those only who had an ID token of it, and it is one
// account's for good, so that the subject says nothing more.
func (h *Handler) names(q *request, s *session.Session) bool {
	return q.client != nil && q.session != "" && q.session == h.cfg.Subjects.Session(q.client.ID, s.ID)
}

// stays reports whether the person was to be sent somewhere and will not be.
func (q *request) stays() bool {
	return q.parameters.Has("post_logout_redirect_uri") && q.redirect == ""
}

// fields are what the confirmation has to bring back.
func (q *request) fields() []page.Field {
	var list []page.Field
	for _, name := range carried {
		if value := q.parameters.Get(name); value != "" {
			list = append(list, page.Field{Name: name, Value: value})
		}
	}
	return list
}

// judge reads what a logout request may ask for. A hint that is not an ID
// token of ours, and an address that its client has not registered, count for
// nothing: whoever sent the person here, the person decides, and stays.
func (h *Handler) judge(ctx context.Context, p protocol.Parameters) (*request, error) {
	if name := p.Repeated(); name != "" {
		return nil, unreadable(locale.Sprintf("The parameter %s was sent more than once.", protocol.Printable(name)))
	}
	q := &request{parameters: p}
	known, err := h.hint(ctx, p.Get("id_token_hint"))
	if err != nil || known == nil {
		return q, err
	}
	id := p.Get("client_id")
	if id == "" {
		id = known.clients[0]
	}
	if !slices.Contains(known.clients, id) { // LO-07
		return nil, unreadable("Its id_token_hint was issued to another application than the one that its client_id names.")
	}
	c, err := h.cfg.Clients.InUse(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return q, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Status != clientstore.Approved { // LC-05, LC-20
		return q, nil
	}
	q.client, q.session, q.redirect = c, known.session, destination(c, p)
	return q, nil
}

// destination is the registered address that the request names, with its state
// (OpenID Connect RP-Initiated Logout 1.0, section 3).
func destination(c *clientstore.Client, p protocol.Parameters) string {
	uri := p.Get("post_logout_redirect_uri")
	if !c.MatchPostLogoutRedirectURI(uri) {
		return ""
	}
	state := p.Get("state")
	if state == "" {
		return uri
	}
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + url.Values{"state": {state}}.Encode()
}

// hint reads an ID token of ours, nil for anything else. That it has expired
// does not matter (OpenID Connect RP-Initiated Logout 1.0, section 2).
func (h *Handler) hint(ctx context.Context, idToken string) (*hint, error) {
	if idToken == "" {
		return nil, nil //nolint:nilnil // no hint is not an error
	}
	payload, header, err := h.cfg.Keys.Verify(ctx, idToken)
	if errors.Is(err, storage.ErrUnavailable) {
		return nil, err
	}
	if err != nil || header.ExtraHeaders[jose.HeaderType] != "JWT" {
		return nil, nil //nolint:nilnil,nilerr // a forged hint is none
	}
	var claims struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		Audience json.RawMessage `json:"aud"`
		Session  string          `json:"sid"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Issuer != h.cfg.Issuer || claims.Subject == "" {
		return nil, nil //nolint:nilnil,nilerr // signed by us, and no ID token
	}
	known := &hint{clients: audience(claims.Audience), session: claims.Session}
	if len(known.clients) == 0 {
		return nil, nil //nolint:nilnil // signed by us, and no ID token
	}
	return known, nil
}

// audience reads an aud claim, which is a text or a list of them (RFC 7519,
// section 4.1.3).
func audience(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}

func unreadable(what locale.Message) error {
	p := page.BadRequest("E-LOGOUT", locale.Sprintf("An application sent you here to sign out, with a request that cannot be read. %s", what),
		"Nobody was signed out. To sign out here, open this server's own page.")
	p.Title = "This request to sign out cannot be read"
	return p
}
