package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The least that a password hash may cost where others than this machine sign
// in (OWASP Password Storage Cheat Sheet).
const (
	minPasswordMemory = 19456 // KiB
	minPasswordPasses = 2
)

// minPublishBefore is twice the max-age of the key set document.
const minPublishBefore = 10 * time.Minute

// derive fills in what follows from other settings.
func (c *Config) derive(origin map[string]string) {
	if c.Issuer == "" || origin["listen"] != "" && origin["issuer"] == "" {
		c.Issuer = c.derivedIssuer()
	}
	if c.Compat == CompatTeamworkCloud && origin["oauth1_realm"] == "" {
		c.OAuth1Realm = teamworkCloudRealm
	}
	if c.PasswordMemory > 0 && c.PasswordPasses == 0 {
		c.PasswordPasses = minPasswordPasses
	}
	if c.PasswordPasses > 0 && c.PasswordMemory == 0 {
		c.PasswordMemory = minPasswordMemory
	}
}

// derivedIssuer is the issuer of a server that only this machine reaches, empty
// where it is not known.
func (c *Config) derivedIssuer() string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || !IsLoopback(host) || port == "0" {
		return ""
	}
	return c.localIssuer(port)
}

func (c *Config) localIssuer(port string) string {
	scheme := "http"
	if c.TLS() {
		scheme = "https"
	}
	return scheme + "://localhost:" + port
}

// Listening completes a configuration that left the port to the system: the
// issuer can only be known once the server listens.
func (c *Config) Listening(addr net.Addr) {
	if c.Issuer != "" {
		return
	}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		c.Issuer = c.localIssuer(strconv.Itoa(tcp.Port))
	}
}

// Warnings says, a sentence each, what is accepted but risky.
func (c *Config) Warnings() []string {
	var list []string
	for _, risk := range []struct {
		taken bool
		text  string
	}{
		{
			c.PasswordMemory > 0 && (c.PasswordMemory < minPasswordMemory || c.PasswordPasses < minPasswordPasses),
			"passwords are hashed more cheaply than is safe; this is accepted because the issuer is a loopback address",
		},
		{c.privateExposed(), "private_listen is an address that other machines may reach; metrics are served there without sign-in"},
		{
			c.AdminListen != "" && c.AdminURL == "",
			"admin_listen is set and admin_url is not: the rootservices document and the answers to consumers lead administrators " +
				"to the issuer, where their pages are not; set admin_url to the URL by which they reach admin_listen",
		},
		{
			strings.HasPrefix(c.Issuer, "https:") && !c.TLS() && len(c.TrustedProxies) == 0,
			"the issuer is https and something in front speaks TLS, but trusted_proxies is empty: " +
				"to the throttles and the audit trail everybody has the proxy's address; set trusted_proxies to it",
		},
		{
			c.FourEyes && c.Registration == "open",
			"four_eyes is set and registration is open: an administrator can register a client as anybody can, " +
				"and approve it alone; set registration to token or off",
		},
	} {
		if risk.taken {
			list = append(list, risk.text)
		}
	}
	return list
}

// privateExposed reports whether other machines may reach the private listener.
func (c *Config) privateExposed() bool {
	host, _, err := net.SplitHostPort(c.PrivateListen)
	return err == nil && !IsLoopback(host)
}

// BehindProxy reports whether a listener speaks plain http to other machines,
// which is for the trusted proxies only.
func (c *Config) BehindProxy(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && !IsLoopback(host) && !c.TLS()
}

func (c *Config) validate(origin map[string]string) error {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, &SettingError{key, origin[key], fmt.Sprintf(format, args...)})
	}
	if text := c.issuerFault(); text != "" {
		fault("issuer", "%s", text)
	}
	c.validateDatabase(fault)
	c.validateListeners(fault)
	c.validateTLS(fault)
	c.validateChoices(fault)
	c.validateDurations(fault)
	c.validateNumbers(fault)
	c.validateOSLC(fault)
	c.validateNotices(fault)
	c.validateBrand(fault)
	return errors.Join(faults...)
}

type faulter func(key, format string, args ...any)

