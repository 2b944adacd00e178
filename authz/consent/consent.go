// Package consent serves the page that asks a resource owner whether an
// application may do what it asks for.
package consent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/logo"
	"countersign/storage/session"
)

// Config is what the page needs.
type Config struct {
	IssuerPath   string // without a slash at its end
	Accounts     *account.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Clients      *clientstore.Store
	Logos        *logo.Store
	Lender       clientstore.Lender // of redirect URIs, for administrators' tests
	Grants       *grant.Store
	Tx           storage.Tx
	Cookies      browser.Cookies
	Pages        *page.Pages
	// AccessToken is how long an access token lives, and Offline how long a
	// client may renew it while nobody is there.
	AccessToken, Offline time.Duration
	// OAuth1Token is how long an application has access by OAuth 1.0a, whoever
	// is there.
	OAuth1Token time.Duration
}

// Handler serves the page.
type Handler struct{ cfg Config }

// New returns the page.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// visit is a request that waits for consent, with who may give it.
type visit struct {
	interaction *interaction.Interaction
	client      *clientstore.Client
	session     *session.Session // nil when nobody is signed in
	scope       []string
	refused     bool // the request asks for what the client may not have
}

// open reads the visit, or says why there is none.
func (h *Handler) open(r *http.Request, id, browser string) (*visit, error) {
	i, err := h.cfg.Interactions.Get(r.Context(), id, browser)
	expired := errors.Is(err, interaction.ErrExpired)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, page.LostInteraction()
	case err != nil && !expired:
		return nil, err
	}
	page.Speak(r.Context(), i.Request.Get("ui_locales"), i.CreatedAt)
	c, err := h.cfg.Clients.InUse(r.Context(), i.ClientID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, page.RemovedClient()
	case err != nil:
		return nil, err
	case expired:
		return nil, page.ExpiredInteraction(page.Asking(c, i.Request))
	}
	s, err := h.cfg.Sessions.Get(r.Context(), h.cfg.Cookies.Session(r))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	scope, unregistered := c.SettleFor(i.Request.Get("response_type"), i.Request.Get("scope"))
	return &visit{interaction: i, client: c, session: s, scope: scope, refused: unregistered != ""}, nil
}

// askable reports whether there is somebody to ask and something to ask for.
// Otherwise the dispatcher knows what comes next.
func (v *visit) askable() bool {
	return v.session != nil && v.interaction.DeniedAt == nil && v.client.Usable() == nil && v.client.Admits(v.session.AccountID) && !v.refused
}

// asked is the scope as the page says it: a client of plain OAuth 2.0 that may
// refresh has its access offline without asking for it, and so has one that may
// act for people who are away.
// By OAuth 1.0a every client learns who somebody is.
func (v *visit) asked() []string {
	if v.client.Type == clientstore.OAuth1 {
		return append([]string{"openid"}, v.scope...)
	}
	if (v.client.Offline(v.scope) || v.client.ActsForAbsent()) && !contains(v.scope, offlineAccess) {
		return append(slices.Clone(v.scope), offlineAccess)
	}
	return v.scope
}

// unproved reports whether the request could be somebody else's than the
// person's at the browser.
func (v *visit) unproved() bool { return v.interaction.Request.Has(interaction.WithoutVerifier) }

// tried reports whether the request is an administrator's test of a client that
// may come back by itself. What they allow it ends with the test. It is asked
// before the redirect URI is lent.
func (v *visit) tried() bool {
	uri := v.interaction.Request.Get("redirect_uri")
	return v.client.ActsForAbsent() && uri != "" && !v.client.MatchRedirectURI(uri)
}

// shown identifies what the page says of the client and of what it asks for. A
// decision on another page than today's would be one (CN-03).
func (v *visit) shown() string {
	sum := sha256.Sum256([]byte(v.client.ConsentOf(v.session.AccountEpoch) + " " + strings.Join(v.scope, " ")))
	return hex.EncodeToString(sum[:])
}

// Show serves GET /consent. It grants nothing (CN-01).
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	v, err := h.open(r, r.URL.Query().Get("interaction"), h.cfg.Cookies.EnsureBrowser(w, r))
	if err != nil {
		return err
	}
	if !v.askable() {
		h.resume(w, v.interaction)
		return nil
	}
	p, err := h.describe(r.Context(), v)
	if err != nil {
		return err
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, p)
}

