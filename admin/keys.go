package admin

import (
	"net/http"
	"time"

	"countersign/storage/keyset"
	"countersign/storage/locale"
)

const keysPath = root + "/keys"

// keyList is the page of keys.
type keyList struct{ Rows []keyRow }

// keyRow is a key with where it stands.
type keyRow struct {
	keyset.Key
	State, Purpose locale.Message
	Badge          string
}

// stateOf says where a key stands at the time.
func stateOf(k keyset.Key, now time.Time) (state locale.Message, badge string) {
	switch {
	case k.RetiredAt != nil && !k.RetiredAt.After(now):
		return "Retired", "plain"
	case k.ActiveAt.After(now):
		return "Next", "warn"
	default:
		return "In use", "good"
	}
}

// listKeys serves GET /settings/keys.
func (h *handler) listKeys(w http.ResponseWriter, r *http.Request, who *administrator) error {
	keys, err := h.cfg.Keys.List(r.Context())
	if err != nil {
		return err
	}
	p := keyList{}
	for _, k := range keys {
		row := keyRow{Key: k, Purpose: "Signs"}
		if k.Encrypts() {
			row.Purpose = "Decrypts"
		}
		row.State, row.Badge = stateOf(k, h.cfg.Now())
		p.Rows = append(p.Rows, row)
	}
	return h.show(w, r, who, screen{Template: "keys.html", Section: keysPath, Page: p})
}

// rotateKeys serves POST /settings/keys.
func (h *handler) rotateKeys(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	decision := form.Get("decision")
	if decision != "rotate" && decision != "immediately" {
		return undecided()
	}
	if _, err := h.cfg.Keys.Rotate(r.Context(), who.actor(r), decision == "immediately"); err != nil {
		return err
	}
	h.redirect(w, keysPath, "done", "rotated")
	return nil
}
