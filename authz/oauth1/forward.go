package oauth1

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"countersign/authz/oauth1/signature"
	"countersign/storage"
)

// ForwardAuth serves the endpoint that reverse proxies ask about each request
// before they pass it on: nginx's auth_request, Traefik's ForwardAuth, Caddy's
// forward_auth. It takes requests that are signed by OAuth 1.0a and those that
// bring a bearer token. What it believes of the request's URL and method is
// what the proxy says in its headers, which therefore must replace those that
// came with the request. Bodies do not reach it: parameters of OAuth 1.0a in a
// form cannot be verified here.
func (h *Handler) ForwardAuth(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	m, err := forwarded(r)
	if err != nil {
		return err
	}
	if signature.IsSigned(m) {
		return h.forwardSigned(w, r, m)
	}
	if token, ok := bearer(r); ok {
		return h.forwardBearer(w, r, token)
	}
	w.Header().Add("WWW-Authenticate", `OAuth realm="`+h.cfg.Realm+`"`)
	w.Header().Add("WWW-Authenticate", `Bearer realm="`+h.cfg.Realm+`"`)
	w.WriteHeader(http.StatusUnauthorized)
	return nil
}

func (h *Handler) forwardSigned(w http.ResponseWriter, r *http.Request, m signature.Message) error {
	request, err := parse(m)
	if err != nil {
		return h.forbid(w, err)
	}
	s, err := h.access(r, &received{request, m.URL})
	if err != nil {
		return h.forbid(w, err)
	}
	pass(w, s.Signer.Grant.Subject, s.Signer.Username, s.Client.ID, s.scope())
	return nil
}

// forbid answers 401 whatever the problem is: to a proxy another status than
// 401 and 403 is a fault of ours. A fault of ours it is told.
func (h *Handler) forbid(w http.ResponseWriter, err error) error {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	h.challenge(w, refusal)
	w.WriteHeader(http.StatusUnauthorized)
	return nil
}

func (h *Handler) forwardBearer(w http.ResponseWriter, r *http.Request, token string) error {
	t, err := h.cfg.Grants.AccessToken(r.Context(), token)
	if errors.Is(err, storage.ErrNotFound) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+h.cfg.Realm+`", error="invalid_token", error_description="The access token is unknown, has expired or was revoked."`)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if err != nil {
		return err
	}
	pass(w, t.Grant.Subject, t.Username, t.Grant.ClientID, strings.Join(t.EffectiveScope(), " "))
	return nil
}

// pass tells the proxy who asks, for it to tell the resource server.
func pass(w http.ResponseWriter, subject, username, clientID, scope string) {
	for name, value := range map[string]string{
		"X-Auth-Subject": subject, "X-Auth-Username": url.QueryEscape(username), "X-Auth-Client": clientID, "X-Auth-Scope": scope,
	} {
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusOK)
}

// forwarded reads the request that a proxy asks about: from X-Original-Method
// and X-Original-URL, as nginx is configured to send, or from the
// X-Forwarded-… headers that Traefik and Caddy send.
func forwarded(r *http.Request) (signature.Message, error) {
	m := signature.Message{
		Method: r.Header.Get("X-Original-Method"), URL: r.Header.Get("X-Original-URL"), Authorization: r.Header.Values("Authorization"),
	}
	if m.Method == "" {
		m.Method = r.Header.Get("X-Forwarded-Method")
	}
	if m.URL == "" && r.Header.Get("X-Forwarded-Host") != "" {
		m.URL = r.Header.Get("X-Forwarded-Proto") + "://" + r.Header.Get("X-Forwarded-Host") + r.Header.Get("X-Forwarded-Uri")
	}
	if m.Method == "" || m.URL == "" {
		return m, &Error{
			Problem: "parameter_absent", Status: http.StatusBadRequest,
			Advice: "The proxy has to send X-Original-Method and X-Original-URL, or X-Forwarded-Method, X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Uri.",
		}
	}
	return m, nil
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}
