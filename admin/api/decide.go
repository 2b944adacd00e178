package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"countersign/clientstore"
	"countersign/storage"
)

// overtaken tells that somebody else was faster.
func overtaken(err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return problemOf(stale, "It was changed while this request was on its way.")
	}
	return err
}

// describeQuery makes a refusal of a filter one of the query.
func describeQuery(err error) error {
	if e, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return problemOf(badQuery, ended(e.Field+" "+e.Reason.String()))
	}
	return err
}

// approveClient serves POST /v1/clients/{client_id}/approve: what is approved
// is what the caller saw, or what the changes in the body make of it.
func (h *Handler) approveClient(r *request) (*answer, error) {
	m, err := r.optionalBody()
	if err != nil {
		return nil, err
	}
	var version *int64
	var changes, narrowing members
	if err := m.into(map[string]any{"version": &version, "changes": &changes, "conditions": &narrowing}); err != nil {
		return nil, err
	}
	on, err := h.conditions(r, narrowing)
	if err != nil {
		return nil, err
	}
	c, err := h.sight(r)
	if err != nil {
		return nil, err
	}
	if version != nil && *version != c.Version {
		return nil, problemOf(stale, "The present version is "+strconv.FormatInt(c.Version, 10)+", another than the body names.")
	}
	if changes != nil {
		return h.approveEdited(r, c, changes, on)
	}
	if err := r.mayTouch(c); err != nil {
		return nil, err
	}
	return decided(h.cfg.Clients.ApproveOn(r.Context(), r.actor(), c.ID, clientstore.Approval{Conditions: on, Version: c.Version}))
}

// conditions reads what an approval is narrowed to, nil where nothing was said.
// Accounts are named by their username or identifier.
func (h *Handler) conditions(r *request, m members) (*clientstore.Conditions, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // documented
	}
	var on clientstore.Conditions
	var testers []string
	known := map[string]any{
		"scope": &on.Scope, "grant_types": &on.GrantTypes, "response_types": &on.ResponseTypes, "until": &on.Until,
		"test_users": &testers, "test_accounts": &on.TestAccounts,
	}
	if err := m.into(known); err != nil {
		return nil, err
	}
	for _, name := range testers {
		if slices.Contains(on.TestAccounts, name) {
			continue // one that is gone is called by its identifier
		}
		a, err := h.cfg.Accounts.Find(r.Context(), name)
		if errors.Is(err, storage.ErrNotFound) {
			return nil, problemOf(invalidMember, ended("no account has the username "+shown(name))).at("test_users", "Names no account by "+shown(name)+".")
		}
		if err != nil {
			return nil, err
		}
		on.TestAccounts = append(on.TestAccounts, a.ID)
	}
	return &on, nil
}

// approveEdited changes the client and approves it, as one. It takes what both
// take.
func (h *Handler) approveEdited(r *request, c *clientstore.Client, changes members, on *clientstore.Conditions) (*answer, error) {
	if !slices.Contains(r.caller.scopes, clientstore.ScopeClientsWrite) {
		return nil, outOfScope(clientstore.ScopeClientsWrite)
	}
	e, err := h.edited(r, changes, c, c.Wanted())
	if err != nil {
		return nil, err
	}
	e.Conditions = on
	return decided(h.cfg.Clients.ApproveEdited(r.Context(), r.actor(), c.ID, e))
}

// disapproveClient serves POST /v1/clients/{client_id}/disapprove. It asks for
// no ETag: who wants a client stopped wants it stopped as it is now.
func (h *Handler) disapproveClient(r *request) (*answer, error) {
	m, err := r.optionalBody()
	if err != nil {
		return nil, err
	}
	var reason string
	if err := m.into(map[string]any{"reason": &reason}); err != nil {
		return nil, err
	}
	c, err := h.cfg.Clients.Disapprove(r.Context(), r.actor(), r.value("client_id"), reason)
	if e, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return nil, problemOf(invalidMember, sentence("the reason "+e.Reason.String())).at("reason", sentence(e.Reason.String()))
	}
	if err != nil {
		return nil, err
	}
	return showing(c), nil
}

// revisionView is what a client wants to become.
type revisionView struct {
	ID          string                   `json:"id"`
	CreatedAt   time.Time                `json:"created_at"`
	CreatedBy   string                   `json:"created_by"`
	Differences []clientstore.Difference `json:"differences"`
}

// revision returns the client with the revision that waits.
func (h *Handler) revision(r *request) (*clientstore.Client, *clientstore.Revision, error) {
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, nil, err
	}
	v, err := h.cfg.Clients.Revision(r.Context(), c.ID)
	if err == nil && v == nil {
		err = problemOf(notFound, "No revision of this client waits.")
	}
	return c, v, err
}

// getRevision serves GET /v1/clients/{client_id}/revision.
func (h *Handler) getRevision(r *request) (*answer, error) {
	c, v, err := h.revision(r)
	if err != nil {
		return nil, err
	}
	differences, err := v.Differences(c)
	if err != nil {
		return nil, err
	}
	view := revisionView{v.ID, v.CreatedAt.UTC(), v.CreatedBy, differences}
	return &answer{http.StatusOK, map[string]string{"ETag": `"` + v.ID + `"`}, view}, nil
}

// approveRevision serves POST /v1/clients/{client_id}/revision/approve.
func (h *Handler) approveRevision(r *request) (*answer, error) {
	v, err := h.revisionSeen(r, nil)
	if err != nil {
		return nil, err
	}
	if err := r.mayGive(&clientstore.Metadata{}, &v.Metadata); err != nil {
		return nil, err
	}
	return decided(h.cfg.Clients.ApproveRevision(r.Context(), r.actor(), v.ClientID, v.ID))
}

// rejectRevision serves POST /v1/clients/{client_id}/revision/reject.
func (h *Handler) rejectRevision(r *request) (*answer, error) {
	var reason string
	v, err := h.revisionSeen(r, map[string]any{"reason": &reason})
	if err != nil {
		return nil, err
	}
	c, err := h.cfg.Clients.RejectRevision(r.Context(), r.actor(), v.ClientID, v.ID, reason)
	if e, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return nil, problemOf(invalidMember, sentence("the reason "+e.Reason.String())).at("reason", sentence(e.Reason.String()))
	}
	return decided(c, err)
}

// revisionSeen returns the revision that the caller saw.
func (h *Handler) revisionSeen(r *request, body map[string]any) (*clientstore.Revision, error) {
	m, err := r.optionalBody()
	if err != nil {
		return nil, err
	}
	if err := m.into(body); err != nil {
		return nil, err
	}
	if _, err := r.seen(); err != nil {
		return nil, err
	}
	_, v, err := h.revision(r)
	if err != nil {
		return nil, err
	}
	return v, r.current(`"` + v.ID + `"`)
}

func decided(c *clientstore.Client, err error) (*answer, error) {
	if err != nil {
		return nil, overtaken(err)
	}
	return showing(c), nil
}
