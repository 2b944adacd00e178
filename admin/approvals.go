package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// approvals is the page of what waits for an administrator.
type approvals struct {
	Clients   []review
	Revisions []change
	Secrets   []waitingSecretOf
	More      bool
}

// change is what an approved client wants to become.
type change struct {
	Client   *clientstore.Client
	Revision *clientstore.Revision // nil when none waits
	Changes  []difference
	Warnings []locale.Message
	// OwnWork tells that under four eyes somebody else has to approve it.
	OwnWork bool
	Author  locale.Message // who wants it
	Reason  string
	Faults  []fault
	Limits  limits
	Impact  locale.Message
	// Link is the token of the link that led here, empty for none, and
	// LinkVersion the version that it was made for.
	Link        string
	LinkVersion int64
	// Changed tells that the client wants something else than what was looked
	// at.
	Changed bool
}

// Entry returns a field with what is wrong with it.
func (p change) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// manyCards is how many clients an administrator reviews on one page.
const manyCards = 20

// Places are where the redirect URIs lead, each domain once with its URIs.
func (r review) Places() []placed {
	var list []placed
	for _, p := range r.Redirects {
		i := slices.IndexFunc(list, func(of placed) bool { return of.Domain == p.Domain })
		if i < 0 {
			i, list = len(list), append(list, placed{Domain: p.Domain})
		}
		list[i].URIs = append(list[i].URIs, p.URI)
	}
	return list
}

// placed are the redirect URIs of one domain.
type placed struct {
	Domain locale.Message
	URIs   []string
}

// Domains are where the redirect URIs lead, each once.
func (r review) Domains() []locale.Message {
	var list []locale.Message
	for _, p := range r.Redirects {
		if !slices.Contains(list, p.Domain) {
			list = append(list, p.Domain)
		}
	}
	return list
}

// showApprovals serves GET /settings/approvals.
func (h *handler) showApprovals(w http.ResponseWriter, r *http.Request, who *administrator) error {
	pending, err := h.cfg.Clients.List(r.Context(), clientstore.Filter{
		Status: clientstore.Pending, Sort: clientstore.Oldest, Limit: manyCards + 1,
	})
	if err != nil {
		return err
	}
	p := approvals{More: len(pending) > manyCards}
	for i := range pending[:min(len(pending), manyCards)] {
		rv, err := h.review(r.Context(), &pending[i])
		if err != nil {
			return err
		}
		p.Clients = append(p.Clients, rv)
	}
	waiting, err := h.cfg.Clients.Revisions(r.Context(), manyCards)
	if err != nil {
		return err
	}
	for i := range waiting {
		c, err := newChange(&waiting[i].Client, &waiting[i].Revision)
		if err != nil {
			return err
		}
		p.Revisions = append(p.Revisions, c)
	}
	if p.Secrets, err = h.waitingSecrets(r.Context()); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "approvals.html", Section: approvalsPath, Page: p})
}

func newChange(c *clientstore.Client, rev *clientstore.Revision) (change, error) {
	ch := change{Client: c, Revision: rev}
	if rev == nil {
		return ch, nil
	}
	list, err := rev.Differences(c)
	for _, d := range list {
		ch.Changes = append(ch.Changes, difference{d.Member, written(d.Before), written(d.After)})
	}
	ch.Warnings = rev.With(*c).Warnings()
	return ch, err
}

// showRevision serves GET /settings/oauth-clients/{key}/revision.
func (h *handler) showRevision(w http.ResponseWriter, r *http.Request, who *administrator) error {
	ch, err := h.change(r, who)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "revision.html", Section: approvalsPath, Page: ch})
}

func (h *handler) change(r *http.Request, who *administrator) (change, error) {
	c, err := h.client(r)
	if err != nil {
		return change{}, err
	}
	return h.changeOf(r, who, c)
}

