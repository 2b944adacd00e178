// Package authz is the door for applications and resource owners: the protocol
// endpoints, and the pages on which people sign in and consent. Each flow is a
// package below; this one wires them, and holds the one list of routes.
package authz

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/authz/authorize"
	"countersign/authz/browser"
	"countersign/authz/clientjwt"
	"countersign/authz/consent"
	"countersign/authz/device"
	"countersign/authz/discovery"
	"countersign/authz/engine"
	"countersign/authz/forward"
	"countersign/authz/home"
	"countersign/authz/limit"
	"countersign/authz/login"
	"countersign/authz/logout"
	"countersign/authz/oauth1"
	"countersign/authz/outbound"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/authz/picture"
	"countersign/authz/registration"
	"countersign/authz/request"
	"countersign/authz/token"
	"countersign/authz/userinfo"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/logo"
	"countersign/storage/pushed"
	"countersign/storage/replay"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/subject"
)

// Config is what the door needs.
type Config struct {
	// Issuer is the server's identifier and address, byte for byte.
	Issuer string
	// Name is what the server is called on its pages, and Contact whom they
	// tell people to ask.
	Name, Contact string
	// Look is how its pages differ from those of other operators.
	Look      page.Look
	Lifetimes engine.Lifetimes
	// Registration is who may register clients by the endpoint; empty means
	// nobody.
	Registration registration.Mode
	// SignUp lets people create their accounts.
	SignUp bool
	// AdminSecondFactor tells people who may configure the server that its
	// administrators' pages ask for a second factor.
	AdminSecondFactor bool
	// Realm is that of OAuth 1.0a, empty for Countersign.
	Realm string
	// OSLC is what OSLC tools are told.
	OSLC OSLC
	// TeamworkCloud serves the endpoints under the paths of Teamwork Cloud's
	// authentication server as well.
	TeamworkCloud bool
	// Settings tells that the Settings application is served by the same
	// listener, so that the home page may lead there.
	Settings bool
	// Stopping is closed when the server stops.
	Stopping <-chan struct{}

	Tx           storage.Tx
	Accounts     *account.Store
	Sessions     *session.Store
	Interactions *interaction.Store
	Clients      *clientstore.Store
	Grants       *grant.Store
	Keys         *keyset.Store
	SignOut      *signout.Store
	Logos        *logo.Store
	Used         *replay.Store
	Pushed       *pushed.Store
	Subjects     *subject.Identifiers
	Audit        *audit.Store
	// Lender lends redirect URIs for administrators' tests.
	Lender clientstore.Lender
	// Failures keeps what clients are refused, for administrators.
	Failures *failure.Store
	// OutboundAllow lists networks that are not public and from which keys and
	// request objects of clients may be fetched.
	OutboundAllow []netip.Prefix

	// Measure is told of what is counted.
	Measure Measure
	Log     *slog.Logger
	// Asset returns the path of a style sheet or script.
	Asset func(name string) string
	Now   func() time.Time
}

// Measure is told of what is counted, in words that are few whatever strangers
// send. What is nil is not counted.
type Measure struct {
	// TokensIssued is told the grant type of an answer with tokens.
	TokensIssued func(grantType string)
	// Refused is told the error code of a request that was refused.
	Refused func(code string)
	// SignedIn is told the methods of a session that began, and SignInFailed
	// what was wrong with an attempt.
	SignedIn     func(methods string)
	SignInFailed func(reason string)
}

func (m Measure) complete() Measure {
	for _, f := range []*func(string){&m.TokensIssued, &m.Refused, &m.SignedIn, &m.SignInFailed} {
		if *f == nil {
			*f = func(string) {}
		}
	}
	return m
}

// OSLC is what OSLC tools are told that make friends with the server.
type OSLC struct {
	// Domain is what the URLs begin with that tokens open; the issuer where it
	// is empty.
	Domain string
	// Catalogs are those of the servers behind this one.
	Catalogs []discovery.Catalog
	// Approval is the page on which an administrator approves a consumer.
	Approval string
}

// temporaryLifetime is how long a request of OAuth 1.0a waits: as long as an
// interaction does.
const temporaryLifetime = interaction.Lifetime

// defaultRealm is that of OAuth 1.0a where no other is set.
const defaultRealm = "Countersign"

// door holds the flows.
type door struct {
	path       string // of the issuer, without a slash at its end
	origin     string // of the issuer
	imitates   bool   // the paths of Teamwork Cloud
	clients    *clientstore.Store
	failures   *failure.Store
	refused    func(code string)
	log        *slog.Logger
	pages      *page.Pages
	sameOrigin *http.CrossOriginProtection

	engine    *engine.Engine
	authorize *authorize.Handler
	login     *login.Handler
	consent   *consent.Handler
	device    *device.Handler
	home      *home.Handler
	picture   *picture.Handler
	logout    *logout.Handler
	token     *token.Handler
	userinfo  *userinfo.Handler
	discovery *discovery.Handler
	oauth1    *oauth1.Handler
	forward   *forward.Handler
	strangers *limit.Limiter // origins that no client has
	familiar  familiar

	registration *registration.Handler
}

