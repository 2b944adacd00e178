package admin

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

//go:embed templates/*.html
var templates embed.FS

// policy is the Content Security Policy of every page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

type pages struct {
	name   string
	parsed map[string]*template.Template
}

// view is what a template sees.
type view struct {
	Page      any
	Name      string
	RequestID string
}

func newPages(cfg Config, base string) (*pages, error) {
	p := &pages{name: cfg.Name, parsed: map[string]*template.Template{}}
	layout, err := template.New("layout.html").Option("missingkey=error").Funcs(template.FuncMap{
		"asset": func(name string) string { return base + cfg.Asset(name) },
		"path":  func(name string) string { return base + name },
	}).ParseFS(templates, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	for _, name := range []string{"setup.html", "done.html", "problem.html"} {
		t, err := template.Must(layout.Clone()).ParseFS(templates, "templates/"+name)
		if err != nil {
			return nil, fmt.Errorf("parse page: %w", err)
		}
		p.parsed[name] = t
	}
	return p, nil
}

// render answers with a page. It is rendered to memory first, so that an error
// never leaves half a page behind.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	var body bytes.Buffer
	err := p.parsed[name].Execute(&body, view{Page: data, Name: p.name, RequestID: printable(r.Header.Get("X-Request-ID"))})
	if err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", "en")
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

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// problem is the page, and the error, of a request that cannot be answered.
type problem struct {
	Status              int
	Code                string
	Title, What, Remedy string
	// Next is the name of the link to the home page, empty for none.
	Next string
}

func (p *problem) Error() string { return p.Code + ": " + p.Title }

func notFound() *problem {
	return &problem{
		Status: http.StatusNotFound, Code: "E-NOT-FOUND",
		Title:  "There is no page at this address",
		What:   "The address may be mistyped, or the link that led here may be out of date.",
		Remedy: "Check the address, or start from the home page.",
		Next:   "To the home page",
	}
}

func methodNotAllowed() *problem {
	return &problem{
		Status: http.StatusMethodNotAllowed, Code: "E-METHOD",
		Title:  "This address works differently",
		What:   "The page exists, and does not answer requests of this method.",
		Remedy: "Open it in a browser.",
	}
}

func crossSite() *problem {
	return &problem{
		Status: http.StatusForbidden, Code: "E-CROSS-SITE",
		Title:  "This form was not sent from this server's page",
		What:   "Another site tried to act in your name, or your browser does not say where the form came from. Nothing was done.",
		Remedy: "Go back, reload the page, and send the form from there.",
	}
}

func unreadableForm() *problem {
	return &problem{
		Status: http.StatusBadRequest, Code: "E-FORM",
		Title:  "The form could not be read",
		What:   "It is damaged, too long, or not in the format that browsers send. Nothing was done.",
		Remedy: "Go back, reload the page, and send the form again.",
	}
}

func internal() *problem {
	return &problem{
		Status: http.StatusInternalServerError, Code: "E-INTERNAL",
		Title:  "Something went wrong here",
		What:   "This is a fault of this server, not of what you did. It has been written to the log.",
		Remedy: "Try again. If it stays, look for the request number below in the log.",
	}
}

func unavailable() *problem {
	return &problem{
		Status: http.StatusServiceUnavailable, Code: "E-UNAVAILABLE",
		Title:  "Not available for the moment",
		What:   "This server cannot reach its database. Nothing was decided and nothing is lost.",
		Remedy: "Wait a moment and try again. `countersign doctor` looks for the cause.",
	}
}
