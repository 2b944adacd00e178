package driver

import (
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// mostSteps is more than any flow has.
const mostSteps = 30

var (
	forms  = regexp.MustCompile(`(?is)<form\b([^>]*)>(.*?)</form>`)
	inputs = regexp.MustCompile(`(?is)<(input|button)\b([^>]*)>`)
	pairs  = regexp.MustCompile(`(?is)([a-z_:-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?`)
)

func attributes(tag string) map[string]string {
	m := map[string]string{}
	for _, a := range pairs.FindAllStringSubmatch(tag, -1) {
		m[strings.ToLower(a[1])] = html.UnescapeString(a[2] + a[3] + a[4])
	}
	return m
}

// browser follows redirects, keeps cookies, fills in forms and sends them.
type browser struct {
	conn   *connection
	jar    *cookiejar.Jar
	fields map[string]string
}

func newBrowser(w *worker) *browser {
	jar, _ := cookiejar.New(nil) // fails for no options
	b := &browser{conn: w.conn, jar: jar}
	b.fill(w, "")
	return b
}

// fill says what the browser writes into forms.
func (b *browser) fill(w *worker, userCode string) {
	b.fields = make(map[string]string, len(w.server.Fields))
	replace := strings.NewReplacer("{user_code}", userCode, "{w}", strconv.Itoa(w.number))
	for name, value := range w.server.Fields {
		b.fields[name] = replace.Replace(value)
	}
}

// step is what the browser does next.
type step struct {
	method string
	url    *url.URL
	body   string
}

func (b *browser) do(s step) (*answer, error) {
	header := []string{"Accept-Language: en"}
	if cookies := b.jar.Cookies(s.url); len(cookies) > 0 {
		parts := make([]string, len(cookies))
		for i, c := range cookies {
			parts[i] = c.Name + "=" + c.Value
		}
		header = append(header, "Cookie: "+strings.Join(parts, "; "))
	}
	if s.method == http.MethodPost {
		header = append(header, formType, "Origin: "+s.url.Scheme+"://"+s.url.Host)
	}
	a, err := b.conn.do(write(s.method, s.url, header, s.body))
	if err == nil {
		b.jar.SetCookies(s.url, a.Cookies())
	}
	return a, err
}

// run begins at a page and goes on until it is sent to what begins with stop.
// Where stop is empty it goes on to the first page without a form of which a
// field is known.
func (b *browser) run(from *url.URL, stop string) (*url.URL, error) {
	s := step{method: http.MethodGet, url: from}
	for range mostSteps {
		a, err := b.do(s)
		if err != nil {
			return nil, err
		}
		if a.StatusCode/100 == 3 {
			next, err := s.url.Parse(a.Header.Get("Location"))
			if err != nil || stop != "" && strings.HasPrefix(next.String(), stop) {
				return next, err
			}
			s = step{method: http.MethodGet, url: next}
			continue
		}
		if a.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s %s: %s: %.200s", s.method, s.url.Path, a.Status, a.body)
		}
		next, ok := b.form(s.url, string(a.body))
		switch {
		case !ok && stop == "":
			return s.url, nil
		case !ok:
			return nil, fmt.Errorf("%s %s has no form that is known: %.200s", s.method, s.url.Path, a.body)
		}
		s = next
	}
	return nil, fmt.Errorf("more than %d steps, at last %s", mostSteps, s.url)
}

// form fills in the form of a page that has most of the known fields.
func (b *browser) form(at *url.URL, page string) (step, bool) {
	var best []string
	most := 0
	for _, form := range forms.FindAllStringSubmatch(page, -1) {
		known := 0
		for _, input := range inputs.FindAllStringSubmatch(form[2], -1) {
			if _, ok := b.fields[attributes(input[2])["name"]]; ok {
				known++
			}
		}
		if known > most || best == nil {
			best, most = form, known
		}
	}
	if best == nil || most == 0 && len(b.fields) > 0 && !hasHidden(best[2]) {
		return step{}, false
	}
	tag := attributes(best[1])
	to, err := at.Parse(tag["action"])
	if err != nil || !strings.EqualFold(tag["method"], http.MethodPost) {
		return step{}, false
	}
	return step{http.MethodPost, to, b.values(best[2]).Encode()}, true
}

// hasHidden reports whether a form without a known field only waits to be sent
// on, such as one that asks to confirm a code.
func hasHidden(form string) bool {
	return strings.Contains(form, `name="interaction"`) || strings.Contains(form, `name="user_code"`) || strings.Contains(form, `name="prompt"`)
}

// values are a form's values, with the first of its buttons.
func (b *browser) values(form string) url.Values {
	v := url.Values{}
	pressed := false
	for _, input := range inputs.FindAllStringSubmatch(form, -1) {
		a := attributes(input[2])
		name, kind := a["name"], strings.ToLower(a["type"])
		if strings.EqualFold(input[1], "button") || kind == "submit" {
			if pressed {
				continue
			}
			pressed = true
		}
		known, ok := b.fields[name]
		_, on := a["checked"]
		switch {
		case name == "", !ok && !on && (kind == "checkbox" || kind == "radio"):
		case ok:
			v.Set(name, known)
		case !v.Has(name):
			v.Set(name, a["value"])
		}
	}
	return v
}
