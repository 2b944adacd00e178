package picture

import (
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"

	"countersign/authz/page"
	"countersign/storage"
	"countersign/storage/logo"
)

// Handler serves the pictures.
type Handler struct{ logos *logo.Store }

// NewHandler returns the handler.
func NewHandler(logos *logo.Store) *Handler { return &Handler{logos} }

// Serve serves GET /logo/{digest}.png. A picture is named after what is in it,
// so that a browser may keep it; one that stands between several people may
// not, and asks whether its client is still approved. Who opens it by itself
// has a page without scripts of its own.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	digest, isPNG := strings.CutSuffix(path.Base(r.URL.Path), ".png")
	if !isPNG {
		return page.NotFound()
	}
	picture, err := h.logos.Picture(r.Context(), digest)
	if errors.Is(err, storage.ErrNotFound) {
		return page.NotFound()
	}
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "image/png")
	header.Set("Content-Length", strconv.Itoa(len(picture)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "private, max-age=31536000, immutable")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(picture) //nolint:gosec // pixels that we encoded, for a browser that may have hung up
	}
	return nil
}
