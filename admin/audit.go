package admin

import (
	"encoding/json"
	"net/http"
	"net/url"

	"countersign/storage/audit"
)

const auditPath = root + "/audit"

// auditSize is how many changes a page shows, and exportSize how many are read
// at once for the file.
const (
	auditSize  = 50
	exportSize = 500
)

// auditPage is the page of what was changed.
type auditPage struct {
	Search, Target string
	Events         []event
	Next, First    string // other pages, empty where there are none
	Export         string // the file of what is shown
}

// auditFilter reads what the page is asked for.
func auditFilter(r *http.Request) audit.Filter {
	q := r.URL.Query()
	return audit.Filter{Search: printable(q.Get("q")), TargetID: printable(q.Get("target")), Before: printable(q.Get("before"))}
}

// showAudit serves GET /settings/audit.
func (h *handler) showAudit(w http.ResponseWriter, r *http.Request, who *administrator) error {
	f := auditFilter(r)
	f.Limit = auditSize + 1
	records, err := h.cfg.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	p := auditPage{Search: f.Search, Target: f.TargetID, Export: h.pages.path(auditPath+"/export", "q", f.Search, "target", f.TargetID)}
	if len(records) > auditSize {
		records = records[:auditSize]
		p.Next = h.pages.path(auditPath, "q", f.Search, "target", f.TargetID, "before", records[auditSize-1].ID)
	}
	if f.Before != "" {
		p.First = h.pages.path(auditPath, "q", f.Search, "target", f.TargetID)
	}
	p.Events = describe(records)
	for i := range p.Events {
		p.Events[i].TargetURL = h.targetURL(p.Events[i])
	}
	return h.show(w, r, who, screen{Template: "audit.html", Section: auditPath, Page: p})
}

// targetURL leads to what was changed, where there is a page for it and it may
// still be there.
func (h *handler) targetURL(e event) string {
	switch {
	case e.TargetType == "client" && !e.TakenAway:
		return h.base + clientPath(e.TargetID)
	case e.TargetType == "account" && !e.TakenAway:
		return h.base + accountsPath + "/" + url.PathEscape(e.TargetID)
	default:
		return ""
	}
}

// exportAudit serves GET /settings/audit/export: the changes, newest first, one
// JSON object a line. Control characters are escaped in JSON (AD-17).
func (h *handler) exportAudit(w http.ResponseWriter, r *http.Request, _ *administrator) error {
	f := auditFilter(r)
	f.Limit = exportSize
	records, err := h.cfg.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Disposition", `attachment; filename="countersign-audit.jsonl"`)
	w.Header().Set("Content-Security-Policy", policy)
	if r.Method == http.MethodHead {
		return nil
	}
	out := json.NewEncoder(w)
	for len(records) > 0 {
		for _, one := range records {
			if out.Encode(one) != nil {
				return nil //nolint:nilerr // the browser hung up
			}
		}
		f.Before = records[len(records)-1].ID
		if records, err = h.cfg.Audit.List(r.Context(), f); err != nil {
			// What was sent cannot be taken back: the connection ends, and the
			// browser says that the file is not whole.
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}
