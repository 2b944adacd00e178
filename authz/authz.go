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
	"strings"
	"time"

	"countersign/authz/authorize"
	"countersign/authz/browser"
	"countersign/authz/clientjwt"
	"countersign/authz/consent"
	"countersign/authz/device"
	"countersign/authz/discovery"
	"countersign/authz/engine"
	"countersign/authz/home"
	"countersign/authz/limit"
	"countersign/authz/login"
	"countersign/authz/logout"
	"countersign/authz/oauth1"
	"countersign/authz/outbound"
	"countersign/authz/page"
	"countersign/authz/passkey"
	"countersign/authz/registration"
	"countersign/authz/request"
	"countersign/authz/token"
	"countersign/authz/userinfo"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
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
	Lifetimes     engine.Lifetimes
	// Registration is who may register clients by the endpoint; empty means
	// nobody.
	Registration registration.Mode
	// SignUp lets people create their accounts.
	SignUp bool
	// AdminSecondFactor tells people who may configure the server that its
	// administrators' pages ask for a second factor.
	AdminSecondFactor bool
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
	Used         *replay.Store
	Pushed       *pushed.Store
	Subjects     *subject.Identifiers
	Audit        *audit.Store
	// OutboundAllow lists networks that are not public and from which keys and
	// request objects of clients may be fetched.
	OutboundAllow []netip.Prefix

	Log *slog.Logger
	// Asset returns the path of a style sheet or script.
	Asset func(name string) string
	Now   func() time.Time
}

// temporaryLifetime is how long a request of OAuth 1.0a waits: as long as an
// interaction does.
const temporaryLifetime = interaction.Lifetime

// door holds the flows.
type door struct {
	path       string // of the issuer, without a slash at its end
	origin     string // of the issuer
	clients    *clientstore.Store
	log        *slog.Logger
	pages      *page.Pages
	sameOrigin *http.CrossOriginProtection

	authorize *authorize.Handler
	login     *login.Handler
	consent   *consent.Handler
	device    *device.Handler
	home      *home.Handler
	logout    *logout.Handler
	token     *token.Handler
	userinfo  *userinfo.Handler
	discovery *discovery.Handler
	oauth1    *oauth1.Handler
	strangers *limit.Limiter // origins that no client has
	familiar  familiar

	registration *registration.Handler
}

// New returns the door. It fails when a page is missing or wrong.
func New(cfg Config) (http.Handler, error) {
	d, err := newDoor(cfg)
	if err != nil {
		return nil, err
	}
	return d.handler(), nil
}

func newDoor(cfg Config) (*door, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	d := &door{
		path: strings.TrimSuffix(issuer.Path, "/"), origin: clientstore.Origin(cfg.Issuer), clients: cfg.Clients,
		log: cfg.Log, sameOrigin: http.NewCrossOriginProtection(), strangers: limit.New(strangersPerSecond, strangersBurst, cfg.Now),
	}
	d.pages, err = page.New(page.Config{Name: cfg.Name, Contact: cfg.Contact, IssuerPath: d.path, Asset: cfg.Asset})
	if err != nil {
		return nil, err
	}
	d.sameOrigin.SetDenyHandler(d.answering(pages, func(http.ResponseWriter, *http.Request) error { return page.CrossSite() }))
	d.wireProtocol(cfg, browser.New(issuer))
	return d, d.wirePages(cfg, browser.New(issuer))
}

