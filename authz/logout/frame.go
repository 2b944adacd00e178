package logout

import (
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

// frame is the page that applications embed to learn whether somebody is still
// signed in (OpenID Connect Session Management 1.0, section 3.3).
var frame = template.Must(template.New("frame").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Session</title>
<script src="{{.Script}}" data-cookie="{{.Cookie}}"></script>
</head>
</html>
`))

// framePolicy lets any site embed the page, which shows nothing, does nothing
// to be clicked on, and tells each site only of its own session_state.
const framePolicy = "default-src 'none'; script-src 'self'; frame-ancestors *; form-action 'none'; base-uri 'none'"

// Frame serves GET /session/iframe. In a browser that keeps the cookies of
// embedded pages apart by site, the page sees no cookie of ours and says that
// the session has changed; applications then ask with prompt=none.
func (h *Handler) Frame(w http.ResponseWriter, r *http.Request) error {
	var body strings.Builder
	err := frame.Execute(&body, map[string]string{
		"Script": h.cfg.IssuerPath + h.cfg.Asset("session.js"), "Cookie": h.cfg.Cookies.StateName(),
	})
	if err != nil {
		return err
	}
	header := w.Header()
	header.Del("X-Frame-Options")
	header.Set("Content-Security-Policy", framePolicy)
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("Cross-Origin-Embedder-Policy", "require-corp")
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(body.String())) // a browser that hung up is nobody's fault
	}
	return nil
}