// New returns the door. It fails when a page is missing or wrong.
func New(cfg Config) (*Door, error) {
	d, err := newDoor(cfg)
	if err != nil {
		return nil, err
	}
	return &Door{Handler: d.handler(), engine: d.engine, accounts: cfg.Accounts}, nil
}

func newDoor(cfg Config) (*door, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	cfg.Measure = cfg.Measure.complete()
	d := &door{
		path: strings.TrimSuffix(issuer.Path, "/"), origin: clientstore.Origin(cfg.Issuer), clients: cfg.Clients, failures: cfg.Failures, imitates: cfg.TeamworkCloud, refused: cfg.Measure.Refused,
		log: cfg.Log, sameOrigin: http.NewCrossOriginProtection(), strangers: limit.New(strangersPerSecond, strangersBurst, cfg.Now),
	}
	d.pages, err = page.New(page.Config{Name: cfg.Name, Contact: cfg.Contact, IssuerPath: d.path, Asset: cfg.Asset, Language: browser.New(issuer).Language, Scheme: browser.New(issuer).Scheme, Look: cfg.Look})
	if err != nil {
		return nil, err
	}
	d.sameOrigin.SetDenyHandler(d.answering(pages, func(http.ResponseWriter, *http.Request) error { return page.CrossSite() }))
	if err := d.wireProtocol(cfg, browser.New(issuer)); err != nil {
		return nil, err
	}
	return d, d.wirePages(cfg, browser.New(issuer))
}

func (d *door) wireProtocol(cfg Config, cookies browser.Cookies) (err error) {
	// A server on this very machine has its applications there too.
	fetch := outbound.New(outbound.Config{Local: isLoopback(cfg.Issuer), Allow: cfg.OutboundAllow})
	signed := clientjwt.New(clientjwt.Config{Clients: cfg.Clients, HTTP: fetch, Log: cfg.Log, Now: cfg.Now})
	d.engine = engine.New(engine.Config{
		Issuer: cfg.Issuer, Lifetimes: cfg.Lifetimes, Grants: cfg.Grants, Accounts: cfg.Accounts,
		Keys: cfg.Keys, Subjects: cfg.Subjects, ClientKeys: signed, Lender: cfg.Lender, Log: cfg.Log, Now: cfg.Now,
	})
	e := d.engine
	requests := request.New(request.Config{Issuer: cfg.Issuer, Signed: signed, Keys: cfg.Keys, HTTP: fetch, Clients: cfg.Clients, Log: cfg.Log, Now: cfg.Now})
	d.token = token.New(token.Config{
		Issuer: cfg.Issuer, Paths: d.tokenPaths(), Clients: cfg.Clients, Signed: signed, Used: cfg.Used, Grants: cfg.Grants, Engine: e, Issued: cfg.Measure.TokensIssued, Log: cfg.Log, Now: cfg.Now,
		OAuth1Subject: func(r *http.Request, by *clientstore.Client, authorization string) (*clientstore.Signing, error) {
			return d.oauth1.Subject(r, by, authorization)
		},
	})
	d.authorize = authorize.New(authorize.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Clients: cfg.Clients, Sessions: cfg.Sessions,
		Interactions: cfg.Interactions, Keys: cfg.Keys, Engine: e, Requests: requests, Pushed: cfg.Pushed, Authenticate: d.token.Authenticate, Refused: d.note, Pages: d.pages, Cookies: cookies, Log: cfg.Log, Now: cfg.Now,
		SignUp: cfg.SignUp, Lender: cfg.Lender, Approval: cfg.OSLC.Approval,
	})
	d.device = device.New(device.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Clients: cfg.Clients, Grants: cfg.Grants, Cookies: cookies, Pages: d.pages, Log: cfg.Log,
		Grant: e.DeviceGrant, AccessToken: cfg.Lifetimes.AccessToken, Offline: cfg.Lifetimes.RefreshAbsolute,
	})
	d.oauth1, err = oauth1.New(oauth1.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Realm: cmp.Or(cfg.Realm, defaultRealm), Clients: cfg.Clients, Lender: cfg.Lender, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Grants: cfg.Grants, Used: cfg.Used, Failures: cfg.Failures, Authenticate: d.token.Authenticate, Pages: d.pages, Cookies: cookies,
		Temporary: temporaryLifetime, Token: cfg.Lifetimes.OAuth1Token, Issued: cfg.Measure.TokensIssued, Approval: cfg.OSLC.Approval, Log: cfg.Log, Now: cfg.Now,
	})
	d.forward = forward.New(forward.Config{
		Issuer: cfg.Issuer, Inquire: d.token.InquireBySecret, Signed: d.signed, Schemes: d.schemes(),
		OAuth: d.oauth1.Challenge(nil), AuthorizationURL: d.oauth1.AuthorizationURL(),
	})
	d.userinfo = userinfo.New(userinfo.Config{
		Issuer: cfg.Issuer, Grants: cfg.Grants, Clients: cfg.Clients, Keys: cfg.Keys, ClientKeys: signed, Schemes: d.schemes(), Log: cfg.Log,
	})
	d.wireRegistration(cfg, fetch)
	return err
}

