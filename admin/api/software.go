package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"countersign/clientstore"
	"countersign/storage"
)

// maxSoftware is how many clients of one software are decided on at once.
const maxSoftware = 100

// softwareView are the pending clients that say they are one software.
type softwareView struct {
	SoftwareID string                 `json:"software_id"`
	Clients    []clientstore.Document `json:"clients"`
}

// listSoftware serves GET /v1/software.
func (h *Handler) listSoftware(r *request) (*answer, error) {
	id := r.URL.Query().Get("software_id")
	if id == "" {
		return nil, problemOf(badQuery, "software_id is missing; clients name theirs when they register.")
	}
	list, err := h.cfg.Clients.OfSoftware(r.Context(), id, maxSoftware)
	if err != nil {
		return nil, err
	}
	view := softwareView{SoftwareID: id, Clients: []clientstore.Document{}}
	for i := range list {
		view.Clients = append(view.Clients, list[i].Document())
	}
	return ok(view), nil
}

// outcome is what became of one client of the software.
type outcome struct {
	ClientID string `json:"client_id"`
	Outcome  string `json:"outcome"` // approved, or the kind of problem that kept it from it
	Detail   string `json:"detail,omitempty"`
}

// outcomesView is what became of each.
type outcomesView struct {
	Outcomes []outcome `json:"outcomes"`
}

// approveSoftware serves POST /v1/software/approve: each client that the caller
// names is approved as it was looked at, on its own. One that changed meanwhile,
// or is not of this software any more, stays as it is, and the answer says so.
func (h *Handler) approveSoftware(r *request) (*answer, error) {
	m, _, err := r.body()
	if err != nil {
		return nil, err
	}
	var softwareID string
	var seen map[string]int64
	var narrowing members
	if err := m.into(map[string]any{"software_id": &softwareID, "clients": &seen, "conditions": &narrowing}); err != nil {
		return nil, err
	}
	if softwareID == "" || len(seen) == 0 || len(seen) > maxSoftware {
		return nil, problemOf(invalidMember, "software_id and clients are needed: the versions of 1 to 100 clients that were looked at, by their key.")
	}
	on, err := h.conditions(r, narrowing)
	if err != nil {
		return nil, err
	}
	t := clientstore.Together{SoftwareID: softwareID, Conditions: on, May: r.mayTouch}
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		t.Members = append(t.Members, clientstore.Member{ID: id, Version: seen[id]})
	}
	view := outcomesView{}
	for _, o := range h.cfg.Clients.ApproveTogether(r.Context(), r.actor(), t) {
		view.Outcomes = append(view.Outcomes, h.outcome(r.Context(), o))
	}
	return ok(view), nil
}

// outcome says what became of one. A failure that is nobody's mistake is told
// of the one that it befell: others may be approved by then.
func (h *Handler) outcome(ctx context.Context, of clientstore.Outcome) outcome {
	o := outcome{ClientID: of.ID, Outcome: "approved"}
	switch {
	case of.Err == nil:
		return o
	case errors.Is(of.Err, storage.ErrConflict):
		o.Outcome = stale.name
		return o
	case errors.Is(of.Err, storage.ErrNotFound):
		o.Outcome = notFound.name
		return o
	}
	p := describe(of.Err)
	if p.Status >= http.StatusInternalServerError {
		h.cfg.Log.ErrorContext(ctx, "a client was not approved with others of its software", "client_id", of.ID, "err", of.Err)
	}
	o.Outcome, o.Detail = p.Type, p.Detail
	return o
}

// undoView is a decision that the caller can take back.
type undoView struct {
	DecisionID string    `json:"decision_id"`
	Action     string    `json:"action"`
	Until      time.Time `json:"until"`
}

// undoable returns the client and the decision about it that the caller can take
// back.
func (h *Handler) undoable(r *request) (*clientstore.Client, *clientstore.Undo, error) {
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, nil, err
	}
	u, err := h.cfg.Clients.Undoable(r.Context(), c, r.caller.accountID)
	if err == nil && u == nil {
		err = problemOf(notFound, "There is no decision that can be taken back: it has to be the last thing done to the client, yours, and five minutes old at most.")
	}
	return c, u, err
}

// getUndo serves GET /v1/clients/{client_id}/undo.
func (h *Handler) getUndo(r *request) (*answer, error) {
	_, u, err := h.undoable(r)
	if err != nil {
		return nil, err
	}
	return ok(undoView{u.ID, u.Action, u.Until.UTC()}), nil
}

// undo serves POST /v1/clients/{client_id}/undo.
func (h *Handler) undo(r *request) (*answer, error) {
	m, _, err := r.body()
	if err != nil {
		return nil, err
	}
	var decision string
	if err := m.into(map[string]any{"decision_id": &decision}); err != nil {
		return nil, err
	}
	c, _, err := h.undoable(r)
	if err != nil {
		return nil, err
	}
	if err := r.mayTouch(c); err != nil {
		return nil, err
	}
	return decided(h.cfg.Clients.Undo(r.Context(), r.actor(), c.ID, decision))
}
