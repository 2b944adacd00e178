package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/failure"
)

// remoteDesk works at a server that is somewhere else, by its API.
type remoteDesk struct{ api *adminclient.Client }

func clientPath(id, further string) string { return "/v1/clients/" + url.PathEscape(id) + further }

// ifMatch names the state of the client that was seen.
func ifMatch(c *clientstore.Client) map[string]string {
	return map[string]string{"If-Match": `"` + strconv.FormatInt(c.Version, 10) + `"`}
}

// once lets a request be sent again when its answer was lost.
func once() map[string]string { return map[string]string{"Idempotency-Key": uuid.NewString()} }

// client makes a request that answers a client, with the secret that was just
// made for it.
func (d remoteDesk) client(ctx context.Context, r adminclient.Request) (*clientstore.Client, string, error) {
	var doc clientstore.Document
	r.Into = &doc
	if _, err := d.api.Do(ctx, r); err != nil {
		return nil, "", err
	}
	return doc.Client(), doc.ClientSecret, nil
}

// List reads all pages of the list.
func (d remoteDesk) List(ctx context.Context, f clientstore.Filter) ([]clientstore.Document, error) {
	docs, query := []clientstore.Document{}, url.Values{"limit": {"500"}}
	for name, value := range map[string]string{"type": string(f.Type), "status": string(f.Status), "search": f.Search, "sort": string(f.Sort)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for {
		var page struct {
			Clients []clientstore.Document `json:"clients"`
			Next    string                 `json:"next_cursor"`
		}
		if _, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: "/v1/clients?" + query.Encode(), Into: &page}); err != nil {
			return nil, err
		}
		docs = append(docs, page.Clients...)
		if page.Next == "" {
			return docs, nil
		}
		query.Set("cursor", page.Next)
	}
}

// Get returns the client with the key.
func (d remoteDesk) Get(ctx context.Context, id string) (*clientstore.Client, error) {
	c, _, err := d.client(ctx, adminclient.Request{Method: http.MethodGet, Path: clientPath(id, "")})
	return c, err
}

// Impact counts what disapproving or removing the client ends.
func (d remoteDesk) Impact(ctx context.Context, id string) (i clientstore.Impact, err error) {
	_, err = d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: clientPath(id, "/impact"), Into: &i})
	return i, err
}

// withMembers returns the members of a document, and further ones.
func withMembers(value any, further map[string]any) (map[string]any, error) {
	m, err := document(value)
	if err != nil {
		return nil, err
	}
	for name, v := range further {
		m[name] = v
	}
	return m, nil
}

// Register registers a client, pending.
func (d remoteDesk) Register(ctx context.Context, r clientstore.Registration) (*clientstore.Client, string, error) {
	own := map[string]any{"type": r.Type, "client_name": r.Name}
	if r.Secret != "" {
		own["client_secret"] = r.Secret
	}
	body, err := withMembers(r.Metadata, own)
	if err != nil {
		return nil, "", err
	}
	return d.client(ctx, adminclient.Request{Method: http.MethodPost, Path: "/v1/clients", Header: once(), Body: body})
}

// RegisterApproved registers a client and approves it. Where the second is
// refused, the client is there and pending, and the error says so.
func (d remoteDesk) RegisterApproved(ctx context.Context, r clientstore.Registration) (*clientstore.Client, string, error) {
	c, secret, err := d.Register(ctx, r)
	if err != nil {
		return nil, "", err
	}
	approved, err := d.Approve(ctx, c, nil)
	if err != nil {
		return nil, "", remedy(err, fmt.Sprintf("%s is registered and pending, but was not approved: %v", title(c), err),
			"have it approved, and give it a secret that is shown with `countersign client rotate-secret "+c.ID+"`")
	}
	return approved, secret, nil
}

// patch is what makes the client that was seen the one that is wanted. What it
// takes away is null (RFC 7396).
func patch(seen *clientstore.Client, w clientstore.Wanted) (map[string]any, error) {
	before, err := document(seen.Metadata)
	if err != nil {
		return nil, err
	}
	after, err := withMembers(w.Metadata, map[string]any{"client_name": w.Name})
	if err != nil {
		return nil, err
	}
	for name := range before {
		if _, kept := after[name]; !kept {
			after[name] = nil
		}
	}
	return after, nil
}

// Edit changes the client, if it is as it was seen.
func (d remoteDesk) Edit(ctx context.Context, seen *clientstore.Client, w clientstore.Wanted) (*clientstore.Client, error) {
	body, err := patch(seen, w)
	if err != nil {
		return nil, err
	}
	c, _, err := d.client(ctx, adminclient.Request{Method: http.MethodPatch, Path: clientPath(seen.ID, ""), Header: ifMatch(seen), Body: body})
	return c, err
}

