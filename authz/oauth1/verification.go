package oauth1

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"countersign/authz/limit"
	"countersign/authz/oauth1/signature"
	"countersign/authz/protocol"
	"countersign/clientstore"
)

// verification is what a resource server learns of a request that was signed.
type verification struct {
	Active    bool   `json:"active"`
	Subject   string `json:"sub,omitempty"`
	Username  string `json:"username,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Scope     string `json:"scope,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	// Problem and Advice say why a request is refused, for its client.
	Problem string `json:"oauth_problem,omitempty"`
	Advice  string `json:"oauth_problem_advice,omitempty"`
}

// Verify serves the verification endpoint. A resource server posts, as itself,
// the method, the url, the Authorization header and, of a form, the body of a
// request that it received. A client may also sign its request to the endpoint
// and learns of itself.
func (h *Handler) Verify(w http.ResponseWriter, r *http.Request) error {
	if signature.IsSigned(signature.Message{URL: r.URL.String(), Authorization: r.Header.Values("Authorization")}) {
		request, err := h.read(w, r)
		if err != nil {
			return h.refuse(w, err)
		}
		return h.tell(w, r, request)
	}
	form, err := protocol.Form(r)
	if err != nil {
		return err
	}
	asking, err := h.cfg.Authenticate(r, form)
	if err != nil {
		return err
	}
	if asking.Metadata.IntrospectionScope != clientstore.IntrospectAll {
		return protocol.Refuse(protocol.UnauthorizedClient,
			"The client may not verify other clients' requests. An administrator can set its introspection_scope to all.")
	}
	if form.Get("method") == "" || form.Get("url") == "" {
		return protocol.Refuse(protocol.InvalidRequest, "Send method and url of the request, its Authorization header as authorization, and the body of a form as body.")
	}
	m := signature.Message{Method: form.Get("method"), URL: form.Get("url"), Form: form.Get("body")}
	if header := form.Get("authorization"); header != "" {
		m.Authorization = []string{header}
	}
	request, err := parse(m)
	if err != nil {
		return h.refuse(w, h.noted(r, nil, err))
	}
	signed := receive(r, request, m.URL)
	if signed.network, err = sender(form.Get("client_address")); err != nil {
		return err
	}
	return h.tell(w, r, signed)
}

// sender is the network of who sent a request to a resource server, empty when
// that does not say. The resource server's own is not the one that guesses
// secrets: anybody could use up what it may get wrong.
func sender(address string) (network string, err error) {
	if address == "" {
		return "", nil
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "", protocol.Refuse(protocol.InvalidRequest, "The client_address is no IP address. Send that of the client without a port, or leave it out.")
	}
	return limit.Network(ip.String()), nil
}

// tell says what a request is worth.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, request *received) error {
	s, err := h.access(r, request)
	if err != nil {
		return h.refuse(w, err)
	}
	v := s.describe()
	v.Issuer = h.cfg.Issuer
	return write(w, http.StatusOK, v)
}

// describe says who the request acts as, and what it may do.
func (s *signed) describe() verification {
	v := verification{Active: true, ClientID: s.Client.ID, TokenType: "OAuth"}
	if s.request.Get("oauth_token") == "" {
		v.Subject, v.Username, v.Scope = s.Functional.AccountID, s.Functional.Username, s.Client.Metadata.Scope
		return v
	}
	v.Subject, v.Username, v.Scope = s.Signer.Grant.Subject, s.Signer.Username, s.scope()
	v.Expires, v.IssuedAt = s.Signer.ExpiresAt.Unix(), s.Signer.CreatedAt.Unix()
	return v
}

// access verifies a request for a protected resource, which needs token
// credentials that hold, or none at all where the client has a functional
// account.
func (h *Handler) access(r *http.Request, request *received) (*signed, error) {
	s, err := h.entitled(r, request)
	return s, h.noted(r, request, err)
}

func (h *Handler) entitled(r *http.Request, request *received) (*signed, error) {
	s, err := h.verify(r.Context(), request)
	switch {
	case err != nil:
		return nil, err
	case s.temporary != nil:
		return nil, problem("token_rejected", "The token is of temporary credentials, which give no access yet.")
	case request.Get("oauth_token") == "":
		return s, s.functional()
	case !s.Signer.Live:
		// Jazz clients ask for another only on this word, which no
		// specification has.
		return nil, problem("invalid_expired_token", "The token has expired or was revoked. Ask for another.")
	default:
		return s, nil
	}
}

// functional refuses a request without a token unless it may act as the
// client's functional account, which old clients ask for by an oauth_token
// that is empty.
func (s *signed) functional() error {
	switch {
	case s.Client.Metadata.OAuth1FunctionalAccount == "":
		return absent("oauth_token", "Send the token of token credentials. Requests without one are for consumers to which an administrator gave a functional account.")
	case !s.Functional.Live:
		return problem("permission_denied", "The functional account of this consumer was removed or disabled, or has become an administrator's. Ask an administrator to name another.")
	default:
		return nil
	}
}

// scope is the scope of the grant without what the client has lost since.
func (s *signed) scope() string {
	registered := strings.Fields(s.Client.Metadata.Scope)
	return strings.Join(slices.DeleteFunc(strings.Fields(s.Signer.Grant.Scope), func(granted string) bool {
		return !slices.Contains(registered, granted)
	}), " ")
}

// refuse answers a resource server in JSON, with the challenge that it can
// pass on to its client.
func (h *Handler) refuse(w http.ResponseWriter, err error) error {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	h.challenge(w, refusal)
	if refusal.Status == http.StatusUnauthorized {
		protocol.PointJazz(w.Header(), h.AuthorizationURL())
	}
	return write(w, refusal.Status, verification{Problem: refusal.Problem, Advice: refusal.Advice})
}

func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}
