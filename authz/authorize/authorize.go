// Package authorize serves the authorization endpoint (RFC 6749, section 3.1):
// it reads and checks requests, decides what each needs next, and answers
// them. The pages to sign in and to consent are other packages'; they come
// back here.
package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/authz/browser"
	"countersign/authz/engine"
	"countersign/authz/limit"
	"countersign/authz/page"
	"countersign/authz/protocol"
	objects "countersign/authz/request"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/locale"
	"countersign/storage/pushed"
	"countersign/storage/session"
)

// ResumePath is where an interaction comes back to, under the issuer's path.
const ResumePath = "/authorize/resume"

// pendingRefresh is how often, in seconds, the page of a pending client looks
// whether an administrator has approved it.
const pendingRefresh = 5

// Config is what the endpoint needs.
type Config struct {
	Issuer       string
	IssuerPath   string // without a slash at its end
	Clients      *clientstore.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Keys         *keyset.Store
	Engine       *engine.Engine
	Requests     *objects.Resolver
	Pushed       *pushed.Store
	// Authenticate returns the client that posted a form.
	Authenticate func(*http.Request, protocol.Parameters) (*clientstore.Client, error)
	// Refused notes an error that the browser brings to the client.
	Refused func(*http.Request, error)
	Pages   *page.Pages
	Cookies browser.Cookies
	Log     *slog.Logger
	// Approval is the page on which an administrator approves a client, for the
	// log.
	Approval string
	Now      func() time.Time
	// SignUp lets people create their accounts.
	SignUp bool
	// Lender lends redirect URIs for administrators' tests.
	Lender clientstore.Lender
}

// Handler serves the endpoint.
type Handler struct {
	cfg     Config
	waiters *limit.Limiter
}

// A network may have waitersBurst requests wait at once, and then so many more
// a second: each is a row that anybody can make.
const (
	waitersBurst     = 300
	waitersPerSecond = 10
)

// New returns the endpoint.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg, waiters: limit.New(waitersPerSecond, waitersBurst, cfg.Now)}
}

// Start serves GET and POST /authorize.
func (h *Handler) Start(w http.ResponseWriter, r *http.Request) error {
	p, err := read(r)
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return &page.Problem{
			Status: e.Status, Code: "E-REQUEST", Who: page.Developer, Title: "This request cannot be read", What: locale.Foreign(e.Description),
			Remedy: "Tell the developer of the application. Nothing was shared with it.",
		}
	}
	if err != nil {
		return unreadable(err)
	}
	page.Speak(r.Context(), p.Get("ui_locales"), time.Time{})
	if p.Get("client_id") == "" || p.IsRepeated("client_id") {
		return unknownClient()
	}
	if r.Method == http.MethodPost {
		return h.startByPost(w, r, p)
	}
	return h.proceed(w, r, p, nil)
}

// startByPost answers a request that was posted from another site, which
// comes without the browser's cookies, by one that comes with them.
func (h *Handler) startByPost(w http.ResponseWriter, r *http.Request, p protocol.Parameters) error {
	v, err := h.visit(r, p.Get("client_id"), "")
	if err != nil {
		return err
	}
	if err := h.lend(r.Context(), p, v); err != nil {
		return err
	}
	if v.Client.Usable() != nil {
		if err := mayHold(p, &v.Client); err != nil {
			return err
		}
		return h.wait(w, r, interaction.Waiting{ClientID: v.Client.ID, ResumePath: ResumePath, Request: p.All()}, waiting{ResumePath, ""})
	}
	q, err := h.resolve(r.Context(), p, &v.Client, nil)
	if err != nil {
		return h.unresolved(w, r, p, &v.Client, err)
	}
	uri, err := redirectURI(q.Parameters, &v.Client)
	if err != nil {
		return err
	}
	if _, err := h.validate(r, q.Parameters, &v.Client); err != nil {
		return h.refused(w, r, newTarget(uri, q.Parameters), err)
	}
	return h.wait(w, r, interaction.Waiting{ClientID: v.Client.ID, ResumePath: ResumePath, Request: q.All()}, waiting{ResumePath, q.mark})
}

