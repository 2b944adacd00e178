package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/failure"
)

// clientsPage is a page of clients, by name.
type clientsPage struct {
	Clients    []clientstore.Document `json:"clients"`
	NextCursor string                 `json:"next_cursor,omitempty"`
}

const maxClients = 500

// listClients serves GET /v1/clients. One more than asked for is read, which
// tells whether there is a next page.
func (h *Handler) listClients(r *request) (*answer, error) {
	q := r.URL.Query()
	limit, err := r.limit(maxClients)
	if err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
	if err != nil {
		return nil, problemOf(badQuery, "cursor is not one that this server made; begin again without it.")
	}
	clients, err := h.cfg.Clients.List(r.Context(), clientstore.Filter{
		Type: clientstore.Type(q.Get("type")), Status: clientstore.Status(q.Get("status")), Search: q.Get("search"),
		Sort: clientstore.Sort(q.Get("sort")), After: string(after), Limit: limit + 1,
	})
	if p := describeQuery(err); p != nil {
		return nil, p
	}
	page := clientsPage{Clients: []clientstore.Document{}}
	for i := range clients[:min(limit, len(clients))] {
		page.Clients = append(page.Clients, clients[i].Document())
	}
	if len(clients) > limit {
		page.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(clients[limit-1].CursorBy(clientstore.Sort(q.Get("sort")))))
	}
	return &answer{http.StatusOK, r.next(page.NextCursor), page}, nil
}

// createClient serves POST /v1/clients. The answer has the secret this once.
func (h *Handler) createClient(r *request) (*answer, error) {
	m, content, err := r.body()
	if err != nil {
		return nil, err
	}
	registration, err := readRegistration(m)
	if err != nil {
		return nil, err
	}
	if err := r.mayGive(&clientstore.Metadata{}, &registration.Metadata); err != nil {
		return nil, err
	}
	return h.once(r, job{
		content: string(content),
		prepare: func(ctx context.Context) (err error) {
			registration.Sector, err = h.cfg.Sector(ctx, &clientstore.Metadata{}, &registration.Metadata)
			return err
		},
		work: func(ctx context.Context) (*answer, error) {
			c, secret, err := h.cfg.Clients.Register(ctx, r.actor(), registration)
			if err != nil {
				return nil, err
			}
			header := map[string]string{"ETag": etag(c), "Location": h.base + "/v1/clients/" + c.ID}
			return &answer{http.StatusCreated, header, c.Document().WithSecret(secret)}, nil
		},
	})
}

// readRegistration reads a new client. Its type and a secret that somebody
// chose are set this once.
func readRegistration(m members) (clientstore.Registration, error) {
	r := clientstore.Registration{Type: clientstore.OIDC}
	if err := m.take(map[string]any{"type": &r.Type, "client_secret": &r.Secret}); err != nil {
		return r, err
	}
	var w clientstore.Wanted
	err := w.Read(m, nil)
	r.Name, r.Metadata = w.Name, w.Metadata
	return r, err
}

// getClient serves GET /v1/clients/{client_id}.
func (h *Handler) getClient(r *request) (*answer, error) {
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, err
	}
	return showing(c), nil
}

// editClient serves PATCH /v1/clients/{client_id}: a JSON merge patch (RFC
// 7396) of the client's document.
func (h *Handler) editClient(r *request) (*answer, error) {
	m, _, err := r.body("application/merge-patch+json")
	if err != nil {
		return nil, err
	}
	return h.edit(r, m, (*clientstore.Client).Wanted)
}

// replaceClient serves PUT /v1/clients/{client_id}: what is left out gets its
// default.
func (h *Handler) replaceClient(r *request) (*answer, error) {
	m, _, err := r.body()
	if err != nil {
		return nil, err
	}
	return h.edit(r, m, func(*clientstore.Client) clientstore.Wanted { return clientstore.Wanted{} })
}

func (h *Handler) edit(r *request, m members, from func(*clientstore.Client) clientstore.Wanted) (*answer, error) {
	c, err := h.sight(r)
	if err != nil {
		return nil, err
	}
	e, err := h.edited(r, m, c, from(c))
	if err != nil {
		return nil, err
	}
	after, err := h.cfg.Clients.Edit(r.Context(), r.actor(), c.ID, e)
	if err != nil {
		return nil, overtaken(err)
	}
	a := showing(after)
	if h.cfg.Clients.FourEyes() && after.Version == c.Version && after.Status == clientstore.Approved {
		a.status = http.StatusAccepted // it waits for another administrator, or changes nothing
	}
	return a, nil
}

// edited is what the members make of the client.
func (h *Handler) edited(r *request, m members, c *clientstore.Client, wanted clientstore.Wanted) (clientstore.Edit, error) {
	if err := wanted.Read(m, c); err != nil {
		return clientstore.Edit{}, err
	}
	if err := cmp.Or(r.mayTouch(c), r.mayDecide(c, &wanted.Metadata), r.mayGive(&c.Metadata, &wanted.Metadata)); err != nil {
		return clientstore.Edit{}, err
	}
	sector, err := h.cfg.Sector(r.Context(), &c.Metadata, &wanted.Metadata)
	if err == nil && sector != nil { // it was fetched from where the client says
		err = h.still(r)
	}
	return clientstore.Edit{Name: &wanted.Name, Metadata: &wanted.Metadata, Version: c.Version, Sector: sector}, err
}

