package admin

import (
	"errors"
	"net/http"

	"countersign/clientstore"
	"countersign/storage"
)

// undo serves POST /settings/oauth-clients/{key}/undo: it takes back what the
// administrator decided last, if nothing happened since.
func (h *handler) undo(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	c, err := h.client(r)
	if err != nil {
		return err
	}
	_, err = h.cfg.Clients.Undo(r.Context(), who.actor(r), c.ID, form.Get("decision_id"))
	switch {
	case errors.Is(err, storage.ErrConflict):
		return tooLate()
	case errors.Is(err, clientstore.ErrOwnWork):
		return ownWork()
	case err != nil:
		return err
	}
	h.redirect(w, clientPath(c.ID), "done", "undone")
	return nil
}

func tooLate() *problem {
	return &problem{
		Status: http.StatusConflict, Code: "E-UNDO",
		Title:  "This decision cannot be taken back any more",
		What:   "A decision can be taken back for five minutes, by who made it, as long as nothing else was done to the client. Nothing was done.",
		Remedy: "Open the client in Settings › OAuth clients, look at what was done to it, and decide anew.",
	}
}
