package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"countersign/authz/outbound"
	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
	"countersign/storage/audit"
)

// fileDesk is where a clients file is applied: on the database
// ([databaseFiles]), or at a server that is somewhere else ([remoteDesk]).
type fileDesk interface {
	// PlanFile compares a clients file with the clients.
	PlanFile(ctx context.Context, m clientstore.Manifest) (*plannedFile, error)
	// ApplyFile makes a plan come true, all of it or nothing. Keep is told of the
	// secrets that were generated, by handle. [storage.ErrConflict] says that a
	// client was changed since.
	ApplyFile(ctx context.Context, p *plannedFile, keep func(secrets map[string]string) error) (*clientstore.PlanDocument, error)
}

// plannedFile is what a desk would do.
type plannedFile struct {
	clientstore.PlanDocument
	plan *clientstore.Plan // of a database
	body map[string]any    // as a server was asked
	tag  string            // of its answer
}

// generated are the secrets that were made, by handle.
func generated(p *clientstore.PlanDocument) map[string]string {
	secrets := map[string]string{}
	for _, s := range p.Steps {
		if s.ClientSecret != "" {
			secrets[s.Handle] = s.ClientSecret
		}
	}
	return secrets
}

// databaseFiles applies clients files on the database, for somebody.
type databaseFiles struct {
	*stores
	by audit.Actor
}

// PlanFile compares the file with the database.
func (d databaseFiles) PlanFile(ctx context.Context, m clientstore.Manifest) (*plannedFile, error) {
	m.Account = d.accounts.Identify
	m.Sector = func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error) {
		return outbound.Sector(ctx, d.outbound, before, m)
	}
	p, err := d.clients.Plan(ctx, m)
	if err != nil {
		return nil, err
	}
	return &plannedFile{PlanDocument: p.Document(nil), plan: p}, nil
}

// ApplyFile keeps the secrets within the transaction: what cannot be kept is not
// made.
func (d databaseFiles) ApplyFile(ctx context.Context, p *plannedFile, keep func(map[string]string) error) (*clientstore.PlanDocument, error) {
	done, err := d.clients.Apply(ctx, d.by, p.plan, func(done []clientstore.Applied) error {
		shown := p.plan.Document(done)
		return keep(generated(&shown))
	})
	if err != nil {
		return nil, err
	}
	shown := p.plan.Document(done)
	return &shown, nil
}

func (d databaseDesk) files() databaseFiles { return databaseFiles{d.stores, actor()} }

// PlanFile compares the file with the database.
func (d databaseDesk) PlanFile(ctx context.Context, m clientstore.Manifest) (*plannedFile, error) {
	return d.files().PlanFile(ctx, m)
}

// ApplyFile makes the plan come true.
func (d databaseDesk) ApplyFile(ctx context.Context, p *plannedFile, keep func(map[string]string) error) (*clientstore.PlanDocument, error) {
	return d.files().ApplyFile(ctx, p, keep)
}

// Release takes the client out of its file's hands.
func (d databaseDesk) Release(ctx context.Context, seen *clientstore.Client) (*clientstore.Client, error) {
	return d.clients.Release(ctx, actor(), seen.ID)
}

// Release takes the client out of its file's hands, if it is as it was seen.
func (d remoteDesk) Release(ctx context.Context, seen *clientstore.Client) (*clientstore.Client, error) {
	c, _, err := d.client(ctx, adminclient.Request{Method: http.MethodPost, Path: clientPath(seen.ID, "/release"), Header: ifMatch(seen)})
	return c, err
}

// filePatience is longer than a server takes over a file at most.
const filePatience = time.Minute

// PlanFile has the server compare the file with its clients.
func (d remoteDesk) PlanFile(ctx context.Context, m clientstore.Manifest) (*plannedFile, error) {
	p := &plannedFile{}
	var err error
	if p.body, err = manifestBody(m); err != nil {
		return nil, err
	}
	header, err := d.api.Do(ctx, adminclient.Request{Method: http.MethodPost, Path: "/v1/clients-file/plan", Body: p.body, Into: &p.PlanDocument, Patience: filePatience})
	p.tag = header.Get("ETag")
	return p, err
}

// ApplyFile has the server make true what it planned, and nothing else. A request
// whose answer was lost is sent again, and done once.
func (d remoteDesk) ApplyFile(ctx context.Context, p *plannedFile, keep func(map[string]string) error) (*clientstore.PlanDocument, error) {
	header := once()
	header["If-Match"] = p.tag
	done := &clientstore.PlanDocument{}
	_, err := d.api.Do(ctx, adminclient.Request{
		Method: http.MethodPost, Path: "/v1/clients-file/apply", Header: header, Body: p.body, Into: done, Patience: filePatience,
	})
	if err != nil {
		return nil, err
	}
	if err := keep(generated(done)); err != nil {
		return nil, remedy(err, "the file was applied, but a secret that it generated could not be written down: "+err.Error(),
			"give that client another with `countersign client rotate-secret`")
	}
	return done, nil
}

// manifestBody is a clients file as a server takes it, with the secrets that it
// refers to.
func manifestBody(m clientstore.Manifest) (map[string]any, error) {
	clients := map[string]any{}
	var faults error
	for i := range m.Clients {
		d := &m.Clients[i]
		body, err := withMembers(d.Metadata, declaredBody(d))
		faults = errors.Join(faults, err)
		clients[d.Handle] = body
	}
	return map[string]any{"owner": m.File, "prune": m.Prune, "clients": clients}, faults
}

// declaredBody is what a client of a file has beside its metadata.
func declaredBody(d *clientstore.Declared) map[string]any {
	own := map[string]any{"type": d.Type, "client_name": d.Name}
	for name, value := range map[string]string{"client_id": d.ClientID, "status": string(d.Status), "status_reason": d.Reason} {
		if value != "" {
			own[name] = value
		}
	}
	if d.Conditions != nil {
		own["conditions"] = d.Conditions
	}
	if s := d.Secret; s != nil {
		own["secret"] = map[string]any{"value": s.Value, "overlap": int64(s.Overlap / time.Second), "initial": s.Initial}
	}
	return own
}
