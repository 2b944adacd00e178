package main

import (
	"context"
	"net/http"
	"net/url"

	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
)

// WaitingSecret returns the secret that waits, nil for none.
func (d databaseDesk) WaitingSecret(ctx context.Context, id string) (*clientstore.WaitingDocument, error) {
	w, err := d.clients.WaitingSecret(ctx, id)
	return w.Document(), err
}

// ConfirmSecret makes the secret that waits one of the client's.
func (d databaseDesk) ConfirmSecret(ctx context.Context, id, secretID string) (*clientstore.Client, error) {
	return d.clients.ConfirmSecret(ctx, actor(), id, secretID)
}

// RejectSecret forgets the secret that waits.
func (d databaseDesk) RejectSecret(ctx context.Context, id, secretID string) (*clientstore.Client, error) {
	return d.clients.RejectSecret(ctx, actor(), id, secretID)
}

// WaitingSecret returns the secret that waits, nil for none.
func (d remoteDesk) WaitingSecret(ctx context.Context, id string) (*clientstore.WaitingDocument, error) {
	var view struct {
		Waiting *clientstore.WaitingDocument `json:"secret_waiting"`
	}
	_, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodGet, Path: clientPath(id, "/secrets"), Into: &view})
	return view.Waiting, err
}

// ConfirmSecret makes the secret that waits one of the client's.
func (d remoteDesk) ConfirmSecret(ctx context.Context, id, secretID string) (*clientstore.Client, error) {
	c, _, err := d.client(ctx, adminclient.Request{Method: http.MethodPost, Path: clientPath(id, "/secrets/"+url.PathEscape(secretID)+"/confirm")})
	return c, err
}

// RejectSecret forgets the secret that waits.
func (d remoteDesk) RejectSecret(ctx context.Context, id, secretID string) (*clientstore.Client, error) {
	c, _, err := d.client(ctx, adminclient.Request{Method: http.MethodDelete, Path: clientPath(id, "/secrets/"+url.PathEscape(secretID))})
	return c, err
}
