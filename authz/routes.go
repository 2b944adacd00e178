package authz

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"countersign/authz/discovery"
	"countersign/authz/forward"
	"countersign/authz/oauth1"
	"countersign/authz/page"
)

// dialect is how a group of routes answers errors, and what guards it.
type dialect string

const (
	// pages are for people: HTML, sent from our own pages only.
	pages dialect = "page"
	// front is the authorization endpoint: HTML for people, and a form that
	// other sites may send, because that is what it is for (OpenID Connect
	// Core 1.0, section 3.1.2.1). It changes nothing before somebody signs in
	// or consents on a page of ours.
	front dialect = "front"
	// machine is for clients: JSON, no cookies.
	machine dialect = "machine"
	// script is what machine is, and open to applications that run in the
	// browser: scripts may read the answers if their origin is one of an
	// approved client.
	script dialect = "script"
	// consumer is for clients of OAuth 1.0a: forms and challenges, no cookies. It
	// is as open to scripts as script is.
	consumer dialect = "consumer"
	// proxy is for reverse proxies that ask whether to let a request through:
	// challenges that they pass on, no cookies.
	proxy dialect = "proxy"
	// document is for anybody: JSON or XML that may be kept.
	document dialect = "document"
)

// route is one path with its handlers by method.
type route struct {
	path    string // under the issuer's path
	dialect dialect
	methods map[string]serve
}

// serve is a handler that returns what it cannot answer.
type serve func(http.ResponseWriter, *http.Request) error

// routes is every route of the door.
func (d *door) routes() []route {
	return append(d.standard(), d.teamworkCloud()...)
}

// standard are the routes that every server has.
func (d *door) standard() []route {
	return []route{
		{"/authorize", front, on(d.authorize.Start, "GET", "POST")},
		{"/authorize/resume", pages, on(d.authorize.Resume, "GET")},
		{"/login", pages, form(d.login.Show, d.login.Submit)},
		{"/login/second", pages, form(d.login.ShowSecond, d.login.SubmitSecond)},
		{"/login/passkey", pages, on(d.login.SubmitPasskey, "POST")},
		{"/sign-up", pages, form(d.login.ShowSignUp, d.login.SubmitSignUp)},
		{"/consent", pages, form(d.consent.Show, d.consent.Decide)},
		{"/device", pages, form(d.device.Show, d.device.Submit)},
		{"/logout", pages, form(d.logout.Ask, d.logout.SignOut)},
		{"/end_session", front, map[string]serve{"GET": d.logout.Start, "POST": d.logout.StartByPost}},
		{"/session/iframe", machine, on(d.logout.Frame, "GET", "HEAD")},
		{"/logo/{picture}", pages, on(d.picture.Serve, "GET", "HEAD")},

		{"/language", pages, on(d.home.SetLanguage, "POST")},
		{"/scheme", pages, on(d.home.SetScheme, "POST")},
		{"/", pages, on(d.home.Show, "GET", "HEAD")},
		{"/account/applications", pages, on(d.home.Applications, "GET", "HEAD")},
		{"/account/applications/remove", pages, form(d.home.AskRemove, d.home.Remove)},
		{"/account/sessions", pages, form(d.home.ShowSessions, d.home.EndSessions)},
		{"/account/profile", pages, form(d.home.ShowProfile, d.home.SetProfile)},
		{"/account/password", pages, form(d.home.ShowPassword, d.home.ChangePassword)},
		{"/.well-known/change-password", pages, on(d.home.ToPassword, "GET", "HEAD")},
		{"/account/security", pages, on(d.home.Security, "GET", "HEAD")},
		{"/account/authenticator", pages, form(d.home.ShowAuthenticator, d.home.AddAuthenticator)},
		{"/account/authenticator/remove", pages, form(d.home.AskRemoveAuthenticator, d.home.RemoveAuthenticator)},
		{"/account/passkeys", pages, form(d.home.ShowPasskey, d.home.AddPasskey)},
		{"/account/passkeys/remove", pages, form(d.home.AskRemovePasskey, d.home.RemovePasskey)},
		{"/account/recovery-codes", pages, form(d.home.AskRecoveryCodes, d.home.NewRecoveryCodes)},
		{"/account/activity", pages, on(d.home.Activity, "GET", "HEAD")},

		{"/token", script, on(d.token.Issue, "POST")},
		{"/device_authorization", machine, on(d.token.AuthorizeDevice, "POST")},
		{"/par", script, on(d.authorize.Push, "POST")},
		{"/introspect", machine, on(d.token.Introspect, "POST")},
		{"/revoke", script, on(d.token.Revoke, "POST")},
		{"/userinfo", script, on(d.userinfo.Serve, "GET", "POST")},

		{"/oauth1/request_token", consumer, on(d.oauth1.RequestToken, "GET", "POST")},
		{"/oauth1/authorize", front, on(d.oauth1.Authorize, "GET")},
		{oauth1.ResumePath, pages, on(d.oauth1.Resume, "GET")},
		{"/oauth1/access_token", consumer, on(d.oauth1.AccessToken, "POST")},
		{"/oauth1/verify", consumer, on(d.oauth1.Verify, "GET", "POST")},
		{"/oauth1/register", script, on(d.registration.RegisterConsumer, "POST")},

		{forward.Nginx.Path, proxy, on(d.forward.For(forward.Nginx), "GET")},
		{forward.Traefik.Path, proxy, on(d.forward.For(forward.Traefik), "GET")},
		{forward.Caddy.Path, proxy, on(d.forward.For(forward.Caddy), "GET")},

		{"/register", machine, on(d.registration.Register, "POST")},
		{"/register/{client_id}", machine, map[string]serve{"GET": d.registration.Read, "PUT": d.registration.Replace, "DELETE": d.registration.Remove}},

		{"/.well-known/openid-configuration", document, on(d.discovery.Configuration, "GET", "HEAD")},
		{"/.well-known/oauth-authorization-server", document, on(d.discovery.AuthorizationServer, "GET", "HEAD")},
		{"/.well-known/jwks.json", document, on(d.discovery.Keys, "GET", "HEAD")},
		{discovery.RootservicesPath, document, on(d.discovery.Rootservices, "GET", "HEAD")},
	}
}

