package home

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/logo"
)

// Applications serves GET /account/applications.
func (h *Handler) Applications(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.showApplications)
}

func (h *Handler) showApplications(w http.ResponseWriter, r *http.Request, v *visit) error {
	connections, err := h.cfg.Grants.Connections(r.Context(), v.account.ID)
	if err != nil {
		return err
	}
	ids := make([]string, len(connections))
	for i, c := range connections {
		ids[i] = c.ClientID
	}
	clients, err := h.cfg.Clients.Several(r.Context(), ids)
	if err != nil {
		return err
	}
	shown, err := h.logos(r.Context(), clients)
	if err != nil {
		return err
	}
	p := page.Applications{Person: v.person(), Notice: notice(r)}
	for _, c := range connections {
		if client := clients[c.ClientID]; client != nil { // else it was removed this very moment
			described := h.connected(v, client, c)
			described.Application.Logo = logo.Path(shown[c.ClientID])
			p.List = append(p.List, described)
		}
	}
	slices.SortFunc(p.List, func(a, b page.Connected) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Application.Name), strings.ToLower(b.Application.Name)), strings.Compare(a.ID, b.ID))
	})
	return h.cfg.Pages.Render(w, r, http.StatusOK, p)
}

// logos returns the digests of the clients' pictures, by client.
func (h *Handler) logos(ctx context.Context, clients map[string]*clientstore.Client) (map[string]string, error) {
	var having []string
	for id, c := range clients {
		if c.Metadata.LogoURI != "" {
			having = append(having, id)
		}
	}
	return h.cfg.Logos.Shown(ctx, having...)
}

// connected describes a connection.
func (h *Handler) connected(v *visit, c *clientstore.Client, to grant.Connection) page.Connected {
	asked := to.Scope
	if c.Type == clientstore.OAuth1 && !slices.Contains(asked, "openid") { // it learns who somebody is
		asked = append([]string{"openid"}, asked...)
	}
	p := page.Connected{
		ID: c.ID, Application: page.NewApplication(c, ""), Protocol: page.Protocols[c.Type],
		Groups: page.ScopeGroups(asked, func(string) bool { return false }, nil),
		First:  h.moment(to.FirstAt), Active: to.Active, Offline: to.Offline,
		AnyTime: c.ActsForAbsent() && to.Consent == c.ConsentOf(v.account.Epoch),
	}
	p.Active = p.Active || p.AnyTime
	if to.UsedAt != nil {
		used := h.moment(*to.UsedAt)
		p.Used = &used
	}
	return p
}

// AskRemove serves GET /account/applications/remove. It removes nothing.
func (h *Handler) AskRemove(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, v *visit) error {
		c, to, err := h.connection(r.Context(), v, r.URL.Query().Get("client"))
		if err != nil {
			return err
		}
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.RemoveApplication{Person: v.person(), Connected: h.connected(v, c, *to), Unasked: c.Unasked()})
	})
}

// Remove serves POST /account/applications/remove.
func (h *Handler) Remove(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.removeApplication)
}

func (h *Handler) removeApplication(w http.ResponseWriter, r *http.Request, v *visit) error {
	form, err := h.form(r, v)
	if err != nil {
		return err
	}
	c, _, err := h.connection(r.Context(), v, form.Get("client"))
	if err != nil {
		return err
	}
	err = h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		if err := h.cfg.SignOut.Connection(ctx, v.account.ID, c.ID); err != nil {
			return err
		}
		if err := h.cfg.Grants.WithdrawConsent(ctx, v.account.ID, c.ID); err != nil {
			return err
		}
		if err := h.cfg.Interactions.Withdraw(ctx, v.account.ID, c.ID); err != nil {
			return err
		}
		return h.record(ctx, r, v, "account.remove_application", removed{c.ID, c.Name})
	})
	if err != nil {
		return err
	}
	return h.done(w, pathApplications, page.NoticeRemoved)
}

// removed is an application as the audit record names it.
type removed struct {
	ClientID string `json:"client_id"`
	Name     string `json:"client_name"`
}

// connection returns the client and what it may do for who visits. It is a
// [*page.Problem] when that is nothing.
func (h *Handler) connection(ctx context.Context, v *visit, clientID string) (*clientstore.Client, *grant.Connection, error) {
	to, err := h.cfg.Grants.Connection(ctx, v.account.ID, clientID)
	if err == nil {
		var c *clientstore.Client
		if c, err = h.cfg.Clients.InUse(ctx, clientID); err == nil {
			return c, to, nil
		}
	}
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, page.NotConnected(h.cfg.IssuerPath + pathApplications)
	}
	return nil, nil, err
}
