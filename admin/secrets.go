package admin

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// secretsPage is the page of a client's secrets.
type secretsPage struct {
	Client  *clientstore.Client
	Secrets []clientstore.Secret // those that are valid
	Waiting *waitingSecret       // one that waits for another administrator, nil for none
	// Link is the token of the link that led here, empty for none, and LinkOver
	// tells that what the link is about waits no more.
	Link     string
	LinkOver bool
	Choice   string
	Overlap  string
	Expires  string // a date, empty for never
	Once     string
	Faults   []fault
}

// Entry returns a field with what is wrong with it.
func (p secretsPage) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// overlap is how long the secrets before may stay valid, in words.
type overlap struct {
	Value string
	Words locale.Message
}

// Overlaps are how long the secrets before may stay valid.
func (secretsPage) Overlaps() []overlap {
	return []overlap{{"0s", "End at once"}, {"1h", "End in an hour"}, {"24h", "End in a day"}, {"168h", "End in a week"}}
}

func (h *handler) secretsPage(c *clientstore.Client) secretsPage {
	p := secretsPage{Client: c, Choice: secretGenerated, Overlap: "24h", Once: clientstore.NewSubmission()}
	for _, s := range c.Secrets {
		if s.Live(h.cfg.Now()) {
			p.Secrets = append(p.Secrets, s)
		}
	}
	return p
}

// showSecrets serves GET /settings/oauth-clients/{key}/secrets.
func (h *handler) showSecrets(w http.ResponseWriter, r *http.Request, who *administrator) error {
	c, err := h.client(r)
	if err != nil {
		return err
	}
	p := h.secretsPage(c)
	if p.Waiting, err = h.waitingSecret(r.Context(), c, who); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "secrets.html", Section: clientsPath, Page: p})
}

// changeSecrets serves POST /settings/oauth-clients/{key}/secrets: a further
// secret, or the end of one.
func (h *handler) changeSecrets(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	c, err := h.client(r)
	if err != nil {
		return err
	}
	switch form.Get("decision") {
	case "rotate":
		return h.rotateSecret(w, r, who, rotation{c, form})
	case "revoke":
		_, err = h.cfg.Clients.RevokeSecret(r.Context(), who.actor(r), c.ID, form.Get("secret_id"))
		if err != nil && !errors.Is(err, storage.ErrNotFound) { // it is gone, as was asked
			return err
		}
		h.redirect(w, clientPath(c.ID)+"/secrets", "done", "revoked")
		return nil
	case "confirm":
		return h.secretDecided(w, c, "confirmed", h.decideSecret(r, form, who, c, h.cfg.Clients.ConfirmSecret))
	case "reject":
		return h.secretDecided(w, c, "forgotten", h.decideSecret(r, form, who, c, h.cfg.Clients.RejectSecret))
	default:
		return undecided()
	}
}

// rotation is a form that gives a client a further secret.
type rotation struct {
	client *clientstore.Client
	form   url.Values
}

func (h *handler) rotateSecret(w http.ResponseWriter, r *http.Request, who *administrator, ro rotation) error {
	p := h.secretsPage(ro.client)
	p.Choice, p.Overlap, p.Expires, p.Once = ro.form.Get("credentials"), ro.form.Get("overlap"), ro.form.Get("expires"), ro.form.Get("once")
	asked, faults := p.rotation(ro.form)
	if p.Faults = faults; len(faults) > 0 {
		return h.secretsAgain(w, r, who, p)
	}
	c, secret, err := h.cfg.Clients.RotateSecret(r.Context(), who.actor(r), ro.client.ID, asked)
	if errors.Is(err, storage.ErrConflict) { // the form was sent before, or the client is being changed
		c, secret, err = h.cfg.Clients.Submitted(r.Context(), who.actor(r), asked.Once)
		if errors.Is(err, storage.ErrNotFound) {
			return changedMeanwhile()
		}
		if err == nil {
			c.Waiting, err = h.cfg.Clients.WaitingSecret(r.Context(), c.ID)
		}
	}
	if one, ok := faultOf(err); ok {
		p.Faults = []fault{one}
		return h.secretsAgain(w, r, who, p)
	}
	if err != nil {
		return err
	}
	done, err := h.newCreated(c, secret)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "rotated.html", Section: clientsPath, Page: done})
}

func (h *handler) secretsAgain(w http.ResponseWriter, r *http.Request, who *administrator, p secretsPage) (err error) {
	if p.Waiting, err = h.waitingSecret(r.Context(), p.Client, who); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "secrets.html", Section: clientsPath, Page: p})
}

// rotation reads what is asked for.
func (p secretsPage) rotation(form url.Values) (clientstore.Rotation, []fault) {
	typed, faults := typedSecret(p.Choice, form)
	ro := clientstore.Rotation{Secret: typed, Once: p.Once}
	overlap, err := time.ParseDuration(p.Overlap)
	if err != nil {
		faults = append(faults, fault{"overlap", "Choose when the secrets before end."})
	}
	ro.Overlap = overlap
	if p.Expires != "" {
		day, err := time.Parse(time.DateOnly, p.Expires)
		if err != nil {
			faults = append(faults, fault{"expires", "Write a date as year-month-day, or nothing."})
		}
		ro.ExpiresAt = &day
	}
	return ro, faults
}

func changedMeanwhile() *problem {
	return &problem{
		Status: http.StatusConflict, Code: "E-CHANGED",
		Title:  "Somebody else changed this meanwhile",
		What:   "What you saw is not what there is any more. Nothing was done.",
		Remedy: "Go back, reload the page, and look before you send the form again.",
	}
}
