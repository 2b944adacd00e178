package admin

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// client returns the client that the address names.
func (h *handler) client(r *http.Request) (*clientstore.Client, error) {
	c, err := h.cfg.Clients.Get(r.Context(), mux.Vars(r)["key"])
	if errors.Is(err, storage.ErrNotFound) {
		return nil, unknownClient()
	}
	return c, err
}

// showEdit serves GET /settings/oauth-clients/{key}/edit.
func (h *handler) showEdit(w http.ResponseWriter, r *http.Request, who *administrator) error {
	c, err := h.client(r)
	if err != nil {
		return err
	}
	f, err := h.editClientForm(c)
	if err != nil {
		return err
	}
	if err := h.proposed(r, c, &f); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "edit.html", Section: clientsPath, Page: f})
}

// edit serves POST /settings/oauth-clients/{key}/edit. Who edits what somebody
// else changed meanwhile is told so, and overwrites nothing (AD-22).
func (h *handler) edit(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	c, err := h.client(r)
	if err != nil {
		return err
	}
	f := h.readClientForm(form)
	f.Type, f.Key = c.Type, c.ID
	f.Version, _ = strconv.ParseInt(form.Get("version"), 10, 64) // what is no number is no version either
	if f.Faults = f.check(); len(f.Faults) > 0 {
		return h.editAgain(w, r, who, f)
	}
	err = h.save(r, who, c, f)
	if one, ok := faultOf(err); ok {
		f.Faults = []fault{one}
		return h.editAgain(w, r, who, f)
	}
	if errors.Is(err, storage.ErrConflict) {
		if f.Changed, err = h.changedBy(r, "client", c.ID); err != nil {
			return err
		}
		return h.show(w, r, who, screen{Status: http.StatusConflict, Template: "edit.html", Section: clientsPath, Page: f})
	}
	if err != nil {
		return err
	}
	done := "saved"
	if h.cfg.Clients.FourEyes() && c.Status == clientstore.Approved {
		done = "proposed"
	}
	h.redirect(w, clientPath(c.ID), "done", done)
	return nil
}

func (h *handler) editAgain(w http.ResponseWriter, r *http.Request, who *administrator, f clientForm) error {
	return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "edit.html", Section: clientsPath, Page: f})
}

func (h *handler) save(r *http.Request, who *administrator, c *clientstore.Client, f clientForm) error {
	m, err := f.metadata()
	if err != nil {
		return err
	}
	sector, err := h.sector(r, who, &c.Metadata, &m)
	if err != nil {
		return err
	}
	_, err = h.cfg.Clients.Edit(r.Context(), who.actor(r), c.ID, clientstore.Edit{
		Name: &f.Name, Metadata: &m, Version: f.Version, Sector: sector,
	})
	return err
}

// changedBy says who changed a client or an account last, and when.
func (h *handler) changedBy(r *http.Request, targetType, id string) (locale.Message, error) {
	events, err := h.cfg.Audit.List(r.Context(), audit.Filter{TargetType: targetType, TargetID: id, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(events) == 0 {
		return "Changed by somebody", nil
	}
	e := events[0]
	return locale.Sprintf("Changed by %s on %s (%s)", printable(e.ActorName), e.At, actionName(e.Action)), nil
}

func unknownClient() *problem {
	return &problem{
		Status: http.StatusNotFound, Code: "E-CLIENT-UNKNOWN",
		Title:  "No client has this key",
		What:   "It has been removed, or the key in the address is mistyped.",
		Remedy: "Look for it in Settings › OAuth clients. A client that asked for its key registers again to get another.",
	}
}