func (c *Config) issuerFault() string {
	if c.Issuer == "" {
		if _, port, err := net.SplitHostPort(c.Listen); err == nil && port == "0" && c.loopbackListen() {
			return "" // see Listening
		}
		return "is required when listen is not a loopback address; set it to the URL that browsers use, like https://id.example.org"
	}
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return "cannot be read as a URL; write it like https://id.example.org"
	}
	if text := issuerShape(c.Issuer, u); text != "" {
		return text
	}
	if u.Scheme == "http" && !IsLoopback(u.Hostname()) {
		return "must be https, because passwords and tokens travel over it; http is for a loopback host like localhost only"
	}
	if u.Scheme == "http" && c.TLS() {
		return "is http, but tls_certificate is set; write it with https"
	}
	return ""
}

// issuerShape checks how the issuer is written, whoever may reach it.
func issuerShape(raw string, u *url.URL) string {
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "", "must be an absolute URL; write it like https://id.example.org"},
		{u.User != nil, "must not hold a user or password; write it like https://id.example.org"},
		{strings.ContainsAny(raw, "?#"), "must have no query and no fragment; remove what follows the ? or #"},
		{strings.HasSuffix(raw, "/"), "must not end with a slash, because applications compare it byte for byte; remove the slash"},
		{ambiguousPath(raw, u), "has a path that can be written in more than one way; use plain segments like /auth"},
		{ambiguousHost(u), "must have its host in lower case, in ASCII and without a dot at the end"},
		{impliedPort(u), "names the port that its scheme means anyway; leave out :" + u.Port()},
		{strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()), "has a port that is none; use 1 to 65535 or leave it out"},
		{raw != u.String(), "is not in the form that clients would compare; write it as " + u.String()},
	} {
		if rule.broken {
			return rule.text
		}
	}
	return ""
}

func ambiguousPath(raw string, u *url.URL) bool {
	return u.Path != "" && (u.RawPath != "" || path.Clean(u.Path) != u.Path || strings.ContainsAny(raw, "%;\\ "))
}

func ambiguousHost(u *url.URL) bool {
	return strings.ToLower(u.Host) != u.Host || strings.HasSuffix(u.Hostname(), ".") || !ascii(u.Host)
}

func impliedPort(u *url.URL) bool {
	return u.Port() == "443" && u.Scheme == "https" || u.Port() == "80" && u.Scheme == "http"
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 1<<16
}

// IsLoopback reports whether a host is this machine by name or by address,
// without asking a name server.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// AdminMFA reports whether the administrators' pages ask for a second factor.
func (c *Config) AdminMFA() bool {
	return c.RequireAdminMFA == "on" || c.RequireAdminMFA == "auto" && !c.LoopbackIssuer()
}

// LoopbackIssuer reports whether only this machine can use the server.
func (c *Config) LoopbackIssuer() bool {
	return c.Issuer == "" && c.loopbackListen() || IsLoopback(c.IssuerURL().Hostname())
}

func (c *Config) loopbackListen() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && IsLoopback(host)
}

func (c *Config) validateListeners(fault faulter) {
	listeners := map[string]string{"listen": c.Listen, "admin_listen": c.AdminListen, "private_listen": c.PrivateListen}
	seen := map[string]string{}
	for _, key := range []string{"listen", "admin_listen", "private_listen"} {
		addr := listeners[key]
		if addr == "" && key != "listen" {
			continue
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil || port != "0" && !validPort(port) {
			fault(key, "%q is not an address with a port; write it like 127.0.0.1:8080", addr)
			continue
		}
		if other := seen[addr]; other != "" && port != "0" {
			fault(key, "is the same address as %s; give each its own port", other)
		}
		seen[addr] = key
		if key != "private_listen" && c.exposed(host) {
			fault(key, "other machines can reach %s, and without TLS everybody between could read passwords and tokens; "+
				"set tls_certificate and tls_key, or set trusted_proxies to the address of the proxy in front that speaks TLS, "+
				"or listen on 127.0.0.1", addr)
		}
	}
}

// exposed reports whether other machines would speak plain http to a listener
// on host.
func (c *Config) exposed(host string) bool {
	return !IsLoopback(host) && !c.TLS() && len(c.TrustedProxies) == 0
}

func (c *Config) validateTLS(fault faulter) {
	if c.TLSCertificate != "" && c.TLSKey == "" {
		fault("tls_key", "is missing; tls_certificate needs the file with its private key")
	}
	if c.TLSKey != "" && c.TLSCertificate == "" {
		fault("tls_certificate", "is missing; tls_key needs the file with its certificate")
	}
	for _, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			fault("trusted_proxies", "%s trusts everybody, who could then claim any address; name the proxies' own", p)
		}
	}
}

