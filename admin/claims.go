package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"countersign/clientstore"
	"countersign/storage"
)

// ClaimsAsked is what a client might ask for about an account.
type ClaimsAsked struct {
	Client    *clientstore.Client
	AccountID string
	Scope     string
	Claims    string // the claims parameter
}

// ClaimsTold is what it would be told; nil is nothing at all.
type ClaimsTold struct{ IDToken, Userinfo map[string]any }

// claimsPage is the page that previews the claims of a client.
type claimsPage struct {
	Client                  *clientstore.Client
	Username, Scope, Claims string
	// Asked says that something was, and Barred that the approval does not let
	// the account use the client; IDToken and Userinfo are JSON, empty for
	// nothing.
	Asked, Barred     bool
	IDToken, Userinfo string
	Faults            []fault
}

// Entry returns a field with what is wrong with it.
func (p claimsPage) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// Withheld is the scope that the client was approved without.
func (p claimsPage) Withheld() string { return strings.Join(p.Client.WithheldScope(), " ") }

// showClaims serves GET /settings/oauth-clients/{key}/claims, for the client as
// its approval lets it be used. Nothing is issued and nothing changes, so that
// the address says all of it.
func (h *handler) showClaims(w http.ResponseWriter, r *http.Request, who *administrator) error {
	c, err := h.client(r)
	if err != nil {
		return err
	}
	if c, err = h.cfg.Clients.InUse(r.Context(), c.ID); err != nil {
		return err
	}
	q := r.URL.Query()
	p := claimsPage{Client: c, Username: strings.TrimSpace(q.Get("account")), Scope: c.Metadata.Scope, Asked: q.Has("account")}
	if p.Username == "" {
		p.Username = who.Username
	}
	if p.Asked {
		p.Scope, p.Claims = strings.Join(strings.Fields(q.Get("scope")), " "), strings.TrimSpace(q.Get("claims"))
		if err := h.preview(r, &p); err != nil {
			return err
		}
	}
	s := screen{Template: "claims.html", Section: clientsPath, Page: p}
	if len(p.Faults) > 0 {
		s.Status = http.StatusUnprocessableEntity
	}
	return h.show(w, r, who, s)
}

func (h *handler) preview(r *http.Request, p *claimsPage) error {
	a, err := h.cfg.Accounts.Find(r.Context(), p.Username)
	if errors.Is(err, storage.ErrNotFound) {
		p.Faults = []fault{{"account", "There is no account with this username."}}
		return nil
	}
	if err != nil {
		return err
	}
	if p.Barred = !p.Client.Admits(a.ID); p.Barred {
		return nil
	}
	told, err := h.cfg.Preview(r.Context(), ClaimsAsked{p.Client, a.ID, p.Scope, p.Claims})
	if wrong, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		p.Faults = []fault{{wrong.Field, ofThis(wrong.Reason)}}
		return nil
	}
	if err != nil {
		return err
	}
	p.IDToken, p.Userinfo = document(told.IDToken), document(told.Userinfo)
	return nil
}

// document writes claims as people read them, empty for none.
func document(claims map[string]any) string {
	if claims == nil {
		return ""
	}
	encoded, err := json.MarshalIndent(claims, "", "  ")
	if err != nil {
		return ""
	}
	return string(encoded)
}
