package authorize

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/interaction"
	"countersign/storage/locale"
	"countersign/storage/pushed"
)

// markName marks the parameters of a waiting request that did not come in
// plain form. No request can bring it along: what waits is filtered before.
const markName = "countersign_resolved"

// signed marks what was in a request object.
const signed = "request"

// plain are the parameters of a request in plain form, however they came.
type plain struct {
	protocol.Parameters
	mark string
}

// resolve brings a request into plain form. One that waited was brought there
// before it did, unless nobody approved of its client at the time.
func (h *Handler) resolve(ctx context.Context, p protocol.Parameters, c *clientstore.Client, i *interaction.Interaction) (plain, error) {
	if i != nil && i.Request.Get(markName) != "" {
		kept := maps.Clone(i.Request)
		kept.Del(markName)
		return plain{protocol.Kept(kept), i.Request.Get(markName)}, nil
	}
	if isPushed(p) {
		return h.pushed(ctx, p, c)
	}
	if c.Metadata.RequirePushedAuthorizationRequests {
		return plain{}, protocol.Refuse(protocol.InvalidRequest, "The client is registered to push its requests: send them to the endpoint of RFC 9126 first.")
	}
	resolved, err := h.cfg.Requests.Resolve(ctx, p, c)
	if err != nil || !bundled(p) {
		return plain{resolved, ""}, err
	}
	return plain{resolved, signed}, nil
}

// bundled reports whether the request has its parameters elsewhere.
func bundled(p protocol.Parameters) bool { return p.Has("request") || p.Has("request_uri") }

// unresolved tells of a request that cannot be brought into plain form: to the
// client, where the plain part of it says how, else to the person.
func (h *Handler) unresolved(w http.ResponseWriter, r *http.Request, p protocol.Parameters, c *clientstore.Client, err error) error {
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return err
	}
	uri, unknown := redirectURI(p, c)
	if unknown != nil {
		return page.BadRequest("E-REQUEST", locale.Sprintf("The application sent a request that this server does not take: %s", e.Description),
			"Tell the developer of the application. Nothing was shared with it.")
	}
	return h.refuse(w, r, newTarget(uri, p), e)
}

// mayHold checks what is checked of the request of a client that no
// administrator approves of. Nothing is fetched or verified for it, so that
// its redirect URI may not be known yet.
func mayHold(p protocol.Parameters, c *clientstore.Client) error {
	if bundled(p) {
		return nil
	}
	_, err := redirectURI(p, c)
	return err
}

// isPushed reports whether the request names one that was pushed.
func isPushed(p protocol.Parameters) bool {
	return strings.HasPrefix(p.Get("request_uri"), pushed.Prefix)
}

// markPushed begins the mark of a request that was pushed.
const markPushed = "pushed:"

// pushed returns the parameters that the client pushed. What comes beside the
// reference counts for nothing (RFC 9126, section 4).
func (h *Handler) pushed(ctx context.Context, p protocol.Parameters, c *clientstore.Client) (plain, error) {
	if p.IsRepeated("request_uri") || p.Has("request") {
		return plain{}, protocol.Refuse(protocol.InvalidRequest, "Send one request_uri, and no request beside it.")
	}
	r, err := h.cfg.Pushed.Get(ctx, c.ID, p.Get("request_uri"))
	if errors.Is(err, storage.ErrNotFound) {
		return plain{}, protocol.Refuse(protocol.InvalidRequestURI, "The request_uri has expired, was used before, or is not one that this client was given, or the client was disapproved since. Push the request again.")
	}
	if err != nil {
		return plain{}, err
	}
	return plain{protocol.Kept(r.Request), markPushed + r.Mark()}, nil
}

// useUp uses up a request that was pushed, when it is answered and not before:
// a person may open it twice.
func (h *Handler) useUp(ctx context.Context, s state) error {
	mark, ok := strings.CutPrefix(s.request.mark, markPushed)
	if !ok {
		return nil
	}
	by := ""
	if s.interaction != nil {
		by = s.interaction.ID
	}
	return h.cfg.Pushed.Use(ctx, mark, by)
}
