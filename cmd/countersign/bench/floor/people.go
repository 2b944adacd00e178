package main

import (
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // for the pages
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"countersign/clientstore"
)

// caller is a client, as it authenticates.
type caller struct{ id, secret string }

// person is who uses the browser.
type person struct{ id, name, email string }

// visit is somebody with the code of a device.
type visit struct {
	Name, UserCode, Client, From string
	Scopes                       []string
	found                        *clientstore.Opening
}

// exchanged is what a code or a refresh token was given for.
type exchanged struct{ grant, account, scope, challenge, nonce string }

// people serves the flows in which somebody is at a browser, by the functions of
// Countersign's stores that its handlers call, and nothing around them. Whoever comes
// without a session gets one at once.
type people struct {
	*borrowed

	issuer string
	key    *key
}

func (p *people) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /authorize", p.serveAuthorize)
	mux.HandleFunc("GET /userinfo", p.serveUserinfo)
	mux.HandleFunc("POST /device_authorization", p.serveStart)
	mux.HandleFunc("GET /device", p.show)
	mux.HandleFunc("POST /device", p.decide)
}

// endpoints are what the metadata says of them.
func (p *people) endpoints(metadata map[string]any) {
	for name, path := range map[string]string{
		"authorization_endpoint": "/authorize", "userinfo_endpoint": "/userinfo", "device_authorization_endpoint": "/device_authorization",
	} {
		metadata[name] = p.issuer + path
	}
}

const cookieName = "session"

// session is the cookie of the browser's session.
func (p *people) session(w http.ResponseWriter, r *http.Request) (string, error) {
	if c, err := r.Cookie(cookieName); err == nil {
		return c.Value, nil
	}
	value, err := p.begin(r.Context())
	if err == nil {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // it is for this machine, by http
	}
	return value, err
}

func (p *people) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	session, err := p.session(w, r)
	if refused(w, err) {
		return
	}
	code, err := p.authorize(r.Context(), session, q)
	if refused(w, err) {
		return
	}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.issuer}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

func (p *people) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who, err := p.userinfo(r.Context(), token)
	if refused(w, err) {
		return
	}
	answer(w, struct {
		Subject string `json:"sub"`
		Name    string `json:"name"`
		Email   string `json:"email"`
	}{who.id, who.name, who.email})
}

// serveStart answers the request of a device.
func (p *people) serveStart(w http.ResponseWriter, r *http.Request) {
	device, user, err := p.start(r.Context(), called(r), r.PostFormValue("scope"), r.RemoteAddr)
	if refused(w, err) {
		return
	}
	answer(w, struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
		Page       string `json:"verification_uri"`
		Complete   string `json:"verification_uri_complete"`
		ExpiresIn  int    `json:"expires_in"`
		Interval   int    `json:"interval"`
	}{device, user, p.issuer + "/device", p.issuer + "/device?user_code=" + user, 600, 5})
}

func called(r *http.Request) caller {
	id, secret, _ := r.BasicAuth()
	return caller{id, secret}
}

// The pages are as long as Countersign's, and say what those say.
var (
	//go:embed device.html
	deviceText string
	//go:embed done.html
	doneText string

	funcs      = template.FuncMap{"padding": func(n int) string { return strings.Repeat("x", n) }}
	devicePage = template.Must(template.New("device").Funcs(funcs).Parse(deviceText))
	donePage   = template.Must(template.New("done").Funcs(funcs).Parse(doneText))
)

// visited reads who is at the browser with the code in the form or the address.
func (p *people) visited(w http.ResponseWriter, r *http.Request) (visit, error) {
	session, err := p.session(w, r)
	if err != nil {
		return visit{}, err
	}
	return p.visit(r.Context(), session, r.FormValue("user_code"))
}

// show asks whether the device may, and notes that the code was opened.
func (p *people) show(w http.ResponseWriter, r *http.Request) {
	v, err := p.visited(w, r)
	if err == nil {
		err = p.open(r.Context(), v, r.RemoteAddr)
	}
	if !refused(w, err) {
		render(w, devicePage, v)
	}
}

// decide takes the answer, which is that it may.
func (p *people) decide(w http.ResponseWriter, r *http.Request) {
	v, err := p.visited(w, r)
	if err == nil && (v.found.Device.Grant.ID != "" || r.PostFormValue("decision") != "allow") {
		err = errors.New("there is nothing to decide")
	}
	if err == nil {
		err = p.allow(r.Context(), v, r.RemoteAddr)
	}
	if !refused(w, err) {
		render(w, donePage, v)
	}
}

func render(w http.ResponseWriter, page *template.Template, v visit) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, v) // who asked has gone
}

// kinds are the grant types that are exchanged, with the parameter of each.
var kinds = map[string]string{
	byCode: "code", byRefresh: "refresh_token", byDevice: "device_code",
}

const (
	byCode    = "authorization_code"
	byRefresh = "refresh_token"
	byDevice  = "urn:ietf:params:oauth:grant-type:device_code"
)

// exchange answers with tokens for what somebody has allowed.
func (p *people) exchange(w http.ResponseWriter, r *http.Request, kind string) {
	by, presented := called(r), r.PostForm.Get(kinds[kind])
	x, err := p.read(r.Context(), by, kind, presented)
	if err == nil {
		err = x.check(r.PostForm.Get("code_verifier"))
	}
	if refused(w, err) {
		return
	}
	access, refresh, err := p.issue(r.Context(), kind, presented, x)
	if refused(w, err) {
		return
	}
	answer(w, struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int    `json:"expires_in"`
		Scope        string `json:"scope"`
	}{access, refresh, p.key.identify(p.issuer, by.id, x), "bearer", 3600, x.scope})
}

var (
	errNothing = errors.New("there is nothing to exchange, or it was used before")
	errCaller  = errors.New("another secret")
)

// check checks that there is something to exchange, and its proof key.
func (x exchanged) check(verifier string) error {
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case x.grant == "":
		return errNothing
	case x.challenge != "" && subtle.ConstantTimeCompare([]byte(encode(sum[:])), []byte(x.challenge)) != 1:
		return errors.New("another verifier")
	default:
		return nil
	}
}

// refused answers that it cannot be done, if there is a reason.
func refused(w http.ResponseWriter, err error) bool {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err != nil
}
