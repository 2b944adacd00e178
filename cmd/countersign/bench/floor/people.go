package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // for the pages
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// person is who uses the browser, with what they allowed the client before.
type person struct{ id, name, email, consented string }

// people serves the flows in which somebody is at a browser, with as many
// statements as Countersign runs, which keep and change as many rows. Whoever comes
// without a session gets one at once.
type people struct {
	pool   *pgxpool.Pool
	issuer string
	key    *key
}

// openPeople makes the tables of what people do.
func openPeople(ctx context.Context, database postgres, h *handler) (*people, error) {
	for _, statement := range peopleSchema {
		if _, err := database.pool.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("make tables: %w", err)
		}
	}
	return &people{database.pool, h.issuer, h.key}, nil
}

func (p *people) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("POST /device_authorization", p.start)
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

const cookie = "session"

// session is the browser's, as it is kept. A new one is not measured.
func (p *people) session(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if c, err := r.Cookie(cookie); err == nil {
		return mac(c.Value), nil
	}
	text := opaque()
	if _, err := p.pool.Exec(r.Context(), insertPerson, rand.Text(), mac(text), time.Now().Add(time.Hour).Unix()); err != nil {
		return nil, err
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: text, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // it is for this machine, by http
	return mac(text), nil
}

// authorize sends a code to who has consented, which everybody has.
func (p *people) authorize(w http.ResponseWriter, r *http.Request) {
	q, ctx := r.URL.Query(), r.Context()
	session, err := p.session(w, r)
	if refused(w, err) {
		return
	}
	var who person
	if refused(w, p.pool.QueryRow(ctx, selectPerson, session, q.Get("client_id")).Scan(&who.id, &who.name, &who.email, &who.consented)) {
		return
	}
	code := opaque()
	if _, err := p.pool.Exec(ctx, insertCode, mac(code), rand.Text(), who.id, q.Get("client_id"), q.Get("scope"), time.Now().Unix(),
		q.Get("code_challenge"), q.Get("nonce")); refused(w, err) {
		return
	}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.issuer}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

func (p *people) userinfo(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var who person
	var scope string
	if refused(w, p.pool.QueryRow(r.Context(), selectAccess, mac(token), time.Now().Unix()).Scan(&scope, &who.id, &who.name, &who.email)) {
		return
	}
	answer(w, struct {
		Subject string `json:"sub"`
		Name    string `json:"name"`
		Email   string `json:"email"`
	}{who.id, who.name, who.email})
}

// start answers the request of a device.
func (p *people) start(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	var kept []byte
	err := p.pool.QueryRow(r.Context(), selectClient, id).Scan(&kept)
	if !ok || err == nil && !right(kept, secret) {
		err = errors.New("another secret")
	}
	device, user := opaque(), rand.Text()[:8]
	if err == nil {
		_, err = p.pool.Exec(r.Context(), insertDevice, mac(device), user, id, r.PostFormValue("scope"), r.RemoteAddr, time.Now().Add(time.Minute*10).Unix())
	}
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

// visit is somebody with the code of a device.
type visit struct {
	Who          person
	session      []byte
	Name         string
	UserCode     string
	Client, From string
	Scope        string
	Scopes       []string
	open         bool
}

func (p *people) visit(w http.ResponseWriter, r *http.Request) (v visit, err error) {
	v.UserCode = r.FormValue("user_code")
	if v.session, err = p.session(w, r); err != nil {
		return v, err
	}
	var grant pgtype.Text
	err = p.pool.QueryRow(r.Context(), selectVisit, v.session, v.UserCode).
		Scan(&v.Who.id, &v.Name, &v.Who.email, &v.Client, &v.Scope, &v.From, &grant, &v.Who.consented)
	v.Scopes, v.open = strings.Fields(v.Scope), !grant.Valid
	return v, err
}

// show asks whether the device may, and notes that the code was opened.
func (p *people) show(w http.ResponseWriter, r *http.Request) {
	v, err := p.visit(w, r)
	if err == nil {
		_, err = p.pool.Exec(r.Context(), openDevice, v.Who.id, r.RemoteAddr, v.UserCode, v.session)
	}
	if !refused(w, err) {
		render(w, devicePage, v)
	}
}

// decide takes the answer, which is that it may.
func (p *people) decide(w http.ResponseWriter, r *http.Request) {
	v, err := p.visit(w, r)
	if err == nil && (!v.open || r.PostFormValue("decision") != "allow") {
		err = errors.New("there is nothing to decide")
	}
	if err == nil {
		_, err = p.pool.Exec(r.Context(), allowDevice, v.UserCode, rand.Text(), v.Who.id, v.Client, v.Scope, time.Now().Unix(), r.RemoteAddr)
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

// exchanged is what a code or a refresh token was given for.
type exchanged struct{ grant, account, scope, challenge, nonce pgtype.Text }

// way is how one kind of what is exchanged is read and spent.
type way struct{ parameter, read, spend string }

var ways = map[string]way{
	"authorization_code": {"code", readCode, spendCode},
	"refresh_token":      {"refresh_token", readRefresh, spendRefresh},
	"urn:ietf:params:oauth:grant-type:device_code": {"device_code", readDevice, spendDevice},
}

// exchange answers with tokens for what somebody has allowed.
func (p *people) exchange(w http.ResponseWriter, r *http.Request, by way) {
	ctx, old := r.Context(), mac(r.PostForm.Get(by.parameter))
	x, err := p.read(ctx, r, by, old)
	if refused(w, err) {
		return
	}
	access, refresh := opaque(), opaque()
	done, err := p.pool.Exec(ctx, by.spend, old, mac(access), mac(refresh), x.grant.String, x.scope.String, time.Now().Unix()+3600)
	if err == nil && done.RowsAffected() == 0 {
		err = errors.New("it was used before")
	}
	if refused(w, err) {
		return
	}
	id, _, _ := r.BasicAuth()
	answer(w, struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int    `json:"expires_in"`
		Scope        string `json:"scope"`
	}{access, refresh, p.key.identify(p.issuer, id, x), "bearer", 3600, x.scope.String})
}

// read reads the client with what is exchanged, in one statement.
func (p *people) read(ctx context.Context, r *http.Request, by way, old []byte) (x exchanged, err error) {
	id, secret, _ := r.BasicAuth()
	var kept []byte
	err = p.pool.QueryRow(ctx, by.read, id, old).Scan(&kept, &x.grant, &x.account, &x.scope, &x.challenge, &x.nonce)
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case err != nil:
	case !right(kept, secret) || !x.grant.Valid:
		err = errors.New("another secret, or nothing to exchange")
	case x.challenge.Valid && subtle.ConstantTimeCompare([]byte(encode(sum[:])), []byte(x.challenge.String)) != 1:
		err = errors.New("another verifier")
	}
	return x, err
}

// refused answers that it cannot be done, if there is a reason.
func refused(w http.ResponseWriter, err error) bool {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err != nil
}
