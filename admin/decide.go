package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// decision is a page that asks whether to disapprove or remove a client, and
// says first what that ends.
type decision struct {
	Client  *clientstore.Client
	Impact  locale.Message
	Reason  string
	MustSay bool // the name is to be typed, because something is live
	Faults  []fault
}

// Entry returns a field with what is wrong with it.
func (p decision) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// impactWords says what ends with a client.
func impactWords(i clientstore.Impact) locale.Message {
	var words locale.Message = "Nobody has live tokens of this client."
	if i.Tokens > 0 {
		words = locale.Sprintf("%d people have live tokens of this client, %d in all. They stop working now.", i.Accounts, i.Tokens)
	}
	if i.Absent > 0 {
		words = locale.Sprintf("%s %s", words, locale.Sprintf("For %d people it may come back while they are away. That ends now.", i.Absent))
	}
	return words
}

// approvalImpact says what an approval, or a change of one, does to what is live
// of a client: it ends nothing, and what it narrows holds for tokens too.
func (h *handler) approvalImpact(ctx context.Context, c *clientstore.Client) (locale.Message, error) {
	i, err := h.cfg.Clients.Impact(ctx, c.ID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return "", unknownClient()
	case err != nil:
		return "", err
	case i.Tokens == 0 && c.Status == clientstore.Approved:
		return "Nobody has live tokens of this client.", nil
	case i.Tokens == 0:
		return "Nobody has live tokens of this client: approving it ends nothing.", nil
	default:
		return locale.Sprintf("%d people have live tokens of this client, %d in all. They go on working, as far as its approval allows.", i.Accounts, i.Tokens), nil
	}
}

func (h *handler) decision(r *http.Request) (decision, error) {
	c, err := h.client(r)
	if err != nil {
		return decision{}, err
	}
	i, err := h.cfg.Clients.Impact(r.Context(), c.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return decision{}, unknownClient()
	}
	return decision{Client: c, Impact: impactWords(i), MustSay: i.Tokens > 0 || i.Absent > 0}, err
}

func (h *handler) showDecision(w http.ResponseWriter, r *http.Request, who *administrator, template string) error {
	p, err := h.decision(r)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: template, Section: clientsPath, Page: p})
}

// showDisapprove serves GET /settings/oauth-clients/{key}/disapprove.
func (h *handler) showDisapprove(w http.ResponseWriter, r *http.Request, who *administrator) error {
	return h.showDecision(w, r, who, "disapprove.html")
}

// disapprove serves POST /settings/oauth-clients/{key}/disapprove. It stops
// whatever the client is by now: who wants that does not want to be told to
// look again first.
func (h *handler) disapprove(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	if form.Get("decision") != "disapprove" {
		return undecided()
	}
	c, err := h.client(r)
	if err != nil {
		return err
	}
	_, err = h.cfg.Clients.Disapprove(r.Context(), who.actor(r), c.ID, form.Get("reason"))
	if one, ok := faultOf(err); ok {
		p, err := h.decision(r)
		if err != nil {
			return err
		}
		p.Reason, p.Faults = form.Get("reason"), []fault{one}
		return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "disapprove.html", Section: clientsPath, Page: p})
	}
	if err != nil {
		return err
	}
	h.redirect(w, clientPath(c.ID), "done", "disapproved")
	return nil
}

// showRemove serves GET /settings/oauth-clients/{key}/remove.
func (h *handler) showRemove(w http.ResponseWriter, r *http.Request, who *administrator) error {
	return h.showDecision(w, r, who, "remove.html")
}

// remove serves POST /settings/oauth-clients/{key}/remove. While something is
// live, the name has to be typed.
func (h *handler) remove(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	if form.Get("decision") != "remove" {
		return undecided()
	}
	p, err := h.decision(r)
	if err != nil {
		return err
	}
	if p.MustSay && strings.TrimSpace(form.Get("name")) != p.Client.Name {
		p.Faults = []fault{{"name", "Type the name of the client exactly as it is shown, or disapprove it instead."}}
		return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "remove.html", Section: clientsPath, Page: p})
	}
	if err := h.cfg.Clients.Remove(r.Context(), who.actor(r), p.Client.ID); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	h.redirect(w, clientsPath, "done", "removed")
	return nil
}

func undecided() *problem {
	return &problem{
		Status: http.StatusBadRequest, Code: "E-DECISION",
		Title:  "The form does not say what to do",
		What:   "It came without the button that was pressed. Nothing was done.",
		Remedy: "Go back, reload the page, and press one of its buttons.",
	}
}
