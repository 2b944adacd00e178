package authorize

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"time"

	"countersign/authz/limit"
	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/pushed"
)

// pushedResponse is the answer to a pushed request (RFC 9126, section 2.2).
type pushedResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// Push serves POST /par: it takes an authorization request from the client
// itself, checks it as it would be checked at the authorization endpoint, and
// returns a reference that the browser brings there.
func (h *Handler) Push(w http.ResponseWriter, r *http.Request) error {
	form, err := protocol.Form(r)
	if err != nil {
		return err
	}
	c, err := h.cfg.Authenticate(r, form)
	if err != nil {
		return err
	}
	return protocol.About(c.ID, h.take(w, r, form, c))
}

// take checks what a client pushed, and keeps it.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, form protocol.Parameters, c *clientstore.Client) error {
	if form.Has("request_uri") {
		return protocol.Refuse(protocol.InvalidRequest, "A pushed request has its parameters with it: leave out the request_uri (RFC 9126, section 2.1).")
	}
	if form.Has("request") && !form.IsRepeated("request") { // what comes beside it counts for nothing (RFC 9126, section 3)
		form = protocol.Kept(url.Values{"client_id": {c.ID}, "request": {form.Get("request")}})
	}
	p, err := h.cfg.Requests.Resolve(r.Context(), form, c)
	if err != nil {
		return err
	}
	all := maps.Clone(p.All())
	all.Set("client_id", c.ID)
	if err := h.cfg.Lender.Lend(r.Context(), c, "", p.Get("redirect_uri")); err != nil {
		return err
	}
	if _, err := redirectURI(p, c); err != nil {
		return told(err)
	}
	if _, err := h.validate(r, p, c); err != nil {
		return err
	}
	kept, err := worthKeeping(all)
	if err != nil {
		return told(err)
	}
	reference, err := h.push(r, c, kept)
	if err != nil {
		return err
	}
	h.cfg.Log.InfoContext(r.Context(), "authorization request pushed", "request_id", r.Header.Get("X-Request-Id"), "client_id", c.ID)
	body, err := json.Marshal(pushedResponse{reference, int64(pushed.Lifetime / time.Second)})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	_, err = w.Write(body)
	return err
}

// push keeps the request, if the client does not leave too many waiting (RFC
// 9126, section 2.3).
func (h *Handler) push(r *http.Request, c *clientstore.Client, request url.Values) (string, error) {
	by := pushed.Client{ID: c.ID, Epoch: c.Epoch}
	if c.IsPublic() {
		by.Network = limit.Network(r.RemoteAddr)
	}
	reference, err := h.cfg.Pushed.Push(r.Context(), by, request)
	if errors.Is(err, pushed.ErrTooMany) {
		return "", &protocol.Error{
			Code: protocol.TemporarilyUnavailable, Status: http.StatusTooManyRequests, RetryAfter: int(pushed.Lifetime / time.Second),
			Description: "Too many pushed requests of this client wait for a browser. Use those, or wait until they expire.",
		}
	}
	return reference, err
}

// told tells a client what a page would tell a person.
func told(err error) error {
	problem, ok := errors.AsType[*page.Problem](err)
	if !ok {
		return err
	}
	return protocol.Refuse(protocol.InvalidRequest, protocol.Sentence(problem.What.String()))
}