// Resume serves GET /authorize/resume: it takes up a request that waited.
func (h *Handler) Resume(w http.ResponseWriter, r *http.Request) error {
	i, err := h.cfg.Interactions.Get(r.Context(), r.URL.Query().Get("interaction"), h.cfg.Cookies.EnsureBrowser(w, r))
	switch {
	case errors.Is(err, interaction.ErrExpired):
		return h.expired(r, i)
	case errors.Is(err, storage.ErrNotFound):
		return page.LostInteraction()
	case err != nil:
		return err
	}
	page.Speak(r.Context(), i.Request.Get("ui_locales"), i.CreatedAt)
	return h.proceed(w, r, protocol.Kept(i.Request), i)
}

func (h *Handler) expired(r *http.Request, i *interaction.Interaction) error {
	page.Speak(r.Context(), i.Request.Get("ui_locales"), i.CreatedAt)
	c, err := h.cfg.Clients.InUse(r.Context(), i.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return page.RemovedClient()
	}
	if err != nil {
		return err
	}
	return page.ExpiredInteraction(page.Asking(c, i.Request))
}

// visit reads the client with the session of the cookie.
func (h *Handler) visit(r *http.Request, clientID, cookie string) (*clientstore.Visit, error) {
	v, err := h.cfg.Clients.Visit(r.Context(), clientID, h.cfg.Sessions.Hash(cookie))
	if errors.Is(err, storage.ErrNotFound) || (err == nil && v.Client.Type == clientstore.OAuth1) {
		return nil, unknownClient()
	}
	return v, err
}

// lend lets the client have the redirect URI of a test that runs with it. Who
// is signed in has to be who runs the test: nobody else's answer goes there.
func (h *Handler) lend(ctx context.Context, p protocol.Parameters, v *clientstore.Visit) error {
	account := ""
	if s := h.live(v); s != nil {
		account = s.AccountID
	}
	return h.cfg.Lender.Lend(ctx, &v.Client, account, p.Get("redirect_uri"))
}

// proceed takes a request one step further.
func (h *Handler) proceed(w http.ResponseWriter, r *http.Request, p protocol.Parameters, i *interaction.Interaction) error {
	v, err := h.visit(r, p.Get("client_id"), h.cfg.Cookies.Session(r))
	if err != nil {
		return err
	}
	if err := h.lend(r.Context(), p, v); err != nil {
		return err
	}
	if v.Client.Usable() != nil {
		if err := mayHold(p, &v.Client); err != nil {
			return err
		}
		return h.hold(w, r, p, v, i)
	}
	plain, err := h.resolve(r.Context(), p, &v.Client, i)
	if err != nil {
		return h.unresolved(w, r, p, &v.Client, err)
	}
	p = plain.Parameters
	if err := h.lend(r.Context(), p, v); err != nil { // it may have been pushed
		return err
	}
	if i == nil { // a request object may have asked for another language than the address
		page.Speak(r.Context(), p.Get("ui_locales"), time.Time{})
	}
	if i != nil && plain.mark != i.Request.Get(markName) {
		i = nil // what waited was not yet what pages can show
	}
	uri, err := redirectURI(p, &v.Client)
	if err != nil {
		return err
	}
	q, err := h.validate(r, p, &v.Client)
	if err != nil {
		return h.refused(w, r, newTarget(uri, p), err)
	}
	q.target, q.mark = newTarget(uri, p), plain.mark
	return h.perform(w, r, h.state(v, q, i))
}

// state is the request as it stands.
func (h *Handler) state(v *clientstore.Visit, q *request, i *interaction.Interaction) state {
	s := state{request: q, client: &v.Client, session: h.live(v), interaction: i, now: h.cfg.Now(), consented: remembered(v, q)}
	if s.session != nil {
		s.subject = h.cfg.Engine.Subject(s.client, s.session.AccountID)
	}
	return s
}

// remembered reports whether the person has allowed before what the request
// asks for, be it by its scope or claim by claim.
func remembered(v *clientstore.Visit, q *request) bool {
	given := v.Consent()
	return given.Covers(v.Client.ConsentOf(v.Session.AccountEpoch), q.scope) &&
		len(q.wishes.Beyond(append(strings.Fields(given.Scope), v.Client.WithheldScope()...))) == 0
}

