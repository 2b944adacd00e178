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
	if err != nil {
		return approval{}, err
	}
	m := &c.Metadata
	p := approval{review: rv, Version: c.Version, Trusted: m.OAuth1Trusted, Callbacks: strings.Join(m.RedirectURIs, "\n")}
	names, err := h.people(r.Context(), m.OAuth1FunctionalAccount)
	p.Functional = names[m.OAuth1FunctionalAccount]
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
	switch form.Get("decision") {
	case "allow":
		err = h.allow(r, who, form)
	case "deny":
		done = "disapproved"
		_, err = h.cfg.Clients.Disapprove(r.Context(), who.actor(r), key, form.Get("reason"))
	default:
		return undecided()
	}
	one, wrong := approvalFault(err)
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
	if p.Reason = form.Get("reason"); wrong {
		p.Faults = []fault{one}
		p.Trusted, p.Functional, p.Callbacks = form.Get("trusted") == "yes", form.Get("functional_user"), clean(form.Get("redirect_uris"))
		return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "approve.html", Section: approvalsPath, Page: p})
	}
	if p.Changed, err = h.changedBy(r, p.Client); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Status: http.StatusConflict, Template: "approve.html", Section: approvalsPath, Page: p})
}

// allow approves the client of the form, as it was looked at, with what was
// decided of it.
func (h *handler) allow(r *http.Request, who *administrator, form url.Values) error {
	c, err := h.cfg.Clients.Get(r.Context(), form.Get("key"))
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(form.Get("version"), 10, 64) // what is no number is no version either
	if c.Type != clientstore.OAuth1 || !form.Has("functional_user") {
		c.Version = version
		_, err = h.cfg.Clients.ApproveSeen(r.Context(), who.actor(r), c)
		return err
	}
	m := c.Metadata
	m.OAuth1Trusted, m.RedirectURIs = form.Get("trusted") == "yes", lines(clean(form.Get("redirect_uris")))
	if m.OAuth1FunctionalAccount, err = h.functional(r, strings.TrimSpace(form.Get("functional_user"))); err != nil {
		return err
	}
	_, err = h.cfg.Clients.ApproveEdited(r.Context(), who.actor(r), c.ID, clientstore.Edit{Metadata: &m, Version: version})
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
		}
	}
	return one, ok
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
