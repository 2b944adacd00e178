package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"

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
	Export, CSV    string // the file of what is shown, for programs and for spreadsheets
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
	p.CSV = h.pages.path(auditPath+"/export", "q", f.Search, "target", f.TargetID, "format", "csv")
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
// JSON object a line, or as CSV.
func (h *handler) exportAudit(w http.ResponseWriter, r *http.Request, who *administrator) error {
	f := auditFilter(r)
	f.Limit = exportSize
	records, err := h.cfg.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	write := auditLines(w, r.URL.Query().Get("format"))
	if r.Method == http.MethodHead {
		return nil
	}
	for len(records) > 0 {
		if write(records) != nil {
			return nil //nolint:nilerr // the browser hung up
		}
		f.Before = records[len(records)-1].ID
		if records, err = h.cfg.Audit.List(r.Context(), f); err != nil || h.still(r, who) != nil {
			// What was sent cannot be taken back: the connection ends, and the
			// browser says that the file is not whole.
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}

// auditLines begins the file, and returns what writes records to it. Control
// characters are escaped in JSON, and cells are no formulas (AD-17).
func auditLines(w http.ResponseWriter, format string) func([]audit.Event) error {
	if format != "csv" {
		attach(w, "application/jsonl", "countersign-audit.jsonl")
		return func(records []audit.Event) error {
			for _, one := range records {
				if err := writeLine(w, one); err != nil {
					return err
				}
			}
			return nil
		}
	}
	attach(w, "text/csv; charset=utf-8", "countersign-audit.csv")
	head := []string{"id", "at", "actor_id", "actor_name", "via", "action", "target_type", "target_id", "target_name", "before", "after", "ip", "request_id"}
	return sheet(w, head, func(e *audit.Event) []string {
		return []string{
			e.ID, timeCell(&e.At), e.ActorID, e.ActorName, string(e.Via), e.Action, e.TargetType, e.TargetID, e.TargetName,
			string(e.Before), string(e.After), e.IP, e.RequestID,
		}
	})
}

// writeLine writes a record as a line of JSON. What a terminal might act upon is
// escaped: encoding/json leaves DEL and the control characters above it.
func writeLine(w io.Writer, one audit.Event) error {
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range string(line) {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	b.WriteByte('\n')
	_, err = io.WriteString(w, b.String())
	return err
}
