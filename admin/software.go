package admin

import (
	"context"
	"net/http"
	"slices"

	"countersign/clientstore"
	"countersign/storage/locale"
)

// family is the page of the pending clients that say they are the same
// software.
type family struct {
	SoftwareID string
	Members    []member
	Outcomes   []outcome // of those that were decided on, none before
	More       bool
}

// member is a client of the family.
type member struct {
	review
	Version int64
	OwnWork bool
}

// family counts the pending clients that say they are the same software as this one.
func (h *handler) family(ctx context.Context, c *clientstore.Client) (int, error) {
	if c.Status != clientstore.Pending || c.Metadata.Software() == "" {
		return 0, nil
	}
	list, err := h.cfg.Clients.OfSoftware(ctx, c.Metadata.Software(), manyCards+1)
	return len(list), err
}

// showSoftware serves GET /settings/oauth-clients/software.
func (h *handler) showSoftware(w http.ResponseWriter, r *http.Request, who *administrator) error {
	return h.software(w, r, who, family{SoftwareID: r.URL.Query().Get("id")})
}

func (h *handler) software(w http.ResponseWriter, r *http.Request, who *administrator, p family) error {
	list, err := h.cfg.Clients.OfSoftware(r.Context(), p.SoftwareID, manyCards+1)
	if err != nil && len(p.Outcomes) > 0 { // what was done has to be told
		return h.show(w, r, who, screen{Template: "software.html", Section: approvalsPath, Page: p, Tells: true})
	}
	if err != nil {
		return err
	}
	p.More = len(list) > manyCards
	for i := range list[:min(len(list), manyCards)] {
		c := &list[i]
		rv, err := h.review(r.Context(), c)
		if err != nil && len(p.Outcomes) > 0 {
			p.Members, p.More = nil, true
			break
		}
		if err != nil {
			return err
		}
		p.Members = append(p.Members, member{rv, c.Version, h.cfg.Clients.OwnWork(c, nil, who.AccountID)})
	}
	return h.show(w, r, who, screen{Template: "software.html", Section: approvalsPath, Page: p, Tells: len(p.Outcomes) > 0})
}

// approveSoftware serves POST /settings/oauth-clients/software: each of those
// that are ticked is approved as it was looked at, on its own. One that changed
// meanwhile or cannot be approved stays pending, and the page says so.
func (h *handler) approveSoftware(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	if form.Get("decision") != "allow" {
		return undecided()
	}
	p := family{SoftwareID: form.Get("software_id")}
	ticked := form["client"]
	ticked = ticked[:min(len(ticked), manyCards)]
	p.Outcomes = h.approveTogether(r, who, clientstore.Together{SoftwareID: p.SoftwareID, Members: membersOf(ticked)})
	return h.software(w, r, who, p)
}

// AllDomains are the domains that the members lead to, each once: of one
// software they are alike.
func (p family) AllDomains() []locale.Message {
	var list []locale.Message
	for _, m := range p.Members {
		list = append(list, m.Domains()...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
