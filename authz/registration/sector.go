package registration

import (
	"net/http"

	"countersign/authz/outbound"
	"countersign/clientstore"
)

// readNewSector reads what the sector_identifier_uri of a new client leads to.
// Nothing is fetched for an initial access token that is none. Who holds one
// is slowed down here alone: each registration that fails is a request that
// somebody else's server gets.
func (h *Handler) readNewSector(r *http.Request, w *wanted) (err error) {
	if !w.Metadata.NeedsSector(&clientstore.Metadata{}) {
		return nil
	}
	if w.InitialToken != "" {
		if err := h.cfg.Clients.CheckInitialToken(r.Context(), w.InitialToken); err != nil {
			return err
		}
		if err := h.limit.allow(r.RemoteAddr); err != nil {
			return err
		}
	}
	w.Sector, err = outbound.Sector(r.Context(), h.cfg.HTTP, &clientstore.Metadata{}, &w.Metadata)
	return err
}

// readSector reads what the sector_identifier_uri of a changed client leads
// to. Changes are counted with registrations: each is a request that somebody
// else's server gets.
func (h *Handler) readSector(r *http.Request, w *wanted, before *clientstore.Metadata) (err error) {
	if !w.Metadata.NeedsSector(before) {
		return nil
	}
	if err := h.limit.allow(r.RemoteAddr); err != nil {
		return err
	}
	w.Sector, err = outbound.Sector(r.Context(), h.cfg.HTTP, before, &w.Metadata)
	return err
}
