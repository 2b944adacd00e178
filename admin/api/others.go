package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/keyset"
)

const (
	maxAccounts = 500
	maxEvents   = 500
)

// accountsPage is a page of accounts, by username.
type accountsPage struct {
	Accounts   []account.Account `json:"accounts"`
	NextCursor string            `json:"next_cursor,omitempty"`
}

// listAccounts serves GET /v1/accounts.
func (h *Handler) listAccounts(r *request) (*answer, error) {
	if r.URL.Query().Has("username") {
		return h.findAccount(r)
	}
	limit, err := r.limit(maxAccounts)
	if err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("cursor"))
	if err != nil || !utf8.Valid(after) || bytes.ContainsRune(after, 0) {
		return nil, problemOf(badQuery, "cursor is not one that this server made; begin again without it.")
	}
	accounts, err := h.cfg.Accounts.Page(r.Context(), account.Filter{After: string(after), Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	page := accountsPage{Accounts: append([]account.Account{}, accounts[:min(limit, len(accounts))]...)}
	if len(accounts) > limit {
		page.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(accounts[limit-1].Username))
	}
	return &answer{http.StatusOK, r.next(page.NextCursor), page}, nil
}

// findAccount answers the account with the username, or none.
func (h *Handler) findAccount(r *request) (*answer, error) {
	page := accountsPage{Accounts: []account.Account{}}
	a, err := h.cfg.Accounts.Find(r.Context(), r.URL.Query().Get("username"))
	if err == nil {
		page.Accounts = append(page.Accounts, *a)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	return ok(page), nil
}

// createAccount serves POST /v1/accounts.
func (h *Handler) createAccount(r *request) (*answer, error) {
	m, _, err := r.body()
	if err != nil {
		return nil, err
	}
	var a account.Registration
	err = m.into(map[string]any{
		"username": &a.Username, "password": &a.Password, "name": &a.Claims.Name, "email": &a.Claims.Email, "permissions": &a.Permissions,
	})
	if err != nil {
		return nil, err
	}
	made, err := h.cfg.Accounts.Create(r.Context(), r.actor(), a)
	if errors.Is(err, storage.ErrConflict) {
		return nil, problemOf(conflict, "There is an account with this username.").at("username", "Is taken.")
	}
	if err != nil {
		return nil, err
	}
	return &answer{http.StatusCreated, map[string]string{"Location": h.base + "/v1/accounts/" + made.ID}, made}, nil
}

// getAccount serves GET /v1/accounts/{account_id}.
func (h *Handler) getAccount(r *request) (*answer, error) {
	a, err := h.cfg.Accounts.Get(r.Context(), r.value("account_id"))
	if err != nil {
		return nil, err
	}
	return ok(a), nil
}

// changeAccount makes a change of the account and answers what it became.
func (h *Handler) changeAccount(r *request, change func(ctx context.Context, by audit.Actor, id string) error) (*answer, error) {
	if err := change(r.Context(), r.actor(), r.value("account_id")); err != nil {
		return nil, err
	}
	return h.getAccount(r)
}

// disableAccount serves POST /v1/accounts/{account_id}/disable.
func (h *Handler) disableAccount(r *request) (*answer, error) {
	return h.changeAccount(r, h.cfg.Accounts.Disable)
}

// enableAccount serves POST /v1/accounts/{account_id}/enable.
func (h *Handler) enableAccount(r *request) (*answer, error) {
	return h.changeAccount(r, h.cfg.Accounts.Enable)
}

// permitAccount serves PUT /v1/accounts/{account_id}/permissions.
func (h *Handler) permitAccount(r *request) (*answer, error) {
	m, _, err := r.body()
	if err != nil {
		return nil, err
	}
	var permissions *[]account.Permission
	if err := m.into(map[string]any{"permissions": &permissions}); err != nil {
		return nil, err
	}
	if permissions == nil {
		return nil, problemOf(invalidMember, "permissions is missing; an empty list takes all away.").at("permissions", "Is missing.")
	}
	return h.changeAccount(r, func(ctx context.Context, by audit.Actor, id string) error {
		return h.cfg.Accounts.SetPermissions(ctx, by, id, *permissions)
	})
}

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
