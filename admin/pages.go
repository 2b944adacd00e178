package admin

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"countersign/storage/locale"
)

//go:embed templates
var templates embed.FS

// policy is the Content Security Policy of every page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

type pages struct {
	cfg    Config
	base   string
	parsed map[*locale.Language]func() (parsed, error)
}

// view is what a template sees.
type view struct {
	Page      any
	Name      string
	RequestID string
	Languages *languages // nil where none can be chosen
	Scheme    string     // light, dark, or empty for what the system says
	Menu      *menu      // nil on pages outside of the Settings application
}

// contact is whom to ask, with a link when it is one.
type contact struct {
	Text locale.Message
	Link string
}

// menu is what stands around every page of the Settings application.
type menu struct {
	Entries  []menuEntry
	Username string
	// Notice says what was just done; empty for nothing.
	Notice locale.Message
}

type menuEntry struct {
	Path    string
	Name    locale.Message
	Current bool
	Count   string // of what waits there, empty for none
}

// newPages parses the templates.
func newPages(cfg Config, base string) (*pages, error) {
	p := &pages{cfg: cfg, base: base}
	return p, p.speaking()
}

func (p *pages) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":   func(name string) string { return p.base + p.cfg.Asset(name) },
		"path":    p.path,
		"client":  func(key string, rest ...string) string { return p.base + clientPath(key) + strings.Join(rest, "") },
		"type":    typeName,
		"status":  statusName,
		"lines":   func(list []string) string { return strings.Join(list, "\n") },
		"words":   strings.Fields,
		"dict":    dict,
		"sheet":   func() string { return under(p.base, p.cfg.Look.Sheet) },
		"logo":    func() string { return under(p.base, p.cfg.Look.Logo) },
		"contact": func() contact { return contact{p.cfg.Contact, p.cfg.ContactLink} },
		"links":   func() [][2]string { return p.cfg.Look.Links },
	}
}

// under is the path under the base, empty where there is none.
func under(base, path string) string {
	if path == "" {
		return ""
	}
	return base + path
}

// dict makes a map of names and values, for a template within a template.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// path returns a path of this server, with a query of names and values. Empty
// ones are left out.
func (p *pages) path(name string, query ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			v.Set(query[i], query[i+1])
		}
	}
	if len(v) == 0 {
		return p.base + name
	}
	return p.base + name + "?" + v.Encode()
}

// render answers with a page. It is rendered to memory first, so that an error
// never leaves half a page behind.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	v.Name, v.RequestID, v.Scheme = p.cfg.Name, printable(r.Header.Get("X-Request-Id")), p.scheme(r)
	v.Languages = offer(r, v.Scheme)
	l := p.language(r)
	all, err := p.parsed[l]()
	if err != nil {
		return err
	}
	t, err := all[name]()
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := t.Execute(&body, v); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", l.Code)
	w.Header().Add("Vary", "Accept-Language, Cookie")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // a browser that hung up is nobody's fault
	}
	return nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, s)
}

// screen is a page of the Settings application.
type screen struct {
	Status   int // 0 means 200
	Template string
	Section  string // the path of its entry in the menu
	Page     any
	// Tells is whether the page tells what was done: then it is shown even if
	// the database is gone since, without what waits in the menu.
	Tells bool
}

// show answers with a page of the Settings application.
func (h *handler) show(w http.ResponseWriter, r *http.Request, who *administrator, s screen) error {
	waiting, err := h.cfg.Clients.Waiting(r.Context(), manyWaiting)
	if err != nil && !s.Tells {
		return err
	}
	m := &menu{Username: printable(who.Username), Notice: notices[r.URL.Query().Get("done")]}
	for _, e := range sections {
		e.Current = e.Path == s.Section
		if e.Path == approvalsPath {
			e.Count = countWords(waiting)
		}
		m.Entries = append(m.Entries, e)
	}
	if s.Status == 0 {
		s.Status = http.StatusOK
	}
	return h.pages.render(w, r, s.Status, s.Template, view{Page: s.Page, Menu: m})
}

// manyWaiting is where the menu stops to count.
const manyWaiting = 100

func countWords(n int) string {
	switch {
	case n == 0:
		return ""
	case n >= manyWaiting:
		return "99+"
	default:
		return strconv.Itoa(n)
	}
}

// sections are the entries of the menu.
var sections = []menuEntry{
	{Path: clientsPath, Name: "OAuth clients"},
	{Path: approvalsPath, Name: "Approvals"},
	{Path: accountsPath, Name: "Accounts"},
	{Path: sessionsPath, Name: "Sessions"},
	{Path: auditPath, Name: "Audit"},
	{Path: keysPath, Name: "Keys"},
	{Path: diagnosticsPath, Name: "Diagnostics"},
}

// notices say what was just done. The address names one of them, and never
// brings words of its own.
var notices = map[string]locale.Message{
	"approved":    "The client is approved. It works from now on.",
	"disapproved": "The client is disapproved. It was stopped at once.",
	"removed":     "The client is removed.",
	"saved":       "The changes are saved, and hold from now on.",
	"revoked":     "The secret is revoked. Nobody gets in with it any more.",
	"confirmed":   "The secret is confirmed. It works from now on.",
	"forgotten":   "The secret is rejected. Nobody ever gets in with it.",
	"revised":     "The change is approved, and holds from now on.",
	"account":     "The account is created.",
	"permitted":   "The account may configure the server now.",
	"demoted":     "The account may not configure the server any more, from its next request on.",
	"disabled":    "The account is disabled, and signed out everywhere.",
	"enabled":     "The account is enabled. It can sign in again.",
	"signed-out":  "The account is signed out everywhere.",
	"password":    "The password is set. The account is signed out everywhere.",
	"ended":       "The session is over.",
	"rotated":     "The next keys are there.",
	"rejected":    "The change is rejected. The client stays what it is.",
	"narrowed":    "The conditions of the approval are changed, and hold from now on.",
	"undone":      "The decision is taken back.",
	"proposed":    "The changes wait for another administrator. What is approved goes on working.",
}
