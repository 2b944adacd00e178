package authorize

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"countersign/authz/page"
	"countersign/authz/protocol"
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
	if form.Has("request_uri") {
		return protocol.Refuse(protocol.InvalidRequest, "A pushed request has its parameters with it: leave out the request_uri (RFC 9126, section 2.1).")
	}
	p, err := h.cfg.Requests.Resolve(r.Context(), form, c)
	if err != nil {
		return err
	}
	all := p.All()
	all.Set("client_id", c.ID)
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
	reference, err := h.cfg.Pushed.Push(r.Context(), c.ID, kept)
	if err != nil {
		return err
	}
	h.cfg.Log.InfoContext(r.Context(), "authorization request pushed", "request_id", r.Header.Get("X-Request-ID"), "client_id", c.ID)
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

// told tells a client what a page would tell a person.
func told(err error) error {
	problem, ok := errors.AsType[*page.Problem](err)
	if !ok {
		return err
	}
	return protocol.Refuse(protocol.InvalidRequest, protocol.Sentence(problem.What))
}