func (h *handler) changeOf(r *http.Request, who *administrator, c *clientstore.Client) (change, error) {
	rev, err := h.cfg.Clients.Revision(r.Context(), c.ID)
	if err != nil {
		return change{}, err
	}
	ch, err := newChange(c, rev)
	if err != nil || rev == nil {
		return ch, err
	}
	names, err := h.people(r.Context(), rev.CreatedBy)
	if err != nil {
		return ch, err
	}
	ch.Author, ch.OwnWork = names.name(rev.CreatedBy), h.cfg.Clients.OwnWork(c, rev, who.AccountID)
	if ch.Limits, err = h.limits(r.Context(), c); err != nil {
		return ch, err
	}
	ch.Impact, err = h.approvalImpact(r.Context(), c)
	return ch, err
}

// decideRevision serves POST /settings/oauth-clients/{key}/revision. What was
// looked at is what is decided on.
func (h *handler) decideRevision(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	c, err := h.client(r)
	if err != nil {
		return err
	}
	revision, done := form.Get("revision"), "revised"
	decide := func(ctx context.Context) error {
		_, err := h.cfg.Clients.ApproveRevision(ctx, who.actor(r), c.ID, revision)
		return err
	}
	switch form.Get("decision") {
	case "allow":
	case "deny":
		done = "rejected"
		decide = func(ctx context.Context) error {
			_, err := h.cfg.Clients.RejectRevision(ctx, who.actor(r), c.ID, revision, form.Get("reason"))
			return err
		}
	default:
		return undecided()
	}
	seen, _ := strconv.ParseInt(form.Get("version"), 10, 64) // of the link; what is no number is no version either
	err = h.cfg.Clients.WithLink(r.Context(), form.Get("link"), clientstore.Link{ClientID: c.ID, Version: seen, RevisionID: revision}, decide)
	return h.revisionDecided(w, r, who, c, decided{form, done, err})
}

// decided is what came of a decision about a revision.
type decided struct {
	form url.Values
	done string
	err  error
}

func (h *handler) revisionDecided(w http.ResponseWriter, r *http.Request, who *administrator, c *clientstore.Client, d decided) error {
	err := d.err
	one, wrong := faultOf(err)
	_, stopped := errors.AsType[*clientstore.StatusError](err)
	switch {
	case err == nil:
		h.redirect(w, clientPath(c.ID), "done", d.done)
		return nil
	case errors.Is(err, clientstore.ErrOwnWork):
		return ownWork()
	case errors.Is(err, clientstore.ErrLinkOver):
		return linkOver()
	case wrong && one.Field == "reason":
		ch, err := h.change(r, who)
		if err != nil {
			return err
		}
		ch.Faults, ch.Reason, ch.Link = []fault{one}, d.form.Get("reason"), d.form.Get("link")
		return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "revision.html", Section: approvalsPath, Page: ch})
	case wrong || stopped:
		return outdatedRevision(err)
	case !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrNotFound):
		return err
	}
	ch, err := h.change(r, who)
	if err != nil {
		return err
	}
	ch.Changed = ch.Revision != nil
	return h.show(w, r, who, screen{Status: http.StatusConflict, Template: "revision.html", Section: approvalsPath, Page: ch})
}

// outdatedRevision is a change that was acceptable when the client asked for
// it, and is not any more.
func outdatedRevision(cause error) *problem {
	return &problem{
		Status: http.StatusConflict, Code: "E-REVISION",
		Title:  "This change cannot be approved any more",
		What:   locale.Sprintf("%s Nothing was changed.", reasonOf(cause)),
		Remedy: "Reject it, and tell the people who make the client.",
	}
}

// reasonOf is what a store said, in a sentence.
func reasonOf(err error) locale.Message {
	if wrong, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return locale.Sprintf("%s: %s", locale.Latin(wrong.Field), locale.Sentence(wrong.Reason))
	}
	return locale.Sentence(locale.Foreign(err.Error()))
}
