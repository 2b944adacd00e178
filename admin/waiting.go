package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// waitingSecret is a secret that waits for another administrator, as one of them
// sees it.
type waitingSecret struct {
	*clientstore.WaitingSecret
	Author locale.Message // who made it
	Own    bool           // who looks at it made it, and does not confirm it
}

// waitingSecret returns the secret of the client that waits, nil for none.
func (h *handler) waitingSecret(ctx context.Context, c *clientstore.Client, who *administrator) (*waitingSecret, error) {
	w, err := h.cfg.Clients.WaitingSecret(ctx, c.ID)
	if err != nil || w == nil {
		return nil, err
	}
	names, err := h.people(ctx, w.CreatedBy)
	return &waitingSecret{w, names.name(w.CreatedBy), h.cfg.Clients.FourEyes() && w.Made(who.AccountID)}, err
}

// waitingSecretOf is a secret that waits, in the queue.
type waitingSecretOf struct {
	Client *clientstore.Client
	Author locale.Message // who made it
}

// waitingSecrets returns the secrets that wait, the oldest first.
func (h *handler) waitingSecrets(ctx context.Context) ([]waitingSecretOf, error) {
	clients, err := h.cfg.Clients.WaitingSecrets(ctx, manyCards)
	if err != nil {
		return nil, err
	}
	authors := make([]string, len(clients))
	for i := range clients {
		authors[i] = clients[i].Waiting.CreatedBy
	}
	names, err := h.people(ctx, authors...)
	list := make([]waitingSecretOf, len(clients))
	for i := range clients {
		list[i] = waitingSecretOf{&clients[i], names.name(authors[i])}
	}
	return list, err
}

// decideSecret does what was decided about the secret of the form, by way of the
// link that led to it if one did.
func (h *handler) decideSecret(r *http.Request, form url.Values, who *administrator, c *clientstore.Client, decide secretDecision) error {
	secret := form.Get("secret_id")
	seen := clientstore.Link{ClientID: c.ID, SecretID: secret}
	return h.cfg.Clients.WithLink(r.Context(), form.Get("link"), seen, func(ctx context.Context) error {
		_, err := decide(ctx, who.actor(r), c.ID, secret)
		return err
	})
}

// secretDecision confirms or rejects a secret that waits.
type secretDecision func(ctx context.Context, by audit.Actor, id, secretID string) (*clientstore.Client, error)

// secretDecided answers a decision about a secret that waits.
func (h *handler) secretDecided(w http.ResponseWriter, c *clientstore.Client, done string, err error) error {
	_, wrong := faultOf(err)
	_, stopped := errors.AsType[*clientstore.StatusError](err)
	switch {
	case err == nil:
		h.redirect(w, clientPath(c.ID)+"/secrets", "done", done)
		return nil
	case errors.Is(err, clientstore.ErrOwnWork):
		return ownWork()
	case errors.Is(err, clientstore.ErrLinkOver):
		return linkOver()
	case wrong || stopped:
		return &problem{
			Status: http.StatusConflict, Code: "E-SECRET",
			Title:  "This secret cannot be confirmed any more",
			What:   locale.Sprintf("%s Nothing was changed.", reasonOf(err)),
			Remedy: "Reject it, and have another one made.",
		}
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrConflict):
		return changedMeanwhile()
	default:
		return err
	}
}