// on gives several methods the same handler.
func on(s serve, methods ...string) map[string]serve {
	m := map[string]serve{}
	for _, method := range methods {
		m[method] = s
	}
	return m
}

// form is a page that shows a form, and what takes the form.
func form(show, submit serve) map[string]serve {
	return map[string]serve{"GET": show, "HEAD": show, "POST": submit}
}

// handler returns the routes as one handler. Paths are matched as they were
// sent: nothing is cleaned or decoded, so that no two paths reach one handler
// by different guards.
func (d *door) handler() http.Handler {
	r := &router{exact: map[string]http.Handler{}, patterns: mux.NewRouter().SkipClean(true).UseEncodedPath()}
	for _, route := range d.routes() {
		r.add(d.path+route.path, d.guard(route))
	}
	if d.path != "" {
		// RFC 8414, section 3.1, puts the issuer's path behind its own.
		inserted := route{"", document, on(d.discovery.AuthorizationServer, "GET", "HEAD")}
		r.add("/.well-known/oauth-authorization-server"+d.path, d.guard(inserted))
	}
	r.patterns.NotFoundHandler = d.answering(pages, d.notFound)
	return r
}

// router finds a path without variables in one step, as nearly all are, where
// patterns are tried one after the other.
type router struct {
	exact    map[string]http.Handler // by the path as it was sent
	patterns *mux.Router
}

func (r *router) add(path string, h http.Handler) {
	if strings.Contains(path, "{") {
		r.patterns.Path(path).Handler(h)
		return
	}
	r.exact[path] = h
}

func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if h := r.exact[req.URL.EscapedPath()]; h != nil {
		h.ServeHTTP(w, req)
		return
	}
	r.patterns.ServeHTTP(w, req)
}

// guard puts in front of a route what its dialect promises.
func (d *door) guard(route route) http.Handler {
	h := d.answering(route.dialect, func(w http.ResponseWriter, r *http.Request) error {
		return route.methods[r.Method](w, r)
	})
	switch route.dialect {
	case pages:
		h = d.sameOrigin.Handler(page.Listen(h))
	case front:
		h = page.Listen(h)
	case machine, script, document, consumer, proxy:
	}
	refuse := d.answering(route.dialect, func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Allow", allow(route.methods))
		return errMethod
	})
	return d.shared(route, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route.methods[r.Method] == nil {
			refuse.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

func allow(methods map[string]serve) string {
	var known []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		if methods[m] != nil {
			known = append(known, m)
		}
	}
	return strings.Join(known, ", ")
}
