package registration

import (
	"net/http"

	"countersign/authz/protocol"
	"countersign/clientstore"
)

// notInUpdates are members of an answer that no update may repeat (RFC 7592,
// section 2.2).
var notInUpdates = []string{
	"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
}

// Replace serves PUT /register/{client_id} (RFC 7592, section 2.2). The
// metadata replace all that is there: at once while the client waits for
// approval, and as a revision that waits itself once it is approved.
func (h *Handler) Replace(w http.ResponseWriter, r *http.Request) error {
	token, known, err := h.known(w, r)
	if err != nil {
		return err
	}
	if err := known.Client.Usable(); err != nil && known.Client.Status == clientstore.Disapproved {
		return refusal(err)
	}
	wanted, err := h.read(r, "")
	if err != nil {
		return err
	}
	if err := h.checkUpdate(r, known, wanted); err != nil {
		return err
	}
	if err := h.readSector(r, wanted, &known.Client.Metadata); err != nil {
		return refusal(err)
	}
	after, secret, err := h.cfg.Clients.Replace(r.Context(), actor(r), token, wanted.Enrolment)
	if err != nil {
		return h.challenge(w, refusal(err))
	}
	h.cfg.Log.InfoContext(r.Context(), "client changed itself", "request_id", r.Header.Get("X-Request-Id"),
		"client", &after.Client, "revision", after.Revision.ID)
	return write(w, http.StatusOK, h.information(&after.Client, token).withSecret(&after.Client, secret).withRevision(after))
}

// checkUpdate checks the members that are not metadata.
func (h *Handler) checkUpdate(r *http.Request, known *clientstore.Registered, w *wanted) error {
	for _, name := range notInUpdates {
		if _, sent := w.members[name]; sent {
			return refuseMember(name, "is not part of an update (RFC 7592, section 2.2); leave it out")
		}
	}
	id, err := w.text("client_id")
	if err != nil {
		return err
	}
	if id != "" && id != known.Client.ID {
		return refuseMember("client_id", "is another client's")
	}
	if _, asked := w.members["type"]; asked && w.Type != known.Client.Type {
		return refuseMember("type", "cannot be changed; register another client")
	}
	w.Type = known.Client.Type
	secret, err := w.text("client_secret")
	if err != nil || secret == "" {
		return err
	}
	ok, err := h.cfg.Clients.VerifySecret(r.Context(), &known.Client, secret)
	if err == nil && !ok {
		return protocol.Refuse(protocol.InvalidClientMetadata, "client_secret: is not the client's; a client does not choose its secret")
	}
	return err
}
