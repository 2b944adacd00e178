package admin

import (
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"sync"

	"countersign/storage/locale"
)

// language is the one to answer a request in. No application asks for the
// pages of this door, so that it is the person's choice, or the browser's.
func (p *pages) language(r *http.Request) *locale.Language {
	wish := locale.Wish{Accept: r.Header.Get("Accept-Language")}
	if p.cfg.LanguageCookie != nil {
		wish.Choice = p.cfg.LanguageCookie(r)
	}
	return wish.Language()
}

// languages are the languages that a page offers.
type languages struct {
	Back   string // the address of the page
	Scheme string // the colours that it has by choice
}

// scheme is what somebody chose, empty for what their system says.
func (p *pages) scheme(r *http.Request) string {
	if p.cfg.SchemeCookie == nil {
		return ""
	}
	return p.cfg.SchemeCookie(r)
}

// offer is what an answer offers; nothing where the address does not lead to
// the page again: it may show a secret once, or what somebody typed.
func offer(r *http.Request, scheme string) *languages {
	if r.Method != http.MethodGet {
		return nil
	}
	back := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	return &languages{Back: back.String(), Scheme: scheme}
}

// parsed are the pages in one language, each parsed when it is first shown: a
// test parses all of them.
type parsed map[string]func() (*template.Template, error)

// speaking returns the pages in each language, parsed when the first reader of
// it comes: English at once, so that no server starts with a page that is
// wrong.
func (p *pages) speaking() error {
	p.parsed = map[*locale.Language]func() (parsed, error){}
	for _, l := range locale.Languages() {
		p.parsed[l] = sync.OnceValues(func() (parsed, error) { return p.parse(l) })
	}
	_, err := p.parsed[locale.English]()
	return err
}

// parse parses the templates in a language: those in settings stand in its
// layout, the others on a sheet of their own.
func (p *pages) parse(l *locale.Language) (parsed, error) {
	all := parsed{}
	for _, group := range []struct{ folder, layout string }{{"templates", "layout.html"}, {"templates/settings", "app.html"}} {
		layout := template.New(group.layout).Option("missingkey=error").Funcs(p.funcs()).Funcs(l.Funcs())
		for _, file := range []string{"templates/layouts/parts.html", "templates/layouts/" + group.layout} {
			if err := add(layout, l, file); err != nil {
				return nil, err
			}
		}
		files, err := fs.Glob(templates, group.folder+"/*.html")
		if err != nil {
			return nil, fmt.Errorf("list pages: %w", err)
		}
		for _, file := range files {
			all[path.Base(file)] = sync.OnceValues(func() (*template.Template, error) {
				t := template.Must(layout.Clone())
				return t, add(t, l, file)
			})
		}
	}
	return all, nil
}

// add parses a file in the language.
func add(to *template.Template, l *locale.Language, file string) error {
	source, err := templates.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	text, err := l.Template(string(source))
	if err != nil {
		return fmt.Errorf("speak %s: %w", file, err)
	}
	t := to
	if name := path.Base(file); name != to.Name() {
		t = to.New(name)
	}
	if _, err := t.Parse(text); err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	return nil
}