func (c *Config) validateChoices(fault faulter) {
	oneOf := func(key, value string, choices ...string) {
		if !slices.Contains(choices, value) {
			fault(key, "%q is not known; use %s", value, strings.Join(choices, " or "))
		}
	}
	oneOf("policy", c.Policy, "default", "strict")
	oneOf("registration", c.Registration, "open", "token", "off")
	oneOf("sign_up", c.SignUp, "off", "open")
	oneOf("require_admin_mfa", c.RequireAdminMFA, "on", "off", "auto")
	oneOf("log_format", c.LogFormat, "auto", "text", "json")
	if c.Data == "" {
		fault("data", "is empty; name a folder")
	}
	if strings.TrimSpace(c.Name) == "" {
		fault("name", "is empty; pages need something to call this server")
	}
	if strings.TrimSpace(c.Contact) == "" {
		fault("contact", "is empty; pages need to say whom to ask")
	}
}

func (c *Config) validateDurations(fault faulter) {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"session_idle", c.SessionIdle},
		{"session_absolute", c.SessionAbsolute},
		{"code_lifetime", c.CodeLifetime},
		{"access_token_lifetime", c.AccessTokenLifetime},
		{"id_token_lifetime", c.IDTokenLifetime},
		{"refresh_idle", c.RefreshIdle},
		{"refresh_absolute", c.RefreshAbsolute},
		{"oauth1_token_lifetime", c.OAuth1TokenLifetime},
		{"registration_pending_lifetime", c.RegistrationPendingLifetime},
	} {
		if d.value < time.Second {
			fault(d.key, "%s is too short; use 1s or more", d.value)
		}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"refresh_grace", c.RefreshGrace},
		{"key_rotation", c.KeyRotation},
		{"key_publish_before", c.KeyPublishBefore},
		{"registration_unused_lifetime", c.RegistrationUnusedLifetime},
	} {
		if d.value < 0 {
			fault(d.key, "%s is negative; use 0 to turn it off", d.value)
		}
	}
	if c.CodeLifetime > 10*time.Minute {
		fault("code_lifetime", "%s is too long for a code that passes through browsers; use 10m or less (RFC 6749, section 4.1.2)", c.CodeLifetime)
	}
	if c.RefreshGrace > 5*time.Minute {
		fault("refresh_grace", "%s would let a stolen token live on; use 5m or less", c.RefreshGrace)
	}
	if c.KeyPublishBefore >= 0 && c.KeyPublishBefore < minPublishBefore && !c.LoopbackIssuer() {
		fault("key_publish_before", "%s is shorter than applications may keep the old keys; use %s or more",
			c.KeyPublishBefore, showDuration(minPublishBefore))
	}
	if c.KeyRotation > 0 && c.KeyRotation <= c.KeyPublishBefore {
		fault("key_rotation", "%s leaves no time between key_publish_before and the next rotation; use a longer one", c.KeyRotation)
	}
}

func (c *Config) validateNumbers(fault faulter) {
	if c.DatabaseMaxConns < 1 {
		fault("database_max_conns", "%d connections are too few; use 1 or more", c.DatabaseMaxConns)
	}
	if c.RegistrationMaxPending < 1 {
		fault("registration_max_pending", "%d lets nobody wait; use 1 or more, or set registration to token or off", c.RegistrationMaxPending)
	}
	const mebibyte64 = 64 << 20 // in KiB: what argon2 can be asked for without overflow
	if c.PasswordMemory < 0 || c.PasswordMemory > mebibyte64 {
		fault("password_memory", "%d KiB is out of range; use 0 to let the server measure", c.PasswordMemory)
	}
	if c.PasswordPasses < 0 || c.PasswordPasses > 1000 {
		fault("password_passes", "%d is out of range; use 0 to let the server measure", c.PasswordPasses)
	}
	if c.LoopbackIssuer() {
		return
	}
	if c.PasswordMemory > 0 && c.PasswordMemory < minPasswordMemory {
		fault("password_memory", "%d KiB is too little to protect passwords; use %d or more, or 0 to let the server measure", c.PasswordMemory, minPasswordMemory)
	}
	if c.PasswordPasses > 0 && c.PasswordPasses < minPasswordPasses {
		fault("password_passes", "%d is too few to protect passwords; use %d or more, or 0 to let the server measure", c.PasswordPasses, minPasswordPasses)
	}
}
