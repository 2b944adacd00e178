package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign/authz/engine"
	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/pushed"
)

// grant answers the request with what was allowed.
func (h *Handler) grant(w http.ResponseWriter, r *http.Request, s state) error {
	err := h.spend(r.Context(), s)
	if err == nil {
		err = h.useUp(r.Context(), s)
	}
	if errors.Is(err, pushed.ErrUsed) {
		return h.refuse(w, r, s.request.target, protocol.Refuse(protocol.InvalidRequestURI, "The request_uri was used before, or the client was disapproved since. Push the request again."))
	}
	if err != nil {
		return err
	}
	parameters, err := h.cfg.Engine.Authorize(r.Context(), engine.Authorization{
		Client: s.client, Session: s.reported(), ResponseType: s.request.responseType, Scope: s.request.scope,
		RedirectURI: s.request.target.redirectURI, SentRedirectURI: s.request.sentRedirectURI, State: s.request.target.state, Nonce: s.request.nonce,
		CodeChallenge: s.request.challenge, CodeChallengeMethod: s.request.challengeMethod, Claims: s.request.claims,
	})
	if errors.Is(err, grant.ErrNotPermitted) {
		return page.LostInteraction() // approval or session ended this very moment
	}
	if err != nil {
		return h.refused(w, r, s.request.target, err)
	}
	if err := h.cfg.Sessions.Touch(r.Context(), s.session); err != nil {
		return err
	}
	h.cfg.Log.InfoContext(r.Context(), "authorization granted", "request_id", r.Header.Get("X-Request-Id"),
		"client_id", s.client.ID, "account_id", s.session.AccountID, "scope", strings.Join(s.request.scope, " "))
	if slices.Contains(s.request.scope, "openid") {
		if value := sessionState(s.client.ID, s.request.target.redirectURI, h.cfg.Cookies.EnsureState(w, r)); value != "" {
			parameters.Set("session_state", value)
		}
	}
	return h.answer(w, r, s.request.target, parameters)
}

// spend notes that a request that waited is answered now. It may be answered
// again for a minute, to a second click, unless it asked for somebody to do
// something: that was done for one answer.
func (h *Handler) spend(ctx context.Context, s state) error {
	if s.interaction == nil {
		return nil
	}
	first, err := h.cfg.Interactions.Answered(ctx, s.interaction.ID)
	if err == nil && !first && s.demanding() {
		return page.LostInteraction()
	}
	return err
}

// hold keeps the request of a client that no administrator approves of. Only
// who has signed in learns of it; a request that must not show a page is
// answered with one all the same, because nobody vouches for where an answer
// would go.
func (h *Handler) hold(w http.ResponseWriter, r *http.Request, p protocol.Parameters, v *clientstore.Visit, i *interaction.Interaction) error {
	s := state{client: &v.Client, session: h.live(v), interaction: i, request: &request{parameters: p.All()}}
	switch {
	case s.session == nil && slices.Contains(words(p.Get("prompt")), "none"):
		return silenced()
	case s.session == nil, i == nil:
		if approve := v.Client.ApproveAt(h.cfg.Approval); approve != "" {
			h.cfg.Log.InfoContext(r.Context(), "a request waits for the approval of its client", "request_id", r.Header.Get("X-Request-Id"),
				"client", &v.Client, "approve", approve)
		}
		if s.session == nil {
			return h.ask(w, r, s, "/login")
		}
		return h.ask(w, r, s, ResumePath)
	}
	waiting := page.Waiting{
		Application: page.NewApplication(&v.Client, ""), Status: page.Pending, Reason: v.Client.StatusReason, Ended: v.Client.ApprovalEnded(),
		ResumeURL:      h.cfg.IssuerPath + ResumePath + "?" + url.Values{"interaction": {i.ID}}.Encode(),
		RefreshSeconds: pendingRefresh,
	}
	if v.Client.Status == clientstore.Disapproved {
		waiting.Status = page.Disapproved
	}
	return h.cfg.Pages.Render(w, r, http.StatusForbidden, waiting)
}
