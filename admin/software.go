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
	Refused                locale.Message
}

// family counts the pending clients with the software_id of this one.
func (h *handler) family(ctx context.Context, c *clientstore.Client) (int, error) {
	if c.Status != clientstore.Pending || c.Metadata.SoftwareID == "" {
		return 0, nil
	}
	list, err := h.cfg.Clients.OfSoftware(ctx, c.Metadata.SoftwareID, manyCards+1)
	return len(list), err
}

// showSoftware serves GET /settings/oauth-clients/software.
func (h *handler) showSoftware(w http.ResponseWriter, r *http.Request, who *administrator) error {
	return h.software(w, r, who, family{SoftwareID: r.URL.Query().Get("id")})
}

func (h *handler) software(w http.ResponseWriter, r *http.Request, who *administrator, p family) error {
	list, err := h.cfg.Clients.OfSoftware(r.Context(), p.SoftwareID, manyCards+1)
	if err != nil {
		return err
	}
	p.More = len(list) > manyCards
	for i := range list[:min(len(list), manyCards)] {
		c := &list[i]
		rv, err := h.review(r.Context(), c)
		if err != nil {
			return err
		}
		p.Members = append(p.Members, member{rv, c.Version, h.cfg.Clients.OwnWork(c, nil, who.AccountID)})
	}
	return h.show(w, r, who, screen{Template: "software.html", Section: approvalsPath, Page: p})
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
	for _, one := range ticked[:min(len(ticked), manyCards)] {
		key, version, _ := strings.Cut(one, " ")
		o, err := h.approveMember(r, who, key, version)
		if err != nil {
			return err
		}
		p.Outcomes = append(p.Outcomes, o)
	}
	return h.software(w, r, who, p)
}

func (h *handler) approveMember(r *http.Request, who *administrator, key, version string) (outcome, error) {
	o := outcome{Key: key}
	c, err := h.cfg.Clients.Get(r.Context(), key)
	if err == nil {
		o.Name = c.Name
		seen, _ := strconv.ParseInt(version, 10, 64) // what is no number is no version either
		_, err = h.cfg.Clients.ApproveOn(r.Context(), who.actor(r), key, clientstore.Approval{Version: seen})
	}
	switch {
	case err == nil:
		o.Approved = true
	case errors.Is(err, storage.ErrConflict):
		o.Changed = true
	case errors.Is(err, clientstore.ErrOwnWork):
		o.OwnWork = true
	case errors.Is(err, storage.ErrNotFound):
		o.Gone = true
	default:
		return o.refused(err)
	}
	return o, nil
}

// refused is a member that cannot be approved because of what it is; anything
// else that went wrong is returned.
func (o outcome) refused(err error) (outcome, error) {
	if managed, ok := errors.AsType[*clientstore.ManagedError](err); ok {
		o.Refused = locale.Sprintf("It belongs to the clients file %s, as %s, and is approved there.", printable(managed.File), printable(managed.Handle))
		return o, nil
	}
	if _, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		o.Refused = reasonOf(err)
		return o, nil
	}
	return o, err
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
