package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
)

const maxAccounts = 500

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
	header := map[string]string{"ETag": accountTag(made), "Location": h.base + "/v1/accounts/" + made.ID}
	return &answer{http.StatusCreated, header, made}, nil
}

// getAccount serves GET /v1/accounts/{account_id}.
func (h *Handler) getAccount(r *request) (*answer, error) {
	a, err := h.cfg.Accounts.Get(r.Context(), r.value("account_id"))
	if err != nil {
		return nil, err
	}
	return &answer{http.StatusOK, map[string]string{"ETag": accountTag(a)}, a}, nil
}

// accountTag names a state of an account.
func accountTag(a *account.Account) string { return `"` + strconv.FormatInt(a.Version, 10) + `"` }

// accountsSeen returns the store for a change of the account as the caller saw
// it. If-Match may be left out, because such a change sets a state and adds
// nothing to it.
func (h *Handler) accountsSeen(r *request) (*account.Store, error) {
	if len(r.Header.Values("If-Match")) == 0 {
		return h.cfg.Accounts, nil
	}
	a, err := h.cfg.Accounts.Get(r.Context(), r.value("account_id"))
	if err != nil {
		return nil, err
	}
	return h.cfg.Accounts.Seen(a.Version), r.current(accountTag(a))
}

// changeAccount makes a change of the account and answers what it became.
func (h *Handler) changeAccount(r *request, change func(s *account.Store, ctx context.Context, by audit.Actor, id string) error) (*answer, error) {
	s, err := h.accountsSeen(r)
	if err != nil {
		return nil, err
	}
	if err := change(s, r.Context(), r.actor(), r.value("account_id")); err != nil {
		return nil, overtaken(err)
	}
	return h.getAccount(r)
}

// disableAccount serves POST /v1/accounts/{account_id}/disable.
func (h *Handler) disableAccount(r *request) (*answer, error) {
	return h.changeAccount(r, (*account.Store).Disable)
}

// enableAccount serves POST /v1/accounts/{account_id}/enable.
func (h *Handler) enableAccount(r *request) (*answer, error) {
	return h.changeAccount(r, (*account.Store).Enable)
}

// editAccount serves PATCH /v1/accounts/{account_id}: a JSON merge patch (RFC
// 7396) of what an administrator keeps of a person.
func (h *Handler) editAccount(r *request) (*answer, error) {
	m, _, err := r.body("application/merge-patch+json")
	if err != nil {
		return nil, err
	}
	for name, nothing := range map[string]string{"name": `""`, "email": `""`, "email_verified": "false"} {
		if string(m[name]) == "null" {
			m[name] = json.RawMessage(nothing)
		}
	}
	var c account.Contact
	if err := m.into(map[string]any{"name": &c.Name, "email": &c.Email, "email_verified": &c.EmailVerified}); err != nil {
		return nil, err
	}
	return h.changeAccount(r, func(s *account.Store, ctx context.Context, by audit.Actor, id string) error {
		return s.SetContact(ctx, by, id, c)
	})
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
	return h.changeAccount(r, func(s *account.Store, ctx context.Context, by audit.Actor, id string) error {
		return s.SetPermissions(ctx, by, id, *permissions)
	})
}

// setPassword serves PUT /v1/accounts/{account_id}/password. It ends what the
// account is signed in to, and its tokens and keys: the caller's, too, where it
// is the caller's own.
func (h *Handler) setPassword(r *request) (*answer, error) {
	m, _, err := r.body()
	if err != nil {
		return nil, err
	}
	var password string
	if err := m.into(map[string]any{"password": &password}); err != nil {
		return nil, err
	}
	return h.changeAccount(r, func(s *account.Store, ctx context.Context, by audit.Actor, id string) error {
		return s.SetPassword(ctx, by, id, password)
	})
}
