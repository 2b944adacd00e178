package admin

import (
	"net/http"

	"countersign/admin/tryout"
	"countersign/clientstore"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/locale"
)

// details is the page of one client.
type details struct {
	review
	kit
	Grants    locale.Message
	Secrets   []clientstore.Secret
	Revision  *clientstore.Revision // what it wants to become, nil for nothing
	Impact    locale.Message
	Trail     []event
	Signs     []string // by which methods a client of OAuth 1.0a signs
	UsesKey   bool     // it signs with a key of its own
	PublicKey string
	Failures  []refusal         // what it was last refused
	Limits    limits            // what its approval is narrowed to
	Undo      *clientstore.Undo // what can be taken back, nil for nothing
	Waiting   *clientstore.WaitingSecret
	Rejected  locale.Message // who rejected the last change of it
	Logo      *picture       // nil where it registered none
}

// Testable reports whether the server can try the client out.
func (p details) Testable() bool { return len(tryout.Flows(p.Client)) > 0 }

// trailShown is how many changes the page of a client shows.
const trailShown = 20

// showClient serves GET /settings/oauth-clients/{key}.
func (h *handler) showClient(w http.ResponseWriter, r *http.Request, who *administrator) error {
	c, err := h.client(r)
	if err != nil {
		return err
	}
	p, err := h.details(r, c)
	if err != nil {
		return err
	}
	if p.Undo, err = h.cfg.Clients.Undoable(r.Context(), c, who.AccountID); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "details.html", Section: clientsPath, Page: p})
}

func (h *handler) details(r *http.Request, c *clientstore.Client) (details, error) {
	rv, err := h.review(r.Context(), c)
	if err != nil {
		return details{}, err
	}
	k, err := h.kit(c, "")
	if err != nil {
		return details{}, err
	}
	p := details{
		review: rv, kit: k, Grants: grantWords(c), Secrets: h.secretsPage(c).Secrets,
		Signs: c.Metadata.OAuth1SignatureMethods, UsesKey: c.Metadata.OAuth1PublicKey != "", PublicKey: c.Metadata.OAuth1PublicKey,
	}
	if p.Revision, err = h.cfg.Clients.Revision(r.Context(), c.ID); err != nil {
		return details{}, err
	}
	if p.Waiting, err = h.cfg.Clients.WaitingSecret(r.Context(), c.ID); err != nil {
		return details{}, err
	}
	if p.Logo, err = h.picture(r.Context(), c); err != nil {
		return details{}, err
	}
	if p.Limits, err = h.limits(r.Context(), c); err != nil {
		return details{}, err
	}
	if c.Rejection != nil {
		names, err := h.people(r.Context(), c.Rejection.By)
		if err != nil {
			return details{}, err
		}
		p.Rejected = names.name(c.Rejection.By)
	}
	impact, err := h.cfg.Clients.Impact(r.Context(), c.ID)
	if err != nil {
		return details{}, err
	}
	p.Impact = liveWords(impact)
	failures, err := h.cfg.Failures.List(r.Context(), c.ID, failure.Kept)
	if err != nil {
		return details{}, err
	}
	p.Failures = refusals(c, failures)
	events, err := h.cfg.Audit.List(r.Context(), audit.Filter{TargetType: "client", TargetID: c.ID, Limit: trailShown})
	p.Trail = describe(events)
	return p, err
}

// liveWords says what is live of a client.
func liveWords(i clientstore.Impact) locale.Message {
	var words locale.Message = "None"
	if i.Tokens > 0 {
		words = locale.Sprintf("%s of %s", locale.Sprintf("%d tokens", i.Tokens), locale.Sprintf("%d people", i.Accounts))
	}
	if i.Absent > 0 {
		words = locale.Sprintf("%s · %s", words, locale.Sprintf("may come back for %d people while they are away", i.Absent))
	}
	return words
}
