package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/clientstore"
)

// planFile serves POST /v1/clients-file/plan: what it takes to make the clients of
// a file what the file says. The ETag of the answer names the plan.
func (h *Handler) planFile(r *request) (*answer, error) {
	m, _, err := h.manifest(r)
	if err != nil {
		return nil, err
	}
	p, tag, err := h.plan(r.Context(), r, m)
	if err != nil {
		return nil, err
	}
	if err := h.still(r); err != nil { // planning fetches from where clients say
		return nil, err
	}
	return &answer{http.StatusOK, map[string]string{"ETag": tag}, p.Document(nil)}, nil
}

// applyFile serves POST /v1/clients-file/apply: what was planned is done, all of
// it or nothing. A plan that would be another by now is refused.
func (h *Handler) applyFile(r *request) (*answer, error) {
	m, content, err := h.manifest(r)
	if err != nil {
		return nil, err
	}
	if _, err := r.seen(); err != nil {
		return nil, err
	}
	var p *clientstore.Plan
	return h.once(r, job{
		content: content,
		prepare: func(ctx context.Context) (err error) {
			var tag string
			if p, tag, err = h.plan(ctx, r, m); err != nil {
				return err
			}
			if err := r.current(tag); err != nil {
				return err
			}
			return h.cfg.Clients.Prepare(ctx, p)
		},
		work: func(ctx context.Context) (*answer, error) {
			done, err := h.cfg.Clients.Apply(ctx, r.actor(), p, nil)
			if err != nil {
				return nil, overtaken(err)
			}
			return ok(p.Document(done)), nil
		},
	})
}

// releaseClient serves POST /v1/clients/{client_id}/release: the client goes on as
// it is, and is changed like any other from now on.
func (h *Handler) releaseClient(r *request) (*answer, error) {
	m, err := r.optionalBody()
	if err != nil {
		return nil, err
	}
	if err := m.into(nil); err != nil {
		return nil, err
	}
	c, err := h.sight(r)
	if err != nil {
		return nil, err
	}
	if err := r.mayTouch(c); err != nil {
		return nil, err
	}
	return decided(h.cfg.Clients.Release(r.Context(), r.actor(), c.ID))
}

// plan returns the plan, with its ETag, if the caller may have it done. Planning
// tells whether a secret is the client's, and so takes what applying takes.
func (h *Handler) plan(ctx context.Context, r *request, m *clientstore.Manifest) (*clientstore.Plan, string, error) {
	p, err := h.cfg.Clients.Plan(ctx, *m)
	if err != nil {
		return nil, "", err
	}
	for i := range p.Steps {
		if err := r.mayStep(&p.Steps[i]); err != nil {
			return nil, "", err
		}
	}
	if err := h.cfg.Clients.MayApply(r.actor(), p); err != nil {
		return nil, "", err
	}
	tag, err := p.Tag()
	return p, `"` + tag + `"`, err
}

// mayStep refuses what the credential could not do to the client without a file.
func (r *request) mayStep(s *clientstore.Step) error {
	before, after := s.Before, s.After
	if after == nil || s.Action == clientstore.Orphan {
		return nil // clients:write removes
	}
	had := &clientstore.Metadata{}
	if before != nil {
		if err := r.mayTouch(before); err != nil {
			return err
		}
		if err := r.mayDecide(before, &after.Metadata); err != nil {
			return err
		}
		had = &before.Metadata
	}
	if s.Decides() && !slices.Contains(r.caller.scopes, clientstore.ScopeClientsApprove) {
		return outOfScope(clientstore.ScopeClientsApprove)
	}
	return r.mayGive(had, &after.Metadata)
}

