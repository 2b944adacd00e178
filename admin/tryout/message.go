package tryout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// secrets are the names whose values are masked.
var secrets = map[string]bool{
	"client_secret": true, "client_assertion": true, "code": true, "code_verifier": true, "device_code": true,
	"access_token": true, "refresh_token": true, "id_token": true, "token": true, "Authorization": true, "request_uri": true,
	"oauth_token": true, "oauth_token_secret": true, "oauth_verifier": true,
}

// shownHeaders are the headers of an answer that say something about it.
var shownHeaders = []string{"Location", "WWW-Authenticate", "Retry-After", "Cache-Control"}

// response is what an endpoint answered.
type response struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header is that of the answer.
func (a *response) Header() http.Header { return a.header }

// WriteHeader notes the status; the first one counts.
func (a *response) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write takes a part of the body.
func (a *response) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// members returns the answer as JSON, empty when it is none.
func (a *response) members() map[string]any {
	var m map[string]any
	if json.Unmarshal(a.body.Bytes(), &m) != nil {
		return map[string]any{}
	}
	return m
}

// str returns a member that is a string, empty when it is none.
func (a *response) str(name string) string {
	s, _ := a.members()[name].(string)
	return s
}

// ok reports whether the endpoint did what it was asked for.
func (a *response) ok() bool { return a.status >= 200 && a.status < 300 }

// ask asks an endpoint, and keeps what was sent and what came back.
func (p *Party) ask(run *Run, kind string, req *http.Request) (*response, error) {
	body, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	a, err := p.serve(req, body)
	if err != nil {
		return nil, err
	}
	run.Steps = append(run.Steps, Step{Kind: kind, Request: sent(req, body), Response: a.message(), Failed: !a.ok()})
	return a, nil
}

func bodyOf(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close() //nolint:errcheck // it is in memory
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read request of the test: %w", err)
	}
	return body, nil
}

// serve hands a request to the endpoint, in this process. Nothing but the
// endpoints of this server can be asked, whatever the address says.
func (p *Party) serve(req *http.Request, body []byte) (*response, error) {
	if !strings.HasPrefix(req.URL.String(), p.Issuer+"/") {
		return nil, fmt.Errorf("a test asks for %s, which is not this server's", req.URL.Redacted())
	}
	r := req.Clone(p.For.Context())
	r.Host, r.RemoteAddr = req.URL.Host, p.For.RemoteAddr
	r.URL.Scheme, r.URL.Host = "", ""
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("X-Request-Id", p.For.Header.Get("X-Request-Id"))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a := &response{header: http.Header{}}
	p.Server.ServeHTTP(a, r)
	return a, nil
}

// sent is a request as it is shown.
func sent(req *http.Request, body []byte) *Message {
	m := &Message{Line: req.Method + " " + req.URL.String()}
	if v := req.Header.Get("Authorization"); v != "" {
		m.Fields = append(m.Fields, field("Authorization", v))
	}
	if form, err := url.ParseQuery(string(body)); err == nil {
		m.Fields = append(m.Fields, fields(form)...)
	}
	return m
}

func field(name, value string) Field { return Field{name, value, secrets[name]} }

// fields are the parameters of a form, or of a query.
func fields(form url.Values) []Field {
	var list []Field
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			list = append(list, field(name, value))
		}
	}
	return list
}

// message is an answer as it is shown.
func (a *response) message() *Message {
	m := &Message{Line: fmt.Sprint(a.status, " ", http.StatusText(a.status))}
	for _, name := range shownHeaders {
		if v := a.header.Get(name); v != "" {
			m.Fields = append(m.Fields, field(name, v))
		}
	}
	members := a.members()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		m.Fields = append(m.Fields, field(name, written(members[name])))
	}
	if len(members) > 0 || a.body.Len() == 0 {
		return m
	}
	if form, err := url.ParseQuery(a.body.String()); err == nil && strings.HasPrefix(a.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		m.Fields = append(m.Fields, fields(form)...)
	} else {
		m.Body = a.body.String()
	}
	return m
}

// written is a value as people read it.
func written(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(encoded)
}
