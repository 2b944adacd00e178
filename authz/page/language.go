package page

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"countersign/storage/locale"
)

// asked is the context's note of the languages that an application asked for.
// It belongs to one request, which one goroutine serves.
type asked struct {
	locales string
	at      time.Time
}

type askedKey struct{}

// Listen lets a request be spoken to in the languages that its handler learns
// of by [Speak].
func Listen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askedKey{}, &asked{})))
	})
}

// Speak notes that the application asked for these languages (ui_locales, OpenID
// Connect Core 1.0, section 3.1.2.1) at the time; the zero time is that of this
// request. The pages of this request are in the first that there is, unless the person chose
// one later. An empty wish changes nothing.
func Speak(ctx context.Context, locales string, at time.Time) {
	if a, ok := ctx.Value(askedKey{}).(*asked); ok && locales != "" {
		*a = asked{locales, at}
	}
}

// language is the one to answer a request in. It costs no look into the
// database: what waits in it was read already.
func (p *Pages) language(r *http.Request) *locale.Language {
	wish := locale.Wish{Accept: r.Header.Get("Accept-Language")}
	if a, ok := r.Context().Value(askedKey{}).(*asked); ok {
		wish.UILocales, wish.At = a.locales, a.at
	}
	if p.cfg.Language != nil {
		wish.Choice = p.cfg.Language(r)
	}
	return wish.Language()
}

// languages are the languages that a page offers.
type languages struct {
	Back   string // the address of the page in whatever language
	Scheme string // the colours that it has by choice
}

// scheme is what somebody chose, empty for what their system says.
func (p *Pages) scheme(r *http.Request) string {
	if p.cfg.Scheme == nil {
		return ""
	}
	return p.cfg.Scheme(r)
}

// offer is what a page offers; nothing where its address does not lead to it
// again: it may show something once, or what somebody typed.
func offer(r *http.Request, page Page, scheme string) *languages {
	_, once := page.(interface{ once() })
	if once || r.Method != http.MethodGet {
		return nil
	}
	back := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if q := back.Query(); q.Has("ui_locales") { // it would win
		q.Del("ui_locales")
		back.RawQuery = q.Encode()
	}
	return &languages{Back: back.String(), Scheme: scheme}
}

// parsed are the pages in one language, each parsed when it is first shown: a
// test shows all of them.
type parsed map[string]func() (*template.Template, error)

// speaking returns the pages in each language, parsed when the first reader of
// it comes: English at once, so that no server starts with a page that is
// wrong.
func (p *Pages) speaking() error {
	p.parsed = map[*locale.Language]func() (parsed, error){}
	for _, l := range locale.Languages() {
		p.parsed[l] = sync.OnceValues(func() (parsed, error) { return p.parse(l) })
	}
	_, err := p.parsed[locale.English]()
	return err
}

func (p *Pages) parse(l *locale.Language) (parsed, error) {
	layout := template.New("layout.html").Funcs(p.funcs()).Funcs(l.Funcs()).Option("missingkey=error")
	for _, name := range []string{"layout.html", "parts.html", "account_parts.html"} {
		if err := p.add(layout, l, name); err != nil {
			return nil, err
		}
	}
	all := parsed{}
	for _, page := range every {
		all[page.template()] = sync.OnceValues(func() (*template.Template, error) {
			t := template.Must(layout.Clone())
			return t, p.add(t, l, page.template())
		})
	}
	return all, nil
}

// add parses a file in the language.
func (p *Pages) add(to *template.Template, l *locale.Language, name string) error {
	source, err := templates.ReadFile(path.Join("templates", name))
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	text, err := l.Template(string(source))
	if err != nil {
		return fmt.Errorf("speak %s: %w", name, err)
	}
	t := to
	if name != to.Name() {
		t = to.New(name)
	}
	if _, err := t.Parse(p.settle(l, text)); err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	return nil
}

// settled finds the actions that print the same on every page in a language, and
// harmless what is text wherever it stands.
var (
	settled  = regexp.MustCompile(`\{\{(asset|path|language|direction|server)(?: "([a-z0-9/._-]+)")?\}\}`)
	harmless = regexp.MustCompile(`^[A-Za-z0-9/._-]+( [A-Za-z0-9/._-]+)*$`)
)

// settle puts what such actions print in their place once, where html/template
// would call them and escape what they print for every page.
func (p *Pages) settle(l *locale.Language, text string) string {
	for action, isSet := range map[string]bool{
		"{{with sheet}}": p.cfg.Look.Sheet != "", "{{with logo}}": p.cfg.Look.Logo != "", "{{with links}}": len(p.cfg.Look.Links) > 0,
	} {
		if !isSet { // no page asks
			text = strings.ReplaceAll(text, action, `{{with ""}}`)
		}
	}
	return settled.ReplaceAllStringFunc(text, func(action string) string {
		m := settled.FindStringSubmatch(action)
		var value string
		switch m[1] {
		case "asset":
			value = p.cfg.IssuerPath + p.cfg.Asset(m[2])
		case "path":
			value = p.path(m[2])
		case "language":
			value = l.Code
		case "server":
			value = p.cfg.Name
		default:
			value = l.Direction
		}
		if !harmless.MatchString(value) {
			return action
		}
		return value
	})
}
