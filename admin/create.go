package admin

import (
	"errors"
	"net/http"
	"net/url"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// showCreate serves GET /settings/oauth-clients/create.
func (h *handler) showCreate(w http.ResponseWriter, r *http.Request, who *administrator) error {
	q := r.URL.Query()
	f := h.newClientForm(q.Get("preset"), clientstore.Type(q.Get("type")))
	return h.show(w, r, who, screen{Template: "create.html", Section: clientsPath, Page: f})
}

// create serves POST /settings/oauth-clients/create. The answer itself shows
// the secret, so that no address ever has it; the same form sent again gets
// the same answer and no second client.
func (h *handler) create(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	f := h.readClientForm(form)
	typed, faults := typedSecret(f.Credentials, form)
	if f.Faults = append(f.check(), faults...); len(f.Faults) > 0 {
		return h.createAgain(w, r, who, f)
	}
	c, secret, err := h.register(r, who, f, typed)
	if one, ok := faultOf(err); ok {
		f.Faults = []fault{one}
		return h.createAgain(w, r, who, f)
	}
	if err != nil {
		return err
	}
	p, err := h.newCreated(c, secret)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Status: http.StatusCreated, Template: "created.html", Section: clientsPath, Page: p})
}

func (h *handler) createAgain(w http.ResponseWriter, r *http.Request, who *administrator, f clientForm) error {
	return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "create.html", Section: clientsPath, Page: f})
}

// register registers the client, or finds what the same form registered.
func (h *handler) register(r *http.Request, who *administrator, f clientForm, typed string) (*clientstore.Client, string, error) {
	m, err := f.metadata()
	if err != nil {
		return nil, "", err
	}
	sector, err := h.sector(r, who, &clientstore.Metadata{}, &m)
	if err != nil {
		return nil, "", err
	}
	c, secret, err := h.cfg.Clients.Register(r.Context(), who.actor(r), clientstore.Registration{
		Type: f.Type, Name: f.Name, Metadata: m, Secret: typed, Sector: sector, Once: f.Once,
	})
	if errors.Is(err, storage.ErrConflict) {
		return h.cfg.Clients.Submitted(r.Context(), who.actor(r), f.Once)
	}
	return c, secret, err
}

// sector fetches the document at the client's sector_identifier_uri if the
// store will ask for it.
func (h *handler) sector(r *http.Request, who *administrator, before, after *clientstore.Metadata) (*clientstore.Sector, error) {
	if !after.NeedsSector(before) {
		return nil, nil //nolint:nilnil // as the store takes it
	}
	s, err := h.cfg.Sector(r.Context(), before, after)
	if err != nil {
		return nil, err
	}
	return s, h.still(r, who)
}

// typedSecret returns the secret that was typed twice, empty when one is to be
// generated or there is to be none.
func typedSecret(credentials string, form url.Values) (string, []fault) {
	if credentials != secretTyped {
		return "", nil
	}
	typed, again := form.Get("secret"), form.Get("secret_again")
	switch {
	case typed == "":
		return "", []fault{{"secret", "Type a secret, or have one generated."}}
	case typed != again:
		return "", []fault{{"secret_again", "This is not the same as the secret above. Type both again."}}
	default:
		return typed, nil
	}
}

// created is the page of a client that was just created, and gets its secret
// shown.
type created struct {
	Client *clientstore.Client
	kit
	Warnings []locale.Message
}

func (h *handler) newCreated(c *clientstore.Client, secret string) (created, error) {
	k, err := h.kit(c, secret)
	return created{Client: c, kit: k, Warnings: c.Warnings()}, err
}
