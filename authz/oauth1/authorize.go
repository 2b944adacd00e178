package oauth1

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/seal"
	"countersign/storage/session"
)

// pendingRefresh is how often, in seconds, the page of a pending client looks
// whether an administrator has approved it.
const pendingRefresh = 5

// Authorize serves GET /oauth1/authorize (RFC 5849, section 2.2). It grants
// nothing: the verifier comes into being when the resource owner has allowed
// the request in this browser, and not before (O1-13).
func (h *Handler) Authorize(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("oauth_token")
	if !seal.WellFormed(seal.TemporaryToken, token) {
		return unknownRequest()
	}
	t, err := h.cfg.Grants.Temporary(r.Context(), h.cfg.Grants.Hash(token))
	if errors.Is(err, storage.ErrNotFound) {
		return unknownRequest()
	}
	if err != nil {
		return err
	}
	if err := h.leadToApproval(r, t); err != nil {
		return err
	}
	waiting := url.Values{"temporary_credentials": {hex.EncodeToString(t.Hash)}}
	if t.WithoutVerifier {
		if err := h.chooseCallback(r.Context(), t, r.URL.Query()["oauth_callback"]); err != nil {
			return err
		}
		waiting.Set(interaction.WithoutVerifier, "true")
	}
	waiting.Set("redirect_uri", t.Callback)
	i, err := h.cfg.Interactions.Create(r.Context(), interaction.Waiting{
		ClientID: t.ClientID, ResumePath: ResumePath, Browser: h.cfg.Cookies.EnsureBrowser(w, r), Request: waiting,
	})
	if err != nil {
		return err
	}
	h.redirect(w, ResumePath, i)
	return nil
}

// leadToApproval has the log lead to the page that approves the client, if it
// waits for that: once, and not each time that the page looks again.
func (h *Handler) leadToApproval(r *http.Request, t *grant.Temporary) error {
	if t.Permitted {
		return nil
	}
	c, err := h.cfg.Clients.InUse(r.Context(), t.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // the page says so
	}
	if err != nil {
		return err
	}
	if approve := c.ApproveAt(h.cfg.Approval); approve != "" {
		h.cfg.Log.InfoContext(r.Context(), "a request waits for the approval of its client", "request_id", r.Header.Get("X-Request-Id"),
			"client", c, "approve", approve)
	}
	return nil
}

// visit is a request that waits, with who may allow it.
type visit struct {
	*clientstore.Visit
	interaction *interaction.Interaction
	temporary   *grant.Temporary
	session     *session.Session // nil when nobody is signed in
	scope       []string
}

// Resume serves GET /oauth1/resume: it takes up a request that waited.
func (h *Handler) Resume(w http.ResponseWriter, r *http.Request) error {
	v, err := h.open(w, r)
	if err != nil {
		return err
	}
	i := v.interaction
	switch {
	case v.session == nil:
		h.redirect(w, "/login", i)
		return nil
	case v.Client.Usable() != nil:
		return h.hold(w, r, v)
	case !v.Client.Admits(v.session.AccountID):
		return page.NotATester(page.NewApplication(&v.Client, ""))
	}
	if err := h.mayAnswer(r.Context(), v); err != nil {
		return err
	}
	switch {
	case i.DeniedAt != nil:
		return h.deny(w, r, v)
	case !v.asked():
		h.redirect(w, "/consent", i)
		return nil
	default:
		return h.allow(w, r, v)
	}
}

// mayAnswer checks that the request still stands, and where its answer goes.
func (h *Handler) mayAnswer(ctx context.Context, v *visit) error {
	if err := v.answerable(h.cfg.Now().Before(v.temporary.ExpiresAt)); err != nil {
		return err
	}
	if v.temporary.WithoutVerifier && !h.cfg.Clients.SkipsVerifier(&v.Client) {
		return unknownRequest() // an administrator ended it meanwhile
	}
	if err := h.cfg.Lender.Lend(ctx, &v.Client, v.session.AccountID, v.temporary.Callback); err != nil {
		return err
	}
	if checkCallback(&v.Client, v.temporary.Callback) != nil { // it was registered when the request was made
		return callbackGone()
	}
	return nil
}