// conditionsBody says what an approval is narrowed to, nothing where that is not
// said. The identifiers of the test users do without their names.
func conditionsBody(on *clientstore.Conditions) map[string]any {
	if on == nil {
		return map[string]any{}
	}
	bare := *on
	bare.TestUsers = nil
	return map[string]any{"conditions": bare}
}

// ApproveEdited changes the client and lets it work, if it is as it was seen.
func (d remoteDesk) ApproveEdited(ctx context.Context, seen *clientstore.Client, w clientstore.Wanted, on *clientstore.Conditions) (*clientstore.Client, error) {
	changes, err := patch(seen, w)
	if err != nil {
		return nil, err
	}
	body := conditionsBody(on)
	body["changes"] = changes
	c, _, err := d.client(ctx, adminclient.Request{
		Method: http.MethodPost, Path: clientPath(seen.ID, "/approve"), Header: ifMatch(seen), Body: body,
	})
	return c, err
}

// Approve lets the client work, if it is as it was seen.
func (d remoteDesk) Approve(ctx context.Context, seen *clientstore.Client, on *clientstore.Conditions) (*clientstore.Client, error) {
	body := conditionsBody(on)
	c, _, err := d.client(ctx, adminclient.Request{Method: http.MethodPost, Path: clientPath(seen.ID, "/approve"), Header: ifMatch(seen), Body: body})
	return c, err
}

// Disapprove stops the client.
func (d remoteDesk) Disapprove(ctx context.Context, id, reason string) (*clientstore.Client, error) {
	c, _, err := d.client(ctx, adminclient.Request{
		Method: http.MethodPost, Path: clientPath(id, "/disapprove"), Body: map[string]string{"reason": reason},
	})
	return c, err
}

// Remove removes the client for good, if it is as it was seen.
func (d remoteDesk) Remove(ctx context.Context, seen *clientstore.Client) error {
	_, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodDelete, Path: clientPath(seen.ID, ""), Header: ifMatch(seen)})
	return err
}

// RotateSecret gives the client a new secret.
func (d remoteDesk) RotateSecret(ctx context.Context, id string, r secretRotation) (*clientstore.Client, string, error) {
	body := map[string]any{"overlap": int64(r.overlap / time.Second)}
	if r.expires > 0 {
		body["expires_in"] = int64(r.expires / time.Second)
	}
	if r.secret != "" {
		body["client_secret"] = r.secret
	}
	return d.client(ctx, adminclient.Request{Method: http.MethodPost, Path: clientPath(id, "/secrets"), Header: once(), Body: body})
}

// Revision returns what the client asked to become.
func (d remoteDesk) Revision(ctx context.Context, c *clientstore.Client) (*revisionView, error) {
	v := &revisionView{}
	_, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: clientPath(c.ID, "/revision"), Into: v})
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil //nolint:nilnil // documented
	}
	return v, err
}

func (d remoteDesk) decideRevision(ctx context.Context, id, revision, verb string, body any) (*clientstore.Client, error) {
	c, _, err := d.client(ctx, adminclient.Request{
		Method: http.MethodPost, Path: clientPath(id, "/revision/"+verb), Header: map[string]string{"If-Match": `"` + revision + `"`}, Body: body,
	})
	return c, err
}

// ApproveRevision makes the client what the revision says.
func (d remoteDesk) ApproveRevision(ctx context.Context, id, revision string) (*clientstore.Client, error) {
	return d.decideRevision(ctx, id, revision, "approve", nil)
}

// RejectRevision forgets the revision.
func (d remoteDesk) RejectRevision(ctx context.Context, id, revision, reason string) (*clientstore.Client, error) {
	return d.decideRevision(ctx, id, revision, "reject", map[string]string{"reason": reason})
}

// Failures returns what the client was last refused.
func (d remoteDesk) Failures(ctx context.Context, id string) ([]failure.Failure, error) {
	var list struct {
		Failures []failure.Failure `json:"failures"`
	}
	_, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: clientPath(id, "/failures"), Into: &list})
	return list.Failures, err
}

// Account returns the account with the identifier.
func (d remoteDesk) Account(ctx context.Context, id string) (*account.Account, error) {
	a := &account.Account{}
	_, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: "/v1/accounts/" + url.PathEscape(id), Into: a})
	return a, err
}

// AccountNamed returns the account with the username.
func (d remoteDesk) AccountNamed(ctx context.Context, username string) (*account.Account, error) {
	var page struct {
		Accounts []account.Account `json:"accounts"`
	}
	_, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: "/v1/accounts?username=" + url.QueryEscape(username), Into: &page})
	if err != nil {
		return nil, err
	}
	if len(page.Accounts) == 0 {
		return nil, storage.ErrNotFound
	}
	return &page.Accounts[0], nil
}
