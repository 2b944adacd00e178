package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/storage/apikey"
)

const (
	maxAPIKeys = 500
	// keyLifetime is how long a key is valid of which nothing else was said.
	keyLifetime = 90 * 24 * time.Hour
)

// apiKeysPage is a page of keys without their values, the newest first.
type apiKeysPage struct {
	APIKeys    []apikey.Listed `json:"api_keys"`
	NextCursor string          `json:"next_cursor,omitempty"`
}

// listAPIKeys serves GET /v1/api-keys. There are few, and keys that are over go
// by themselves.
func (h *Handler) listAPIKeys(r *request) (*answer, error) {
	limit, err := r.limit(maxAPIKeys)
	if err != nil {
		return nil, err
	}
	list, err := h.cfg.APIKeys.List(r.Context())
	if err != nil {
		return nil, err
	}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		last := slices.IndexFunc(list, func(k apikey.Listed) bool { return k.ID == cursor })
		if last < 0 {
			return nil, problemOf(badQuery, "cursor names a key that is not there any more; begin again without it.")
		}
		list = list[last+1:]
	}
	page := apiKeysPage{APIKeys: list[:min(limit, len(list))]}
	if len(list) > limit {
		page.NextCursor = list[limit-1].ID
	}
	return &answer{http.StatusOK, r.next(page.NextCursor), page}, nil
}

// madeAPIKey is a key with its value, which is shown this once.
type madeAPIKey struct {
	apikey.Key
	Username string `json:"username"`
	Value    string `json:"api_key"`
}

// createAPIKey serves POST /v1/api-keys. The key acts for the caller and nobody
// else, covers no more than the credential that it is made with, and does not
// outlive that one when it is a key itself: none makes itself last.
func (h *Handler) createAPIKey(r *request) (*answer, error) {
	m, content, err := r.body()
	if err != nil {
		return nil, err
	}
	var scope string
	var expires *int64
	o := apikey.Order{AccountID: r.caller.accountID, Lifetime: keyLifetime}
	if err := m.into(map[string]any{"name": &o.Name, "scope": &scope, "expires_in": &expires}); err != nil {
		return nil, err
	}
	o.Scopes = strings.Fields(scope)
	for _, s := range o.Scopes {
		if !slices.Contains(r.caller.scopes, s) {
			return nil, outOfScope(s)
		}
	}
	if expires != nil {
		if o.Lifetime, err = seconds("expires_in", expires); err != nil {
			return nil, err
		}
	}
	if end := r.caller.credential.ExpiresAt; r.caller.credential.Type == "api_key" && h.cfg.Now().Add(o.Lifetime).After(end) {
		return nil, problemOf(invalidMember, "The key would outlive the one that it is made with.").at("expires_in", "Is later than the end of the presented key, "+end.UTC().Format(time.RFC3339)+".")
	}
	return h.once(r, job{
		content: string(content), prepare: func(context.Context) error { return nil },
		work: func(ctx context.Context) (*answer, error) {
			k, value, err := h.cfg.APIKeys.Create(ctx, r.actor(), o)
			if errors.Is(err, apikey.ErrNotAcceptable) {
				return nil, problemOf(invalidMember, sentence(err.Error()))
			}
			if err != nil {
				return nil, err
			}
			return &answer{http.StatusCreated, nil, madeAPIKey{*k, r.caller.username, value}}, nil
		},
	})
}

// revokeAPIKey serves DELETE /v1/api-keys/{key_id}.
func (h *Handler) revokeAPIKey(r *request) (*answer, error) {
	if err := h.cfg.APIKeys.Revoke(r.Context(), r.actor(), r.value("key_id")); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent}, nil
}