// asked reports whether nobody needs to be asked any more: the person who is
// signed in has answered the question of this request, or an administrator
// trusts the client. Where the answer is carried by hand it is asked for all
// the same, because nothing else tells the person whose request it is.
func (v *visit) asked() bool {
	t := v.temporary
	if v.Client.Metadata.OAuth1Trusted && t.Callback != grant.OutOfBand && !t.WithoutVerifier {
		return true
	}
	i := v.interaction
	return i.ConsentedBy == v.session.AccountID && (&grant.Consent{Scope: i.ConsentedScope}).Covers("", v.scope)
}

// open reads the visit, or says why there is none.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) (*visit, error) {
	i, err := h.cfg.Interactions.Get(r.Context(), r.URL.Query().Get("interaction"), h.cfg.Cookies.EnsureBrowser(w, r))
	expired := errors.Is(err, interaction.ErrExpired)
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && i.ResumePath != ResumePath:
		return nil, page.LostInteraction()
	case err != nil && !expired:
		return nil, err
	}
	found, err := h.cfg.Clients.Visit(r.Context(), i.ClientID, h.cfg.Sessions.Hash(h.cfg.Cookies.Session(r)))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, page.RemovedClient()
	case err != nil:
		return nil, err
	case expired:
		return nil, page.ExpiredInteraction(page.Asking(&found.Client, i.Request))
	}
	v := &visit{Visit: found, interaction: i}
	v.scope, _ = found.Client.SettleScope("")
	if found.Session.ID != "" && h.cfg.Sessions.Live(&found.Session) {
		v.session = &found.Session
	}
	return v, h.find(r.Context(), v)
}

// find reads the temporary credentials of the visit.
func (h *Handler) find(ctx context.Context, v *visit) error {
	hash, err := hex.DecodeString(v.interaction.Request.Get("temporary_credentials"))
	if err != nil {
		return page.LostInteraction()
	}
	v.temporary, err = h.cfg.Grants.Temporary(ctx, hash)
	if errors.Is(err, storage.ErrNotFound) {
		return unknownRequest()
	}
	return err
}

// answerable says why a request cannot be answered any more, if so.
func (v *visit) answerable(inTime bool) error {
	t := v.temporary
	switch {
	case t.SpentAt != nil, t.DeniedAt != nil, t.Grant.ID != "":
		return page.LostInteraction()
	case !inTime:
		return page.ExpiredInteraction(page.Asking(&v.Client, v.interaction.Request))
	case !t.Permitted:
		return unknownRequest()
	default:
		return nil
	}
}

// hold keeps the request of a client that no administrator approves of.
func (h *Handler) hold(w http.ResponseWriter, r *http.Request, v *visit) error {
	waiting := page.Waiting{
		Application: page.NewApplication(&v.Client, ""), Status: page.Pending, Reason: v.Client.StatusReason, Ended: v.Client.ApprovalEnded(),
		ResumeURL: h.url(ResumePath, v.interaction), RefreshSeconds: pendingRefresh,
	}
	if v.Client.Status == clientstore.Disapproved {
		waiting.Status = page.Disapproved
	}
	return h.cfg.Pages.Render(w, r, http.StatusForbidden, waiting)
}

// deny tells the client that its resource owner refused.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := h.cfg.Grants.Credential(v.temporary)
	if err != nil {
		return err
	}
	err = h.cfg.Grants.DenyTemporary(r.Context(), v.temporary.Hash)
	if err != nil && !errors.Is(err, grant.ErrSpent) {
		return err
	}
	return h.send(w, r, v, page.Verifier{Application: page.NewApplication(&v.Client, "")},
		"oauth_token", c.Token, "oauth_problem", "user_refused")
}

