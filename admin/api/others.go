package api

import (
	"net/http"

	"github.com/google/uuid"

	"countersign/storage/audit"
	"countersign/storage/keyset"
)

const maxEvents = 500

// auditPage is a page of changes, newest first.
type auditPage struct {
	Events     []audit.Event `json:"events"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// listAudit serves GET /v1/audit.
func (h *Handler) listAudit(r *request) (*answer, error) {
	q := r.URL.Query()
	limit, err := r.limit(maxEvents)
	if err != nil {
		return nil, err
	}
	if cursor := q.Get("cursor"); cursor != "" && uuid.Validate(cursor) != nil {
		return nil, problemOf(badQuery, "cursor is not one that this server made; begin again without it.")
	}
	events, err := h.cfg.Audit.List(r.Context(), audit.Filter{
		TargetType: q.Get("target_type"), TargetID: q.Get("target_id"), Action: q.Get("action"), ActorName: q.Get("actor"),
		Before: q.Get("cursor"), Limit: limit + 1,
	})
	if err != nil {
		return nil, err
	}
	page := auditPage{Events: append([]audit.Event{}, events[:min(limit, len(events))]...)}
	if len(events) > limit {
		page.NextCursor = events[limit-1].ID
	}
	return &answer{http.StatusOK, r.next(page.NextCursor), page}, nil
}

// keysView are the server's keys, without their private parts.
type keysView struct {
	Keys []keyView `json:"keys"`
}

type keyView struct {
	keyset.Key
	State string `json:"state"` // next, active or retired
}

func (h *Handler) viewKeys(keys []keyset.Key) *answer {
	v := keysView{Keys: make([]keyView, len(keys))}
	for i, k := range keys {
		v.Keys[i] = keyView{k, k.State(h.cfg.Now())}
	}
	return ok(v)
}

// listKeys serves GET /v1/keys.
func (h *Handler) listKeys(r *request) (*answer, error) {
	keys, err := h.cfg.Keys.List(r.Context())
	if err != nil {
		return nil, err
	}
	return h.viewKeys(keys), nil
}

// rotateKeys serves POST /v1/keys/rotate.
func (h *Handler) rotateKeys(r *request) (*answer, error) {
	m, err := r.optionalBody()
	if err != nil {
		return nil, err
	}
	var algorithms []string
	var immediately bool
	if err := m.into(map[string]any{"algorithms": &algorithms, "immediately": &immediately}); err != nil {
		return nil, err
	}
	for _, a := range algorithms {
		if !keyset.Known(a) {
			return nil, problemOf(invalidMember, shown(a)+" is not an algorithm of this server's keys.").at("algorithms", "Has an algorithm that there is not.")
		}
	}
	keys, err := h.cfg.Keys.Rotate(r.Context(), r.actor(), immediately, algorithms...)
	if err != nil {
		return nil, err
	}
	return h.viewKeys(keys), nil
}
