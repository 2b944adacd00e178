package oauth1

import (
	"context"
	"errors"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
)

// noteCallback keeps, for the administrator who decides about a pending client,
// where the client wants people to be sent back to: tools ask for a consumer key
// without saying it. The client has signed it. It is refused all the same, and
// nobody is sent there unless the administrator registers the address.
func (h *Handler) noteCallback(ctx context.Context, s *signed) error {
	callback := s.request.Get("oauth_callback")
	if s.Client.Status != clientstore.Pending || callback == "" {
		return nil
	}
	by := audit.Actor{Name: "client", Via: audit.ViaRegistration, IP: s.request.ip, RequestID: s.request.id}
	err := h.cfg.Clients.NoteCallback(ctx, by, &s.Client, callback)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		return nil // somebody changed or removed the client this very moment; its next request says it again
	}
	return err
}