// allow makes the grant and its verifier, once.
func (h *Handler) allow(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := h.cfg.Grants.Credential(v.temporary)
	if err != nil {
		return err
	}
	verifier := v.verifier()
	err = h.cfg.Grants.AllowTemporary(r.Context(), v.temporary.Hash, h.grant(v), verifier)
	if errors.Is(err, grant.ErrSpent) || errors.Is(err, grant.ErrNotPermitted) {
		return page.LostInteraction() // answered, or lost what it stood on, this very moment
	}
	if err != nil {
		return err
	}
	if _, err := h.cfg.Interactions.Answered(r.Context(), v.interaction.ID); err != nil {
		return err
	}
	if err := h.cfg.Sessions.Touch(r.Context(), v.session); err != nil {
		return err
	}
	h.cfg.Log.InfoContext(r.Context(), "authorization granted", "request_id", r.Header.Get("X-Request-Id"), "client_id", v.Client.ID, "account_id", v.session.AccountID)
	done := page.Verifier{Application: page.NewApplication(&v.Client, ""), Allowed: true}
	if verifier == "" {
		return h.send(w, r, v, done, "oauth_token", c.Token)
	}
	done.Verifier = grant.ShowUserCode(verifier)
	return h.send(w, r, v, done, "oauth_token", c.Token, "oauth_verifier", verifier)
}

// verifier makes the verifier of the request, empty for one that has none.
// What is typed is short; five wrong ones end the request.
func (v *visit) verifier() string {
	switch {
	case v.temporary.WithoutVerifier:
		return ""
	case v.temporary.Callback == grant.OutOfBand:
		return grant.NewUserCode()
	default:
		return seal.NewToken(seal.Verifier)
	}
}

// grant is what the resource owner gives the client. It outlives the session:
// nobody renews it, and tools work while nobody is there.
func (h *Handler) grant(v *visit) grant.Grant {
	authTime := v.session.AuthTime
	return grant.Grant{
		ID: grant.NewID(), Kind: grant.KindOAuth1, ClientID: v.Client.ID, AccountID: v.session.AccountID, SessionID: v.session.ID,
		Subject: v.session.AccountID, Scope: strings.Join(v.scope, " "), ACR: v.session.ACR, AMR: strings.Join(v.session.AMR, " "),
		AuthTime: &authTime, Offline: true, ExpiresAt: v.temporary.ExpiresAt.Add(h.cfg.Token + grant.CredentialKept),
	}
}

// send brings the client the parameters, behind those that its callback has
// (RFC 5849, section 2.2), or shows the page to who carries them.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, v *visit, p page.Verifier, fields ...string) error {
	if v.temporary.Callback == grant.OutOfBand {
		return h.cfg.Pages.Render(w, r, http.StatusOK, p)
	}
	parameters := url.Values{}
	for pair := range slices.Chunk(fields, 2) {
		parameters.Set(pair[0], pair[1])
	}
	separator := "?"
	if strings.Contains(v.temporary.Callback, "?") {
		separator = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", v.temporary.Callback+separator+parameters.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (h *Handler) url(path string, i *interaction.Interaction) string {
	return h.cfg.IssuerPath + path + "?" + url.Values{"interaction": {i.ID}}.Encode()
}

func (h *Handler) redirect(w http.ResponseWriter, path string, i *interaction.Interaction) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.url(path, i))
	w.WriteHeader(http.StatusSeeOther)
}

// callbackGone is the page of a request whose callback an administrator has
// taken away meanwhile.
func callbackGone() *page.Problem {
	p := page.BadRequest("E-OAUTH1-CALLBACK", "The application asked to be answered at an address that is not registered for it any more, so nothing was shared.",
		"Go back to the application and start again from there.")
	p.Title = "The application's address does not match"
	return p
}

// unknownRequest is the page of a token that stands for no request.
func unknownRequest() *page.Problem {
	p := page.BadRequest("E-OAUTH1-TOKEN", "The application sent you here with a request that is not known: it may have expired, or been answered.",
		"Go back to the application and start again from there. Nothing was shared with it.")
	p.Title, p.Who = "This request is not waiting here", page.You
	return p
}