// live returns the session of the visit, nil when there is none to rely on.
func (h *Handler) live(v *clientstore.Visit) *session.Session {
	if v.Session.ID == "" || !h.cfg.Sessions.Live(&v.Session) {
		return nil
	}
	return &v.Session
}

// perform does what the request needs next.
func (h *Handler) perform(w http.ResponseWriter, r *http.Request, s state) error {
	next, refusal := s.next()
	if (next == stepConsent || next == stepAnswer) && !s.client.Admits(s.session.AccountID) {
		return h.turnAway(w, r, s)
	}
	switch next {
	case stepLogin:
		return h.ask(w, r, s, "/login")
	case stepSignUp:
		return h.ask(w, r, s, "/sign-up")
	case stepConsent:
		return h.ask(w, r, s, "/consent")
	case stepRefuse:
		return h.end(w, r, s, refusal)
	case stepAnswer:
	}
	return h.grant(w, r, s)
}

// turnAway answers somebody who is none of the few that try the client out.
// They read it themselves, unless the request must not show a page.
func (h *Handler) turnAway(w http.ResponseWriter, r *http.Request, s state) error {
	if slices.Contains(s.request.prompt, "none") {
		return h.end(w, r, s, protocol.Refuse(protocol.AccessDenied, "The application is being tried out by a few people, and this one is none of them."))
	}
	return page.NotATester(page.NewApplication(s.client, ""))
}

// ask sends the person to a page, with the request waiting meanwhile.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, s state, path string) error {
	if s.interaction != nil {
		h.redirect(w, path, s.interaction.ID)
		return nil
	}
	return h.wait(w, r, interaction.Waiting{
		ClientID: s.client.ID, ResumePath: ResumePath, Request: s.request.parameters, Browser: h.cfg.Cookies.EnsureBrowser(w, r),
	}, waiting{path, s.request.mark})
}

// waiting is where a request waits, and the mark of one that did not come in
// plain form.
type waiting struct{ path, mark string }

// wait keeps the request, without what no later step reads.
func (h *Handler) wait(w http.ResponseWriter, r *http.Request, request interaction.Waiting, to waiting) error {
	if !h.waiters.Allow(limit.Network(r.RemoteAddr)) {
		return tooMany()
	}
	kept, err := worthKeeping(request.Request)
	if err != nil {
		return err
	}
	if to.mark != "" {
		kept.Set(markName, to.mark)
	}
	request.Request = kept
	i, err := h.cfg.Interactions.Create(r.Context(), request)
	if err != nil {
		return err
	}
	h.redirect(w, to.path, i.ID)
	return nil
}

func (h *Handler) redirect(w http.ResponseWriter, path, id string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.cfg.IssuerPath+path+"?"+url.Values{"interaction": {id}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// end tells the client that its request was refused, and forgets the request.
func (h *Handler) end(w http.ResponseWriter, r *http.Request, s state, refusal *protocol.Error) error {
	if err := h.useUp(r.Context(), s); err != nil && !errors.Is(err, pushed.ErrUsed) {
		return err
	}
	if s.interaction != nil {
		if err := h.cfg.Interactions.Remove(r.Context(), s.interaction.ID); err != nil {
			return err
		}
	}
	return h.refuse(w, r, s.request.target, refusal)
}

// refused tells the client of an error that is for it, and nobody of another.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, t target, err error) error {
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return err
	}
	return h.refuse(w, r, t, e)
}

// subject returns the subject of an ID token that we issued, however long ago.
func (h *Handler) subject(ctx context.Context, idToken string) (string, error) {
	payload, header, err := h.cfg.Keys.Verify(ctx, idToken)
	if errors.Is(err, storage.ErrUnavailable) {
		return "", err
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
	}
	if err != nil || header.ExtraHeaders[jose.HeaderType] != "JWT" || json.Unmarshal(payload, &claims) != nil || claims.Issuer != h.cfg.Issuer || claims.Subject == "" {
		return "", protocol.Refuse(protocol.InvalidRequest, "The id_token_hint is not an ID token of this server.")
	}
	return claims.Subject, nil
}

// covers reports whether every scope asked for is among the given ones.
func covers(given string, asked []string) bool {
	return (&grant.Consent{Scope: given}).Covers("", asked)
}
