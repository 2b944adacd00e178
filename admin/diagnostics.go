package admin

import "net/http"

const diagnosticsPath = root + "/diagnostics"

// diagnostics is the page of what was looked at.
type diagnostics struct{ Findings []Finding }

// Badge is the look of a status.
func (f Finding) Badge() string {
	switch f.Status {
	case "ok":
		return "good"
	case "warning":
		return "warn"
	case "failed":
		return "bad"
	default:
		return "plain"
	}
}

// diagnose serves GET /settings/diagnostics.
func (h *handler) diagnose(w http.ResponseWriter, r *http.Request, who *administrator) error {
	p := diagnostics{Findings: h.cfg.Diagnose(r.Context())}
	return h.show(w, r, who, screen{Template: "diagnostics.html", Section: diagnosticsPath, Page: p})
}