// wireRegistration wires what clients learn of the server and how they come to
// be known to it.
func (d *door) wireRegistration(cfg Config, fetch *http.Client) {
	mode := cmp.Or(cfg.Registration, registration.Off)
	d.registration = registration.New(registration.Config{
		Issuer: cfg.Issuer, Mode: mode, Clients: cfg.Clients, HTTP: fetch, Approval: cfg.OSLC.Approval, Log: cfg.Log, Now: cfg.Now, Stopping: cfg.Stopping,
	})
	d.discovery = discovery.New(discovery.Config{
		Issuer: cfg.Issuer, Keys: cfg.Keys, ResponseTypes: responseTypes(cfg.Clients), GrantTypes: grantTypes(cfg.Clients),
		Registration: mode != registration.Off, Prompts: d.authorize.Prompts(), TeamworkCloud: cfg.TeamworkCloud,
		Rootservices: discovery.Rootservices{
			Title: cfg.Name, Realm: cmp.Or(cfg.Realm, defaultRealm), Domain: cfg.OSLC.Domain, Approval: cfg.OSLC.Approval, Catalogs: cfg.OSLC.Catalogs,
		},
	})
}

func isLoopback(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip.IsLoopback()
}

func (d *door) wirePages(cfg Config, cookies browser.Cookies) error {
	passkeys, err := passkey.New(passkey.Config{Issuer: cfg.Issuer, Name: cfg.Name, Accounts: cfg.Accounts, Used: cfg.Used, Now: cfg.Now})
	if err != nil {
		return err
	}
	d.login = login.New(login.Config{
		IssuerPath: d.path, Tx: cfg.Tx, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Clients: cfg.Clients, Lender: cfg.Lender, Passkeys: passkeys, Cookies: cookies, Pages: d.pages, Log: cfg.Log, SignUp: cfg.SignUp,
		SignedIn: cfg.Measure.SignedIn, SignInFailed: cfg.Measure.SignInFailed,
	})
	d.consent = consent.New(consent.Config{
		IssuerPath: d.path, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Clients: cfg.Clients, Logos: cfg.Logos, Lender: cfg.Lender, Grants: cfg.Grants, Tx: cfg.Tx, Cookies: cookies, Pages: d.pages,
		AccessToken: cfg.Lifetimes.AccessToken, Offline: cfg.Lifetimes.RefreshAbsolute, OAuth1Token: cfg.Lifetimes.OAuth1Token,
	})
	d.home = home.New(home.Config{
		IssuerPath: d.path, Tx: cfg.Tx, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions, Clients: cfg.Clients, Logos: cfg.Logos,
		Grants: cfg.Grants, SignOut: cfg.SignOut, Audit: cfg.Audit, Passkeys: passkeys, Cookies: cookies, Pages: d.pages, Log: cfg.Log, Now: cfg.Now, SignUp: cfg.SignUp,
		Name: cfg.Name, AdminSecondFactor: cfg.AdminSecondFactor, Settings: cfg.Settings,
	})
	d.picture = picture.NewHandler(cfg.Logos)
	d.logout = logout.New(logout.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Clients: cfg.Clients,
		Keys: cfg.Keys, SignOut: cfg.SignOut, Subjects: cfg.Subjects, Cookies: cookies, Pages: d.pages, Log: cfg.Log, Asset: cfg.Asset,
	})
	return nil
}

// responseTypes are those of the authorization endpoint that the policy permits.
func responseTypes(clients *clientstore.Store) []string {
	return slices.DeleteFunc(slices.Clone(engine.ResponseTypes), func(r string) bool { return !clients.PermitsResponse(r) })
}

// grantTypes are those that a client may use: of the token endpoint's, what the
// policy permits, and implicit, which follows from the response types.
func grantTypes(clients *clientstore.Store) []string {
	all := append([]string{clientstore.GrantImplicit}, engine.GrantTypes...)
	return slices.DeleteFunc(all, func(g string) bool { return !clients.Permits(g) })
}
