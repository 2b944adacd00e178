package admin

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"countersign/clientstore"
)

// attach begins an answer that is a file.
func attach(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Content-Security-Policy", policy)
}

// sheet returns what writes records as rows of CSV (RFC 4180), the head first.
func sheet[T any](w http.ResponseWriter, head []string, cells func(*T) []string) func([]T) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	begun := false
	return func(records []T) error {
		if !begun {
			begun = true
			_ = out.Write(head) // Flush below tells
		}
		for i := range records {
			row := cells(&records[i])
			for j := range row {
				row[j] = harmless(row[j])
			}
			_ = out.Write(row) // likewise
		}
		out.Flush()
		return out.Error()
	}
}

// harmless is a cell that no spreadsheet takes for a formula: who registers a
// client chooses its name (AD-17).
func harmless(cell string) string {
	cell = printable(cell)
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// timeCell is a moment as a cell, empty for none.
func timeCell(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// exported is the address of the file of what is listed, all pages of it.
func (q listQuery) exported(format string) string {
	q.path += "/export"
	at := q.from("", "")
	if strings.Contains(at, "?") {
		return at + "&format=" + format
	}
	return at + "?format=" + format
}

// exportClients serves GET /settings/oauth-clients/export: the clients that the
// list has, in its order, as CSV or as lines of JSON.
func (h *handler) exportClients(w http.ResponseWriter, r *http.Request, who *administrator) error {
	f, err := h.readListQuery(r).filter()
	if err != nil {
		return unknownList()
	}
	f.Limit = exportSize
	clients, err := h.cfg.Clients.List(r.Context(), f)
	if _, ours := errors.AsType[*clientstore.MetadataError](err); ours {
		return unknownList()
	}
	if err != nil {
		return err
	}
	begin := clientSheet
	if r.URL.Query().Get("format") == "json" {
		begin = clientLines
	}
	write := begin(w)
	if r.Method == http.MethodHead {
		return nil
	}
	for {
		if write(clients) != nil {
			return nil //nolint:nilerr // the browser hung up
		}
		if len(clients) < exportSize {
			return nil
		}
		f.After = clients[len(clients)-1].CursorBy(f.Sort)
		if clients, err = h.cfg.Clients.List(r.Context(), f); err != nil || h.still(r, who) != nil {
			panic(http.ErrAbortHandler) // as in exportAudit
		}
	}
}

// clientSheet begins a file of CSV.
func clientSheet(w http.ResponseWriter) func([]clientstore.Client) error {
	attach(w, "text/csv; charset=utf-8", "countersign-clients.csv")
	return sheet(w, []string{
		"client_id", "client_name", "type", "status", "status_reason", "grant_types", "response_types", "redirect_uris", "scope",
		"token_endpoint_auth_method", "created_at", "created_by", "last_used_at", "clients_file",
	}, clientCells)
}

// clientLines begins a file of JSON, a document a line, as the API and the
// command line have it.
func clientLines(w http.ResponseWriter) func([]clientstore.Client) error {
	attach(w, "application/jsonl", "countersign-clients.jsonl")
	out := json.NewEncoder(w)
	return func(clients []clientstore.Client) error {
		for i := range clients {
			if err := out.Encode(clients[i].Document()); err != nil { //nolint:gosec // the secret is not in it
				return err
			}
		}
		return nil
	}
}

func clientCells(c *clientstore.Client) []string {
	m := &c.Metadata
	words := func(list []string) string { return strings.Join(list, " ") }
	return []string{
		c.ID, c.Name, string(c.Type), string(c.Status), c.StatusReason, words(m.GrantTypes), strings.Join(m.ResponseTypes, ", "), words(m.RedirectURIs),
		m.Scope, m.TokenEndpointAuthMethod, timeCell(&c.CreatedAt), c.CreatedBy, timeCell(c.UsedAt), c.ManagedBy,
	}
}
