package oauth1

import (
	"net/http"
	"strings"

	"countersign/authz/oauth1/signature"
)

// Access is what a signed request opens at a resource server.
type Access struct {
	Subject, Username, ClientID string
	Scope                       []string
}

// Access verifies a request that somebody else received and tells of. It
// refuses with an [*Error].
func (h *Handler) Access(r *http.Request, m signature.Message) (*Access, error) {
	request, err := parse(m)
	if err != nil {
		return nil, h.noted(r, nil, err)
	}
	s, err := h.access(r, receive(r, request, m.URL))
	if err != nil {
		return nil, err
	}
	v := s.describe()
	return &Access{v.Subject, v.Username, v.ClientID, strings.Fields(v.Scope)}, nil
}

// Challenge is the value of WWW-Authenticate for a refusal, and for a request
// without credentials, which has none.
func (h *Handler) Challenge(e *Error) string {
	challenge := `OAuth realm="` + h.cfg.Realm + `"`
	if e == nil {
		return challenge
	}
	return challenge + ", " + encode(e.fields(), signature.Escape, ", ", `"`)
}

// AuthorizationURL is where users allow requests.
func (h *Handler) AuthorizationURL() string { return h.cfg.Issuer + "/oauth1/authorize" }