// mayDecide refuses to decide about an approved client what is an approver's:
// whom it acts as, whose tokens it reads, whether people are asked.
func (r *request) mayDecide(c *clientstore.Client, m *clientstore.Metadata) error {
	if c.Status == clientstore.Approved && m.DecidesOtherwise(&c.Metadata) && !slices.Contains(r.caller.scopes, clientstore.ScopeClientsApprove) {
		return outOfScope(clientstore.ScopeClientsApprove)
	}
	return nil
}

// removeClient serves DELETE /v1/clients/{client_id}.
func (h *Handler) removeClient(r *request) (*answer, error) {
	c, err := h.sight(r)
	if err != nil {
		return nil, err
	}
	if err := h.cfg.Clients.RemoveSeen(r.Context(), r.actor(), c); err != nil {
		return nil, overtaken(err)
	}
	return &answer{status: http.StatusNoContent}, nil
}

// impact serves GET /v1/clients/{client_id}/impact.
func (h *Handler) impact(r *request) (*answer, error) {
	i, err := h.cfg.Clients.Impact(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, err
	}
	return ok(i), nil
}

// failuresView is what a client was last refused.
type failuresView struct {
	Failures []failure.Failure `json:"failures"`
}

// failures serves GET /v1/clients/{client_id}/failures.
func (h *Handler) failures(r *request) (*answer, error) {
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, err
	}
	list, err := h.cfg.Failures.List(r.Context(), c.ID, failure.Kept)
	if err != nil {
		return nil, err
	}
	return ok(failuresView{list}), nil
}

// secretsView are a client's secrets, without their values.
type secretsView struct {
	Secrets []clientstore.SecretDocument `json:"secrets"`
	// Waiting is one that another administrator has to confirm, nil for none.
	Waiting *clientstore.WaitingDocument `json:"secret_waiting,omitempty"`
}

// listSecrets serves GET /v1/clients/{client_id}/secrets.
func (h *Handler) listSecrets(r *request) (*answer, error) {
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, err
	}
	waiting, err := h.cfg.Clients.WaitingSecret(r.Context(), c.ID)
	if err != nil {
		return nil, err
	}
	return &answer{http.StatusOK, map[string]string{"ETag": etag(c)}, secretsView{c.Document().Secrets, waiting.Document()}}, nil
}

// rotateSecret serves POST /v1/clients/{client_id}/secrets. The answer has the
// secret this once; one that waits for another administrator is accepted and no
// more.
func (h *Handler) rotateSecret(r *request) (*answer, error) {
	m, content, err := r.body()
	if err != nil {
		return nil, err
	}
	var overlap, expires *int64
	var rotation clientstore.Rotation
	if err := m.into(map[string]any{"client_secret": &rotation.Secret, "overlap": &overlap, "expires_in": &expires}); err != nil {
		return nil, err
	}
	if rotation.Overlap, err = seconds("overlap", overlap); err != nil {
		return nil, err
	}
	lifetime, err := seconds("expires_in", expires)
	if err != nil {
		return nil, err
	}
	if expires != nil {
		at := h.cfg.Now().Add(lifetime)
		rotation.ExpiresAt = &at
	}
	return h.once(r, job{
		content: string(content),
		prepare: func(ctx context.Context) error {
			c, err := h.cfg.Clients.Get(ctx, r.value("client_id"))
			if err != nil {
				return err
			}
			return r.mayTouch(c)
		},
		work: func(ctx context.Context) (*answer, error) {
			c, secret, err := h.cfg.Clients.RotateSecret(ctx, r.actor(), r.value("client_id"), rotation)
			if err != nil {
				return nil, err
			}
			status := http.StatusCreated
			if c.Waiting != nil {
				status = http.StatusAccepted
			}
			return &answer{status, map[string]string{"ETag": etag(c)}, c.Document().WithSecret(secret)}, nil
		},
	})
}

// confirmSecret serves POST /v1/clients/{client_id}/secrets/{secret_id}/confirm.
func (h *Handler) confirmSecret(r *request) (*answer, error) {
	m, err := r.optionalBody()
	if err != nil {
		return nil, err
	}
	if err := m.into(nil); err != nil {
		return nil, err
	}
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, err
	}
	if err := r.mayTouch(c); err != nil {
		return nil, err
	}
	return decided(h.cfg.Clients.ConfirmSecret(r.Context(), r.actor(), c.ID, r.value("secret_id")))
}

// seconds reads a duration. A hundred years are enough for any.
func seconds(member string, n *int64) (time.Duration, error) {
	const most = 100 * 366 * 24 * 60 * 60
	if n == nil {
		return 0, nil
	}
	if *n < 0 || *n > most {
		return 0, problemOf(invalidMember, member+" is not a number of seconds.").at(member, "Is not a number of seconds from 0 on.")
	}
	return time.Duration(*n) * time.Second, nil
}

// revokeSecret serves DELETE /v1/clients/{client_id}/secrets/{secret_id}. One that
// waits is rejected.
func (h *Handler) revokeSecret(r *request) (*answer, error) {
	c, err := h.cfg.Clients.RevokeSecret(r.Context(), r.actor(), r.value("client_id"), r.value("secret_id"))
	if errors.Is(err, storage.ErrNotFound) {
		c, err = h.cfg.Clients.RejectSecret(r.Context(), r.actor(), r.value("client_id"), r.value("secret_id"))
	}
	if err != nil {
		return nil, err
	}
	return showing(c), nil
}