// describe fills in the page.
func (h *Handler) describe(ctx context.Context, v *visit) (page.Consent, error) {
	a, err := h.cfg.Accounts.Get(ctx, v.session.AccountID)
	if err != nil {
		return page.Consent{}, err
	}
	before, err := h.cfg.Grants.Consent(ctx, a.ID, v.client.ID)
	if err != nil {
		return page.Consent{}, err
	}
	tried := v.tried()
	if err := h.cfg.Lender.Lend(ctx, v.client, a.ID, v.interaction.Request.Get("redirect_uri")); err != nil {
		return page.Consent{}, err
	}
	p := page.Consent{
		Application: page.Asking(v.client, v.interaction.Request),
		Interaction: v.interaction.ID,
		Person:      page.Person{ID: a.ID, Username: a.Username, Name: a.Claims.Name},
		Again:       before != nil,
		Groups:      groups(v, before),
		Shown:       v.shown(),
		Access:      h.cfg.AccessToken,
		AnyTime:     v.client.ActsForAbsent(),
		Unproved:    v.unproved(),
		Remembered:  v.client.Type != clientstore.OAuth1 && !v.client.IsImpersonable() && !tried,
	}
	if p.Application.Logo, err = h.logo(ctx, v.client); err != nil {
		return page.Consent{}, err
	}
	switch {
	case v.client.Type == clientstore.OAuth1:
		p.Offline = h.cfg.OAuth1Token
	case v.client.Offline(v.scope):
		p.Offline = h.cfg.Offline
	}
	return p, nil
}

// logo is the path of the client's picture, empty while there is none.
func (h *Handler) logo(ctx context.Context, c *clientstore.Client) (string, error) {
	if c.Metadata.LogoURI == "" {
		return "", nil
	}
	shown, err := h.cfg.Logos.Shown(ctx, c.ID)
	return logo.Path(shown[c.ID]), err
}

// Decide serves POST /consent.
func (h *Handler) Decide(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	v, err := h.open(r, form.Get("interaction"), h.cfg.Cookies.Browser(r))
	if err != nil {
		return err
	}
	if !v.askable() {
		h.resume(w, v.interaction)
		return nil
	}
	if form.Get("account") != v.session.AccountID { // CN-02
		return page.OtherAccount(h.resumeURL(v.interaction))
	}
	if form.Get("shown") != v.shown() { // an administrator changed the client meanwhile
		h.redirect(w, "/consent", v.interaction)
		return nil
	}
	switch form.Get("decision") {
	case "allow":
		err = h.allow(r, v)
	case "deny":
		err = h.cfg.Interactions.Denied(r.Context(), v.interaction.ID)
	default:
		return page.BadRequest("E-DECISION", "The form says neither that you allow it nor that you do not. Nothing was shared.",
			"Go back, reload the page, and choose Allow or Cancel.")
	}
	if errors.Is(err, storage.ErrNotFound) {
		return page.LostInteraction()
	}
	if err != nil {
		return err
	}
	h.resume(w, v.interaction)
	return nil
}

// allow keeps what the page showed, whatever the form says (CN-03).
func (h *Handler) allow(r *http.Request, v *visit) error {
	scope := strings.Join(v.scope, " ")
	return h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		if err := h.cfg.Interactions.Consented(ctx, v.interaction.ID, v.session.AccountID, scope); err != nil {
			return err
		}
		if err := h.cfg.Accounts.Note(ctx, browser.Consent(r, v.session.AccountID, v.client.Name)); err != nil {
			return err
		}
		if v.client.IsImpersonable() || v.unproved() || v.tried() {
			return nil
		}
		return h.cfg.Grants.RememberConsent(ctx, v.session.AccountID, v.client.ID, scope, v.client.ConsentOf(v.session.AccountEpoch))
	})
}

func (h *Handler) resumeURL(i *interaction.Interaction) string { return h.url(i.ResumePath, i) }

func (h *Handler) url(path string, i *interaction.Interaction) string {
	return h.cfg.IssuerPath + path + "?" + url.Values{"interaction": {i.ID}}.Encode()
}

// resume takes up the request again.
func (h *Handler) resume(w http.ResponseWriter, i *interaction.Interaction) {
	h.redirect(w, i.ResumePath, i)
}

func (h *Handler) redirect(w http.ResponseWriter, path string, i *interaction.Interaction) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.url(path, i))
	w.WriteHeader(http.StatusSeeOther)
}
