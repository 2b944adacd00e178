package home

import (
	"net/http"
	"net/url"
	"strings"

	"countersign/authz/page"
	"countersign/storage/locale"
)

// SetLanguage serves POST /language: it keeps the language that somebody chose,
// and leads back to the page on which they did.
func (h *Handler) SetLanguage(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	l := locale.Find(form.Get("language"))
	if l == nil {
		return page.UnreadableForm()
	}
	h.cfg.Cookies.SetLanguage(w, l, h.cfg.Now())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.back(form.Get("back")))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// SetScheme serves POST /scheme: it keeps whether somebody wants the pages light
// or dark, and leads back to the page on which they said so.
func (h *Handler) SetScheme(w http.ResponseWriter, r *http.Request) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	switch value := form.Get("scheme"); value {
	case "light", "dark":
		h.cfg.Cookies.SetScheme(w, value)
	case "system":
		h.cfg.Cookies.SetScheme(w, "")
	default:
		return page.UnreadableForm()
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", h.back(form.Get("back")))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// back is the address if it is a path of this server, as a browser reads it,
// else the first page: a form leads nowhere else, whoever wrote it (LG-15).
func (h *Handler) back(address string) string {
	u, err := url.Parse(address)
	ours := err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && strings.HasPrefix(address, h.cfg.IssuerPath+"/") &&
		!strings.HasPrefix(address, "//") && !strings.Contains(address, `\`)
	if !ours {
		return h.cfg.IssuerPath + "/"
	}
	return address
}
