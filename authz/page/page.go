// Package page renders the pages that a resource owner sees: layout, texts and
// headers. It knows what is said, not when: each flow package fills in the
// struct of its page.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"countersign/storage/locale"
)

//go:embed templates/*.html
var templates embed.FS

// Config is what every page says and links to.
type Config struct {
	// Name is what the server is called by the people who use it.
	Name string
	// Contact is whom they ask: an email address, a link, or words.
	Contact string
	// IssuerPath is the path of the issuer without a slash at its end.
	IssuerPath string
	// Asset returns the path of a style sheet or script, under the issuer's.
	Asset func(name string) string
	// Language returns the cookie that keeps the language somebody chose, empty
	// for none.
	Language func(*http.Request) string
	// Scheme returns light or dark as somebody chose, empty for what their
	// system says.
	Scheme func(*http.Request) string
	// Look is what an operator gave the pages of their own.
	Look Look
}

// Look is how pages differ from those of other operators.
type Look struct {
	// Sheet and Logo are paths under the issuer's, empty for none.
	Sheet, Logo string
	// Links stand at the foot, words and URL of each.
	Links [][2]string
}

// Page is one of the pages of this package.
type Page interface {
	// template is the name of the page's file.
	template() string
}

// Pages renders pages.
type Pages struct {
	cfg    Config
	parsed map[*locale.Language]func() (parsed, error)
}

// New parses the templates. It fails when one of them is missing or wrong.
func New(cfg Config) (*Pages, error) {
	p := &Pages{cfg: cfg}
	return p, p.speaking()
}

func (p *Pages) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":  func(name string) string { return p.cfg.IssuerPath + p.cfg.Asset(name) },
		"path":   p.path,
		"server": func() string { return p.cfg.Name },
		"sheet":  func() string { return under(p.cfg.IssuerPath, p.cfg.Look.Sheet) },
		"logo":   func() string { return under(p.cfg.IssuerPath, p.cfg.Look.Logo) },
		"links":  func() [][2]string { return p.cfg.Look.Links },
	}
}

// under is the path under the base, empty where there is none.
func under(base, path string) string {
	if path == "" {
		return ""
	}
	return base + path
}

// every lists a value of each page, for its template.
var every = []Page{SignIn{}, SecondStep{}, SignUp{}, Consent{}, Waiting{}, Home{}, Applications{}, RemoveApplication{}, Sessions{}, Activities{}, ChangePassword{}, Profile{}, Security{}, Authenticator{}, RecoveryCodes{}, RemoveFactor{}, AddPasskey{}, SignOut{}, SignedOut{}, FormPost{}, DeviceCode{}, Device{}, DeviceDone{}, Verifier{}, &Problem{}}

// view is what a template sees.
type view struct {
	Page      Page
	Name      string
	Contact   contact
	RequestID string
	Languages *languages // nil where none can be chosen
	Scheme    string     // light, dark, or empty for what the system says
}

// contact is whom to ask, with a link when it is one.
type contact struct {
	Text locale.Message
	Link string
}

// unnamed is whom to ask where nobody configured a contact.
const unnamed locale.Message = "your administrator"

func newContact(s string) contact {
	text := locale.Foreign(s)
	if s == string(unnamed) {
		text = unnamed
	}
	return contact{text, ContactLink(s)}
}

// ContactLink is where the contact leads, empty when it is words.
func ContactLink(s string) string {
	switch {
	case strings.HasPrefix(s, "https://"):
		return link(s)
	case strings.Count(s, "@") == 1 && !strings.ContainsAny(s, " <>?&"):
		return "mailto:" + s
	default:
		return ""
	}
}

// path returns a path of this server, with a query of names and values.
func (p *Pages) path(name string, query ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			v.Set(query[i], query[i+1])
		}
	}
	if len(v) == 0 {
		return p.cfg.IssuerPath + name
	}
	return p.cfg.IssuerPath + name + "?" + v.Encode()
}

// pageSize is more bytes than most pages have.
const pageSize = 8 << 10

// Render answers with the page. It is rendered to memory first, so that an
// error never leaves half a page behind.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, page Page) error {
	l := p.language(r)
	all, err := p.parsed[l]()
	if err != nil {
		return err
	}
	t, err := all[page.template()]()
	if err != nil {
		return err
	}
	var body bytes.Buffer
	body.Grow(pageSize)
	scheme := p.scheme(r)
	err = t.Execute(&body, view{
		Page:      page,
		Name:      p.cfg.Name,
		Contact:   newContact(p.cfg.Contact),
		RequestID: Plain(r.Header.Get("X-Request-Id")),
		Languages: offer(r, page, scheme),
		Scheme:    scheme,
	})
	if err != nil {
		return fmt.Errorf("render %s: %w", page.template(), err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", l.Code)
	header.Add("Vary", "Accept-Language, Cookie")
	header.Set("Content-Security-Policy", policy(page))
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // a browser that hung up is nobody's fault
	}
	return nil
}

// policy is the page's Content Security Policy. Chromium applies form-action
// to every redirect that follows a form, so the pages whose form ends in a
// redirect to a client name the origin of its validated redirect URI.
func policy(page Page) string {
	target := "'self'"
	if p, ok := page.(interface{ destination() string }); ok && p.destination() != "" {
		target += " " + p.destination()
	}
	text := "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action " +
		target + "; frame-ancestors 'none'; base-uri 'none'"
	if p, ok := page.(interface{ frames() string }); ok && p.frames() != "" {
		text += "; frame-src " + p.frames()
	}
	return text
}
