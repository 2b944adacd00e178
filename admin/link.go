package admin

import (
	"errors"
	"net/http"

	"countersign/clientstore"
	"countersign/storage"
)

// followLink serves GET /settings/approvals/link, where a notice leads. Whoever
// opens it has signed in as an administrator by now, as for any page here: the
// link says what to look at, and gives nobody a right. It is spent by the
// decision and not by opening it, which mail programs do of their own accord.
func (h *handler) followLink(w http.ResponseWriter, r *http.Request, who *administrator) error {
	token := r.URL.Query().Get("token")
	link, err := h.cfg.Clients.FindLink(r.Context(), token)
	switch {
	case errors.Is(err, clientstore.ErrLinkOver), errors.Is(err, storage.ErrNotFound):
		return linkOver()
	case err != nil:
		return err
	}
	switch {
	case link.SecretID != "":
		return h.followToSecret(w, r, who, link)
	case link.RevisionID != "":
		return h.followToRevision(w, r, who, link)
	}
	p, err := h.approval(r, who, link.ClientID)
	if err != nil {
		return err
	}
	if p.Since = p.Version != link.Version; !p.Since {
		p.Link = token
	}
	return h.show(w, r, who, screen{Template: "approve.html", Section: approvalsPath, Page: p})
}

func (h *handler) followToRevision(w http.ResponseWriter, r *http.Request, who *administrator, link *clientstore.Link) error {
	c, err := h.linked(r, link)
	if err != nil {
		return err
	}
	ch, err := h.changeOf(r, who, c)
	if err != nil {
		return err
	}
	ch.Changed = ch.Revision != nil && ch.Revision.ID != link.RevisionID
	if !ch.Changed {
		ch.Link, ch.LinkVersion = r.URL.Query().Get("token"), link.Version
	}
	return h.show(w, r, who, screen{Template: "revision.html", Section: approvalsPath, Page: ch})
}

func (h *handler) followToSecret(w http.ResponseWriter, r *http.Request, who *administrator, link *clientstore.Link) error {
	c, err := h.linked(r, link)
	if err != nil {
		return err
	}
	p := h.secretsPage(c)
	if p.Waiting, err = h.waitingSecret(r.Context(), c, who); err != nil {
		return err
	}
	if p.LinkOver = p.Waiting == nil || p.Waiting.ID != link.SecretID; !p.LinkOver {
		p.Link = r.URL.Query().Get("token")
	}
	return h.show(w, r, who, screen{Template: "secrets.html", Section: approvalsPath, Page: p})
}

// linked returns the client that the link is about.
func (h *handler) linked(r *http.Request, link *clientstore.Link) (*clientstore.Client, error) {
	c, err := h.cfg.Clients.Get(r.Context(), link.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, unknownClient()
	}
	return c, err
}

func linkOver() *problem {
	return &problem{
		Status: http.StatusGone, Code: "E-APPROVAL-LINK",
		Title:  "This link is good no more",
		What:   "It was used for a decision before, it is older than three days, or it was never made here. Nothing was done.",
		Remedy: "Open Settings › Approvals to see what waits.",
	}
}