func (d *door) wireProtocol(cfg Config, cookies browser.Cookies) {
	// A server on this very machine has its applications there too.
	fetch := outbound.New(outbound.Config{Local: isLoopback(cfg.Issuer), Allow: cfg.OutboundAllow})
	signed := clientjwt.New(clientjwt.Config{Clients: cfg.Clients, HTTP: fetch, Log: cfg.Log, Now: cfg.Now})
	e := engine.New(engine.Config{
		Issuer: cfg.Issuer, Lifetimes: cfg.Lifetimes, Grants: cfg.Grants, Accounts: cfg.Accounts,
		Keys: cfg.Keys, Subjects: cfg.Subjects, ClientKeys: signed, Log: cfg.Log, Now: cfg.Now,
	})
	requests := request.New(request.Config{Issuer: cfg.Issuer, Signed: signed, Keys: cfg.Keys, HTTP: fetch, Clients: cfg.Clients, Log: cfg.Log, Now: cfg.Now})
	d.token = token.New(token.Config{
		Issuer: cfg.Issuer, Clients: cfg.Clients, Signed: signed, Used: cfg.Used, Grants: cfg.Grants, Engine: e, Log: cfg.Log, Now: cfg.Now,
	})
	d.authorize = authorize.New(authorize.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Clients: cfg.Clients, Sessions: cfg.Sessions,
		Interactions: cfg.Interactions, Keys: cfg.Keys, Engine: e, Requests: requests, Pushed: cfg.Pushed, Authenticate: d.token.Authenticate, Pages: d.pages, Cookies: cookies, Log: cfg.Log, Now: cfg.Now,
		SignUp: cfg.SignUp,
	})
	d.device = device.New(device.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Clients: cfg.Clients, Grants: cfg.Grants, Tx: cfg.Tx, Cookies: cookies, Pages: d.pages, Log: cfg.Log,
		Grant: e.DeviceGrant, AccessToken: cfg.Lifetimes.AccessToken, Offline: cfg.Lifetimes.RefreshAbsolute,
	})
	d.oauth1 = oauth1.New(oauth1.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Realm: "Countersign", Clients: cfg.Clients, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Grants: cfg.Grants, Used: cfg.Used, Authenticate: d.token.Authenticate, Pages: d.pages, Cookies: cookies,
		Temporary: temporaryLifetime, Token: cfg.Lifetimes.OAuth1Token, Log: cfg.Log, Now: cfg.Now,
	})
	d.userinfo = userinfo.New(userinfo.Config{Issuer: cfg.Issuer, Grants: cfg.Grants, Clients: cfg.Clients, Keys: cfg.Keys, ClientKeys: signed, Log: cfg.Log})
	mode := cmp.Or(cfg.Registration, registration.Off)
	d.registration = registration.New(registration.Config{
		Issuer: cfg.Issuer, Mode: mode, Clients: cfg.Clients, HTTP: fetch, Log: cfg.Log, Now: cfg.Now, Stopping: cfg.Stopping,
	})
	d.discovery = discovery.New(discovery.Config{
		Issuer: cfg.Issuer, Keys: cfg.Keys, ResponseTypes: engine.ResponseTypes, GrantTypes: grantTypes(cfg.Clients),
		Registration: mode != registration.Off, Prompts: d.authorize.Prompts(),
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
		Clients: cfg.Clients, Passkeys: passkeys, Cookies: cookies, Pages: d.pages, Log: cfg.Log, SignUp: cfg.SignUp,
	})
	d.consent = consent.New(consent.Config{
		IssuerPath: d.path, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions,
		Clients: cfg.Clients, Grants: cfg.Grants, Tx: cfg.Tx, Cookies: cookies, Pages: d.pages,
		AccessToken: cfg.Lifetimes.AccessToken, Offline: cfg.Lifetimes.RefreshAbsolute, OAuth1Token: cfg.Lifetimes.OAuth1Token,
	})
	d.home = home.New(home.Config{
		IssuerPath: d.path, Tx: cfg.Tx, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Interactions: cfg.Interactions, Clients: cfg.Clients,
		Grants: cfg.Grants, SignOut: cfg.SignOut, Audit: cfg.Audit, Passkeys: passkeys, Cookies: cookies, Pages: d.pages, Log: cfg.Log, Now: cfg.Now, SignUp: cfg.SignUp,
		Name: cfg.Name, AdminSecondFactor: cfg.AdminSecondFactor,
	})
	d.logout = logout.New(logout.Config{
		Issuer: cfg.Issuer, IssuerPath: d.path, Accounts: cfg.Accounts, Sessions: cfg.Sessions, Clients: cfg.Clients,
		Keys: cfg.Keys, SignOut: cfg.SignOut, Subjects: cfg.Subjects, Cookies: cookies, Pages: d.pages, Log: cfg.Log, Asset: cfg.Asset,
	})
	return nil
}

// grantTypes are those that a client may use: of the token endpoint's, what the
// policy permits, and implicit, which follows from the response types.
func grantTypes(clients *clientstore.Store) []string {
	permitted := []string{clientstore.GrantImplicit}
	for _, g := range engine.GrantTypes {
		if clients.Permits(g) {
			permitted = append(permitted, g)
		}
	}
	return permitted
}
