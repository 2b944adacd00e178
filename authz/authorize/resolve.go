package authorize

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/interaction"
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
		return page.BadRequest("E-REQUEST", "The application sent a request that this server does not take: "+e.Description,
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
