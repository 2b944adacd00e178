package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign/clientstore"
	"countersign/storage"
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

// outcome is what became of a member.
type outcome struct {
	Name, Key string
	Approved  bool
	// Changed, OwnWork and Gone say why it was not approved; Refused says any
	// other reason.
	Changed, OwnWork, Gone bool
	// Unknown tells that the database did not say what became of it.
	Unknown bool
	Refused locale.Message
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
	t := clientstore.Together{SoftwareID: p.SoftwareID, Members: make([]clientstore.Member, len(ticked))}
	for i, one := range ticked {
		key, version, _ := strings.Cut(one, " ")
		seen, _ := strconv.ParseInt(version, 10, 64) // what is no number is no version either
		t.Members[i] = clientstore.Member{ID: key, Version: seen}
	}
	for _, o := range h.cfg.Clients.ApproveTogether(r.Context(), who.actor(r), t) {
		p.Outcomes = append(p.Outcomes, h.outcome(r.Context(), o))
	}
	return h.software(w, r, who, p)
}

// outcome says what became of a member. A failure that is nobody's mistake is
// told of the one that it befell: others may be approved by then.
func (h *handler) outcome(ctx context.Context, of clientstore.Outcome) outcome {
	o := outcome{Name: of.Name, Key: of.ID}
	managed, isManaged := errors.AsType[*clientstore.ManagedError](of.Err)
	_, isRefused := errors.AsType[*clientstore.MetadataError](of.Err)
	switch {
	case of.Err == nil:
		o.Approved = true
	case errors.Is(of.Err, storage.ErrConflict):
		o.Changed = true
	case errors.Is(of.Err, clientstore.ErrOwnWork):
		o.OwnWork = true
	case errors.Is(of.Err, storage.ErrNotFound):
		o.Gone = true
	case isManaged:
		o.Refused = locale.Sprintf("It belongs to the clients file %s, as %s, and is approved there.", printable(managed.File), printable(managed.Handle))
	case isRefused:
		o.Refused = reasonOf(of.Err)
	default:
		h.cfg.Log.ErrorContext(ctx, "a client was not approved with others of its software", "client_id", of.ID, "err", of.Err)
		o.Unknown = true
	}
	return o
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