// manifest reads a clients file, with its content.
func (h *Handler) manifest(r *request) (*clientstore.Manifest, string, error) {
	body, content, err := r.body()
	if err != nil {
		return nil, "", err
	}
	m := &clientstore.Manifest{Sector: h.cfg.Sector, Account: h.cfg.Accounts.Identify}
	var declared map[string]members
	if err := body.into(map[string]any{"owner": &m.File, "prune": &m.Prune, "clients": &declared}); err != nil {
		return nil, "", err
	}
	if declared == nil {
		return nil, "", problemOf(invalidMember, "clients is missing: the clients of the file by their handles.").at("clients", "Is missing.")
	}
	for _, handle := range slices.Sorted(maps.Keys(declared)) {
		d, err := readDeclared(declared[handle])
		if err != nil {
			return nil, "", below(err, "clients", handle)
		}
		d.Handle = handle
		m.Clients = append(m.Clients, *d)
	}
	return m, string(content), nil
}

// readDeclared reads a client of a file.
func readDeclared(m members) (*clientstore.Declared, error) {
	d := &clientstore.Declared{}
	var secret, on members
	known := map[string]any{
		"type": &d.Type, "client_id": &d.ClientID, "status": &d.Status, "status_reason": &d.Reason, "secret": &secret, "conditions": &on,
	}
	if err := m.take(known); err != nil {
		return nil, err
	}
	var w clientstore.Wanted
	if err := w.Read(m, nil); err != nil {
		return nil, err
	}
	d.Name, d.Metadata = w.Name, w.Metadata
	var err error
	if d.Secret, err = readSecret(secret); err != nil {
		return nil, below(err, "secret")
	}
	if d.Conditions, err = readConditions(on); err != nil {
		return nil, below(err, "conditions")
	}
	return d, nil
}

// readSecret reads what a file's reference led to, nil for nothing.
func readSecret(m members) (*clientstore.DeclaredSecret, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // documented
	}
	s, overlap := &clientstore.DeclaredSecret{}, (*int64)(nil)
	err := m.into(map[string]any{"value": &s.Value, "overlap": &overlap, "initial": &s.Initial})
	if err != nil {
		return nil, err
	}
	s.Overlap, err = seconds("overlap", overlap)
	return s, err
}

// readConditions reads what the file narrows its approval to, nil where it says
// nothing of it.
func readConditions(m members) (*clientstore.Conditions, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // documented
	}
	on, until := &clientstore.Conditions{}, (*time.Time)(nil)
	err := m.into(map[string]any{
		"scope": &on.Scope, "grant_types": &on.GrantTypes, "response_types": &on.ResponseTypes, "until": &until, "test_users": &on.TestUsers,
	})
	on.Until = until
	return on, err
}

// below makes what is wrong with an object what is wrong below the path to it.
func below(err error, path ...string) error {
	p := *describe(err)
	if p.Status >= http.StatusInternalServerError {
		return err
	}
	p.Detail = path[len(path)-1] + ": " + p.Detail
	faults := p.Errors
	p.Errors = nil
	for _, f := range faults {
		p.Errors = append(p.Errors, Fault{pointer(path...) + f.Pointer[1:], f.Detail})
	}
	return &p
}

// describeFile makes a problem of what is wrong with the clients of a file, nil
// of any other error.
func describeFile(err error) *problemError {
	all, ok := errors.AsType[*clientstore.ManifestError](err)
	if !ok {
		one, ok := errors.AsType[*clientstore.DeclarationError](err)
		if !ok {
			return nil
		}
		all = &clientstore.ManifestError{Faults: []*clientstore.DeclarationError{one}}
	}
	kind := invalidClient
	if errors.Is(err, clientstore.ErrOwnWork) {
		kind = ownWork
	}
	p := problemOf(kind, "")
	for _, fault := range all.Faults {
		path, detail := []string{"clients", fault.Handle}, sentence(fault.Err.Error())
		if e, ok := errors.AsType[*clientstore.MetadataError](fault.Err); ok {
			path, detail = append(path, strings.Split(e.Field, ".")...), sentence(e.Reason.String())
		}
		p.Errors = append(p.Errors, Fault{pointer(path...), detail})
		if p.Detail == "" {
			p.Detail = strings.Join(path[1:], ": ") + ": " + detail
		}
	}
	return p
}
