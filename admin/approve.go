package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
)

// approval is the page that asks whether a client may work.
type approval struct {
	review
	Version int64
	// Changed says who changed the client while it was looked at.
	Changed string
	Reason  string
	Faults  []fault
}

// Entry returns a field with what is wrong with it.
func (p approval) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// approvalKey is the key that the address names, by our own name for it or by
// the one with which tools of Jazz open the page.
func approvalKey(r *http.Request) string {
	q := r.URL.Query()
	if key := q.Get("key"); key != "" {
		return key
	}
	return q.Get("oauth_consumer_key")
}

// showApprove serves GET /settings/oauth-clients/approve. Without a client it
// leads to those that wait.
func (h *handler) showApprove(w http.ResponseWriter, r *http.Request, who *administrator) error {
	key := approvalKey(r)
	if key == "" {
		h.redirect(w, approvalsPath)
		return nil
	}
	p, err := h.approval(r, key)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "approve.html", Section: approvalsPath, Page: p})
}

func (h *handler) approval(r *http.Request, key string) (approval, error) {
	c, err := h.cfg.Clients.Get(r.Context(), key)
	if errors.Is(err, storage.ErrNotFound) {
		return approval{}, unknownClient()
	}
	if err != nil {
		return approval{}, err
	}
	rv, err := h.review(r.Context(), c)
	return approval{review: rv, Version: c.Version}, err
}

// approve serves POST /settings/oauth-clients/approve: what was looked at is
// what is approved. A client that changed meanwhile is shown as it is now.
func (h *handler) approve(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	key, reason := form.Get("key"), form.Get("reason")
	version, _ := strconv.ParseInt(form.Get("version"), 10, 64) // what is no number is no version either
	done := "approved"
	switch form.Get("decision") {
	case "allow":
		_, err = h.cfg.Clients.ApproveSeen(r.Context(), who.actor(r), &clientstore.Client{ID: key, Version: version})
	case "deny":
		done = "disapproved"
		_, err = h.cfg.Clients.Disapprove(r.Context(), who.actor(r), key, reason)
	default:
		return undecided()
	}
	one, wrong := faultOf(err)
	switch {
	case err == nil:
		h.redirect(w, clientPath(key), "done", done)
		return nil
	case errors.Is(err, storage.ErrNotFound):
		return unknownClient()
	case !wrong && !errors.Is(err, storage.ErrConflict):
		return err
	}
	p, err := h.approval(r, key)
	if err != nil {
		return err
	}
	p.Reason = reason
	if wrong {
		p.Faults = []fault{one}
		return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "approve.html", Section: approvalsPath, Page: p})
	}
	if p.Changed, err = h.changedBy(r, p.Client); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Status: http.StatusConflict, Template: "approve.html", Section: approvalsPath, Page: p})
}

// review is what an administrator is shown of a client before deciding.
type review struct {
	Client    *clientstore.Client
	CreatedBy string
	DecidedBy string
	From      string // the address that it was registered from, empty when not known
	Redirects []place
	Abilities []string
	Warnings  []string
	Similar   []clientstore.Client
}

// place is a redirect URI with the domain that somebody had to register for it.
type place struct{ URI, Domain string }

func (h *handler) review(ctx context.Context, c *clientstore.Client) (review, error) {
	names, err := h.people(ctx, c.CreatedBy, c.StatusBy)
	if err != nil {
		return review{}, err
	}
	rv := review{
		Client: c, CreatedBy: names.name(c.CreatedBy), DecidedBy: names.name(c.StatusBy),
		Redirects: places(c), Abilities: abilities(c), Warnings: c.Warnings(),
	}
	if rv.Similar, err = h.cfg.Clients.Similar(ctx, c); err != nil {
		return review{}, err
	}
	first, err := h.cfg.Audit.List(ctx, audit.Filter{TargetType: "client", TargetID: c.ID, Action: "client.register", Limit: 1})
	if err == nil && len(first) == 1 {
		rv.From = printable(first[0].IP)
	}
	return rv, err
}
