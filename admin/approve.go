package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// approval is the page that asks whether a client may work.
type approval struct {
	review
	Version int64
	// Changed says who changed the client while it was looked at.
	Changed locale.Message
	Reason  string
	Faults  []fault
	// What an administrator decides beside it of a client of OAuth 1.0a.
	Trusted    bool
	Functional string // a username, empty for none
	Callbacks  string // one a line
	// What the approval is narrowed to.
	Narrowing narrowing
	// OwnWork tells that under four eyes somebody else has to approve it.
	OwnWork bool
	// Link is the token of the link that led here, empty for none. LinkOver says
	// that it is good no more, and Since that the client is another by now.
	Link            string
	LinkOver, Since bool
	Impact          locale.Message
	Family          int // how many wait of the same software, this one among them
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
	p, err := h.approval(r, who, key)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "approve.html", Section: approvalsPath, Page: p})
}

func (h *handler) approval(r *http.Request, who *administrator, key string) (approval, error) {
	c, err := h.cfg.Clients.Get(r.Context(), key)
	if errors.Is(err, storage.ErrNotFound) {
		return approval{}, unknownClient()
	}
	if err != nil {
		return approval{}, err
	}
	rv, err := h.review(r.Context(), c)
	if err != nil {
		return approval{}, err
	}
	m := &c.Metadata
	p := approval{review: rv, Version: c.Version, Trusted: m.OAuth1Trusted, Callbacks: strings.Join(m.RedirectURIs, "\n")}
	names, err := h.people(r.Context(), m.OAuth1FunctionalAccount)
	if err != nil {
		return approval{}, err
	}
	p.Functional, p.OwnWork = names[m.OAuth1FunctionalAccount], h.cfg.Clients.OwnWork(c, nil, who.AccountID)
	if p.Family, err = h.family(r.Context(), c); err != nil {
		return approval{}, err
	}
	if p.Impact, err = h.approvalImpact(r.Context(), c); err != nil {
		return approval{}, err
	}
	p.Narrowing, err = h.narrowed(r.Context(), c)
	return p, err
}

// approve serves POST /settings/oauth-clients/approve: what was looked at is
// what is approved. A client that changed meanwhile is shown as it is now.
func (h *handler) approve(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	key := form.Get("key")
	done := "approved"
	version, _ := strconv.ParseInt(form.Get("version"), 10, 64) // what is no number is no version either
	decide := func(ctx context.Context) error { return h.allow(r.WithContext(ctx), who, form, version) }
	switch form.Get("decision") {
	case "allow":
		if form.Has("narrows") {
			done = "narrowed"
		}
	case "deny":
		done = "disapproved"
		decide = func(ctx context.Context) error {
			_, err := h.cfg.Clients.Disapprove(ctx, who.actor(r), key, form.Get("reason"))
			return err
		}
	default:
		return undecided()
	}
	err = h.cfg.Clients.WithLink(r.Context(), form.Get("link"), clientstore.Link{ClientID: key, Version: version}, decide)
	one, wrong := approvalFault(err)
	switch {
	case err == nil:
		h.redirect(w, clientPath(key), "done", done)
		return nil
	case errors.Is(err, clientstore.ErrLinkOver):
		return linkOver()
	case errors.Is(err, clientstore.ErrOwnWork):
		return ownWork()
	case errors.Is(err, storage.ErrNotFound):
		return unknownClient()
	case !wrong && !errors.Is(err, storage.ErrConflict):
		return err
	}
	return h.approveAgain(w, r, who, form, one)
}

// approveAgain shows the page with what is wrong with the form, or with the
// client as it is by now.
func (h *handler) approveAgain(w http.ResponseWriter, r *http.Request, who *administrator, form url.Values, one fault) error {
	p, err := h.approval(r, who, form.Get("key"))
	if err != nil {
		return err
	}
	if p.Reason = form.Get("reason"); one.Field != "" {
		p.Faults, p.Link = []fault{one}, form.Get("link")
		p.Narrowing = p.Narrowing.resent(form)
		p.Trusted, p.Functional, p.Callbacks = form.Get("trusted") == "yes", form.Get("functional_user"), clean(form.Get("redirect_uris"))
		return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "approve.html", Section: approvalsPath, Page: p})
	}
	if p.Changed, err = h.changedBy(r, "client", p.Client.ID); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Status: http.StatusConflict, Template: "approve.html", Section: approvalsPath, Page: p})
}

// allow approves the client of the form, as it was looked at, with what was
// decided of it.
func (h *handler) allow(r *http.Request, who *administrator, form url.Values, version int64) error {
	c, err := h.cfg.Clients.Get(r.Context(), form.Get("key"))
	if err != nil {
		return err
	}
	on, err := h.conditions(r, form, c)
	if err != nil {
		return err
	}
	if c.Type != clientstore.OAuth1 || !form.Has("functional_user") {
		_, err = h.cfg.Clients.ApproveOn(r.Context(), who.actor(r), c.ID, clientstore.Approval{Conditions: on, Version: version})
		return err
	}
	m := c.Metadata
	m.OAuth1Trusted, m.RedirectURIs = form.Get("trusted") == "yes", lines(clean(form.Get("redirect_uris")))
	if m.OAuth1FunctionalAccount, err = h.functional(r, strings.TrimSpace(form.Get("functional_user"))); err != nil {
		return err
	}
	_, err = h.cfg.Clients.ApproveEdited(r.Context(), who.actor(r), c.ID, clientstore.Edit{Metadata: &m, Version: version, Conditions: on})
	return err
}

// functional returns the identifier of the account that is named, empty for
// none.
func (h *handler) functional(r *http.Request, username string) (string, error) {
	if username == "" {
		return "", nil
	}
	a, err := h.cfg.Accounts.Find(r.Context(), username)
	if errors.Is(err, storage.ErrNotFound) {
		return "", &clientstore.MetadataError{Field: "oauth1_functional_account", Reason: "no account has this username; Settings › Accounts shows them"}
	}
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

// approvalFault is [faultOf] with the inputs of this page.
func approvalFault(err error) (fault, bool) {
	one, ok := faultOf(err)
	if wrong, is := errors.AsType[*clientstore.MetadataError](err); is {
		switch wrong.Field {
		case "oauth1_functional_account":
			one = fault{"functional_user", ofThis(wrong.Reason)}
		case "oauth1_trusted":
			one = fault{"trusted", ofThis(wrong.Reason)}
		case "scope", "grant_types", "response_types", "until", "test_users":
			one = fault{conditionFields[wrong.Field], ofThis(wrong.Reason)}
		}
	}
	return one, ok
}

// conditionFields are the inputs for conditions.
var conditionFields = map[string]string{
	"scope": "allowed_scope", "grant_types": "allowed_grant", "response_types": "allowed_response", "until": "until", "test_users": "testers",
}

func ownWork() *problem {
	return &problem{
		Status: http.StatusForbidden, Code: "E-OWN-WORK",
		Title:  "Another administrator has to approve this",
		What:   "This server is configured with four_eyes: nobody approves what they registered or edited themselves. Nothing was done.",
		Remedy: "Ask another administrator to open Settings › Approvals.",
	}
}

// review is what an administrator is shown of a client before deciding.
type review struct {
	Client    *clientstore.Client
	CreatedBy locale.Message
	DecidedBy locale.Message
	From      string // the address that it was registered from, empty when not known
	Redirects []place
	Abilities []locale.Message
	Warnings  []locale.Message
	Similar   []clientstore.Client
}

// place is a redirect URI with the domain that somebody had to register for it.
type place struct {
	URI    string
	Domain locale.Message
}

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
