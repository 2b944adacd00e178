// Package config reads the server's configuration: defaults, then a file, then
// the environment, then flags. It refuses what it does not know and says what
// is wrong in one go. It opens nothing but the files that hold secrets.
package config

import (
	"cmp"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"

	"countersign/storage"
)

// Config is the whole configuration. The comment of each field is its entry in
// docs/configuration.md, for operators.
type Config struct {
	// Issuer is the URL by which applications and browsers know this server.
	// Everything that the server says about itself starts with it, and
	// applications compare it byte for byte. It is https, or http on a loopback
	// host; it may have a path and has no query, no fragment and no slash at
	// the end. When only `listen` is set, to a loopback address, it follows
	// from there.
	Issuer string `config:"issuer" usage:"URL by which applications know this server"`
	// Listen is the address and port that the server listens on. An address
	// that other machines reach needs `tls_certificate` and `tls_key`, or a
	// proxy in front that `trusted_proxies` names.
	Listen string `config:"listen" usage:"address and port to listen on"`
	// AdminListen moves the administrators' pages to an address of their own;
	// they are then served there and nowhere else.
	AdminListen string `config:"admin_listen" usage:"address and port for administrators only"`
	// AdminURL is the URL by which browsers reach the administrators' pages when
	// `admin_listen` has moved them, up to where the path of a page begins. It
	// is what this server writes where it sends an administrator to a page, such
	// as the one that approves a consumer. Without it that is the issuer.
	AdminURL string `config:"admin_url" usage:"URL by which administrators reach their pages"`
	// PrivateListen serves /metrics, and /livez and /readyz with details, for
	// the machines that watch this one. It is plain http without sign-in, so it
	// belongs on an address that only they reach.
	PrivateListen string `config:"private_listen" usage:"address and port for metrics and health"`
	// Data is the folder for what the server keeps in files: the SQLite
	// database and the key-encryption key.
	Data string `config:"data" usage:"folder for the database and the key-encryption key"`
	// Database names the database: sqlite:///path/to/file or
	// postgres://user:password@host/name. Without it, it is countersign.db in
	// the data folder. With a password in it, give it by the environment or by
	// `database_file`: every user of the machine can read arguments.
	Database Secret `config:"database" usage:"database URL; in the data folder when empty"`
	// DatabaseFile names a file that holds `database`.
	DatabaseFile string `config:"database_file" usage:"file that holds the database URL"`
	// Secret is the key-encryption key, as 64 hexadecimal digits; make one with
	// `openssl rand -hex 32`. With SQLite the first start makes it, in the file
	// `secret` of the data folder. Whoever loses it loses what it seals: keep a
	// copy apart from the database's backups.
	Secret Secret `config:"secret" usage:"key-encryption key"`
	// SecretFile names a file that holds `secret`.
	SecretFile string `config:"secret_file" usage:"file that holds the key-encryption key"`
	// TLSCertificate names the file with the certificate and its chain, as PEM.
	// It is read again when it changes and on SIGHUP.
	TLSCertificate string `config:"tls_certificate" usage:"file with the TLS certificate and its chain"`
	// TLSKey names the file with the certificate's private key, as PEM.
	TLSKey string `config:"tls_key" usage:"file with the TLS certificate's key"`
	// TrustedProxies lists the addresses, or networks in CIDR form, of the
	// proxies in front of this server. X-Forwarded-For is believed from them
	// and from nobody else, and only they may ask at the addresses of
	// forward-auth.
	TrustedProxies []netip.Prefix `config:"trusted_proxies" usage:"addresses or networks of the proxies in front"`
	// OutboundAllow lists the networks, in CIDR form, that this server may reach
	// to deliver logout tokens and to fetch keys, request objects, lists of
	// redirect URIs and logos although they are not public. Whoever registers an
	// application could else make it speak to machines that only it reaches. A
	// server on a loopback issuer may reach this machine and private networks.
	// Certificates are held against the authorities of the system, or, on Linux,
	// those in the file that the environment variable SSL_CERT_FILE names.
	OutboundAllow []netip.Prefix `config:"outbound_allow" usage:"networks that are reached although they are not public"`
	// Policy is `default`, or `strict` to refuse to register what RFC 9700
	// advises against: the password grant, tokens in authorization responses
	// and http redirects.
	Policy string `config:"policy" usage:"default or strict"`
	// ClientsFile names a clients file, which is applied when the server starts
	// and again on SIGHUP: see clients-as-a-file.md. A file that cannot be used
	// stops a start; on SIGHUP the clients stay as they are, and the log says
	// what is wrong.
	ClientsFile string `config:"clients_file" usage:"file with the clients that this server has"`
	// Registration is who may register clients by the registration endpoint:
	// `open` for anybody, `token` for who has an initial access token (see
	// `countersign client initial-token`), `off` for nobody. Whoever registers
	// a client, it does not work before an administrator approves it, unless
	// its initial access token carries the approval.
	Registration string `config:"registration" usage:"open, token or off"`
	// RegistrationMaxPending is how many clients that were registered without
	// an initial access token may wait for approval; any further is refused.
	RegistrationMaxPending int `config:"registration_max_pending" usage:"registered clients that may wait for approval"`
	// RegistrationPendingLifetime removes a client that registered itself and
	// was not approved for so long.
	RegistrationPendingLifetime time.Duration `config:"registration_pending_lifetime" usage:"a registered client waits so long for approval"`
	// RegistrationUnusedLifetime removes a client that registered itself and was
	// approved, and that nobody has used or changed for so long since; 0 keeps
	// it. A client that an administrator registered stays.
	RegistrationUnusedLifetime time.Duration `config:"registration_unused_lifetime" usage:"a registered client is kept so long without any use, 0 for ever"`
	// FourEyes is `true` to let nobody approve what they registered or edited
	// themselves: what administrators register is pending as anybody's is, and
	// what they edit of an approved client waits for another administrator. It
	// holds for the pages, the API and links; there nobody makes an administrator,
	// takes one over, or makes a secret of an approved client alone. Clients that
	// register openly are nobody's own work: set registration to token or off for
	// it to hold those, too. The command line on the server's
	// own database is not held to it: whoever may read the database and its key
	// could do anything to it, and the audit record names them.
	FourEyes bool `config:"four_eyes" usage:"true: administrators approve nothing of their own"`
	// ApprovalWebhook is an https URL to which each client, each change and each
	// secret that comes to wait for an administrator is posted as JSON, with a link
	// to the page that decides. It is signed as Standard Webhooks has it, with
	// `approval_webhook_secret`. It has to be public, or in a network of
	// `outbound_allow`. See docs/settings.md.
	ApprovalWebhook string `config:"approval_webhook" usage:"URL that is told of what waits for approval"`
	// ApprovalWebhookSecret is the key of its signatures: 32 characters or more,
	// such as `openssl rand -hex 32` makes.
	ApprovalWebhookSecret Secret `config:"approval_webhook_secret" usage:"key of the webhook's signatures"`
	// ApprovalWebhookSecretFile names a file that holds
	// `approval_webhook_secret`.
	ApprovalWebhookSecretFile string `config:"approval_webhook_secret_file" usage:"file that holds the key of the webhook's signatures"`
	// ApprovalMail lists the addresses that are sent a mail for each client, each
	// change and each secret that comes to wait for an administrator. It needs
	// `approval_mail_from` and `smtp`.
	ApprovalMail []string `config:"approval_mail" usage:"mail addresses that are told of what waits for approval"`
	// ApprovalMailFrom is the address that such mail comes from.
	ApprovalMailFrom string `config:"approval_mail_from" usage:"mail address that notices come from"`
	// SMTP is the mail server, as smtp://user@host:587, which has to offer
	// STARTTLS, or smtps://user@host:465. On this very machine it may do without
	// TLS. Without a user nobody signs in to it.
	SMTP string `config:"smtp" usage:"mail server, smtp://user@host:587"`
	// SMTPPassword is the password of the user of `smtp`.
	SMTPPassword Secret `config:"smtp_password" usage:"password for the mail server"`
	// SMTPPasswordFile names a file that holds `smtp_password`.
	SMTPPasswordFile string `config:"smtp_password_file" usage:"file that holds the password for the mail server"`
	// SignUp is who may create an account on the page for it: `open` for
	// anybody who reaches the page, `off` for nobody, so that only
	// administrators create accounts. An account that somebody created has no
	// permissions, and its email address counts as not verified. What
	// applications may be used is for administrators to approve either way, and
	// `policy` changes nothing here.
	SignUp string `config:"sign_up" usage:"off, or open for anybody to create an account"`
	// RequireAdminMFA is whether who may configure this server needs a second
	// factor, a passkey or an authenticator app, for the administrators' pages:
	// `on`, `off`, or `auto`, which is on unless the issuer is a loopback
	// address. Signing in anywhere else does not need one for it, so that
	// whoever has none yet can set it up on their account page.
	RequireAdminMFA string `config:"require_admin_mfa" usage:"on, off or auto: administrators need a second factor"`
	// Name is what pages call this server.
	Name string `config:"name" usage:"what pages call this server"`
	// Contact is whom pages tell people to ask: a name, an address or both.
	Contact string `config:"contact" usage:"whom pages tell people to ask"`
	// Accent is the colour of links and buttons, like #23408f. Text in it has to
	// be readable (WCAG 2.2, 1.4.3): a colour that is too light is refused, with
	// one that would do. Where pages are dark, it is as much lighter as it takes.
	Accent string `config:"accent" usage:"colour of links and buttons, like #23408f"`
	// LogoFile names a picture, SVG, PNG, WebP or JPEG of at most 24 KiB, which
	// stands before the name on every page in the place of this server's own.
	LogoFile string `config:"logo_file" usage:"file with a picture that stands before the name"`
	// Links are what stands at the foot of every page, as words=URL with commas
	// between: Imprint=https://example.org/imprint, Privacy=https://example.org/privacy.
	Links string `config:"links" usage:"links at the foot of pages, words=URL"`
	// SessionIdle ends the sign-in of a browser that sent no request for so
	// long.
	SessionIdle time.Duration `config:"session_idle" usage:"a sign-in ends after so long without a request"`
	// SessionAbsolute ends every sign-in after so long.
	SessionAbsolute time.Duration `config:"session_absolute" usage:"a sign-in ends after so long"`
	// CodeLifetime is how long an authorization code may be redeemed.
	CodeLifetime time.Duration `config:"code_lifetime" usage:"life of an authorization code"`
	// AccessTokenLifetime is how long an access token is valid.
	AccessTokenLifetime time.Duration `config:"access_token_lifetime" usage:"life of an access token"`
	// IDTokenLifetime is how long an ID token is valid.
	IDTokenLifetime time.Duration `config:"id_token_lifetime" usage:"life of an ID token"`
	// RefreshIdle ends a refresh token that was not used for so long.
	RefreshIdle time.Duration `config:"refresh_idle" usage:"a refresh token ends after so long without use"`
	// RefreshAbsolute ends a grant, with all that was refreshed from it, so
	// long after the person signed in.
	RefreshAbsolute time.Duration `config:"refresh_absolute" usage:"refreshing ends so long after sign-in"`
	// RefreshGrace is how long a refresh token that was just replaced still
	// yields its successor, so that a lost answer does not end the grant.
	RefreshGrace time.Duration `config:"refresh_grace" usage:"a replaced refresh token yields its successor so long"`
	// OAuth1TokenLifetime is how long token credentials of OAuth 1.0a are valid,
	// which cannot be refreshed: then a person has to allow it again.
	OAuth1TokenLifetime time.Duration `config:"oauth1_token_lifetime" usage:"life of OAuth 1.0a token credentials"`
	// OAuth1Realm is the realm in the challenges of OAuth 1.0a and in the
	// rootservices document: letters, digits, spaces, dots, hyphens and
	// underscores. With `compat` it is what the imitated server calls it, unless
	// it is set.
	OAuth1Realm string `config:"oauth1_realm" usage:"realm of OAuth 1.0a"`
	// OSLCDomain is what the URLs begin with that OAuth 1.0a opens, as the
	// rootservices document names it to tools that friend this server. Without
	// it that is the issuer.
	OSLCDomain string `config:"oslc_domain" usage:"what the URLs begin with that OAuth 1.0a opens"`
	// OSLCCatalogs lists the catalogs of the servers behind this one, for the
	// rootservices document, as property=URL with commas between:
	// oslc_am:amServiceProviders=https://models.example.org/oslc/catalog. The
	// prefixes oslc, oslc_am, oslc_auto, oslc_cm, oslc_config, oslc_qm and
	// oslc_rm are known; any other property is written as its URL. Some tools
	// take no document without the catalog that they look for. See
	// docs/oslc.md.
	OSLCCatalogs []string `config:"oslc_catalogs" usage:"catalogs in the rootservices document, property=URL"`
	// Compat is empty, or `teamwork-cloud` to serve the endpoints under the
	// paths of Teamwork Cloud's authentication server as well, and to take
	// `Authorization: Token` where a bearer token is taken. See
	// docs/teamwork-cloud.md.
	Compat string `config:"compat" usage:"teamwork-cloud for the paths of that server"`
	// KeyRotation replaces keys at this age; 0 leaves it to
	// `countersign keys rotate`.
	KeyRotation time.Duration `config:"key_rotation" usage:"age at which signing keys are replaced, 0 for never"`
	// KeyPublishBefore is how long a new signing key is published before it
	// signs, so that no application meets a key it cannot know.
	KeyPublishBefore time.Duration `config:"key_publish_before" usage:"a signing key is published so long before it signs"`
	// LogLevel is `debug`, `info`, `warn` or `error`.
	LogLevel slog.Level `config:"log_level" usage:"debug, info, warn or error"`
	// LogFormat is `text`, `json`, or `auto`: text on a terminal, else JSON.
	LogFormat string `config:"log_format" usage:"auto, text or json"`
	// DatabaseMaxConns bounds the connections to PostgreSQL.
	DatabaseMaxConns int `config:"database_max_conns" usage:"connections to PostgreSQL at most"`
	// PasswordMemory is the memory of one password hash in KiB; 0 lets the
	// server choose, by measuring. Less than 19456 is accepted on a loopback
	// issuer only.
	PasswordMemory int `config:"password_memory" usage:"KiB of memory for a password hash, 0 to measure"`
	// PasswordPasses is the number of passes of one password hash; 0 lets the
	// server choose. Less than 2 is accepted on a loopback issuer only.
	PasswordPasses int `config:"password_passes" usage:"passes of a password hash, 0 to measure"`

	origin map[string]string // what gave each value; nothing for a default
}

// Default returns the configuration of a server that was told nothing.
func Default() *Config {
	return &Config{
		Issuer:              "http://localhost:8080",
		Listen:              "127.0.0.1:8080",
		Data:                "./countersign-data",
		Policy:              "default",
		Registration:        "open",
		SignUp:              "off",
		RequireAdminMFA:     "auto",
		Name:                "Countersign",
		Contact:             "your administrator",
		SessionIdle:         30 * time.Minute,
		SessionAbsolute:     12 * time.Hour,
		CodeLifetime:        time.Minute,
		AccessTokenLifetime: 10 * time.Minute,
		IDTokenLifetime:     5 * time.Minute,
		RefreshIdle:         7 * 24 * time.Hour,
		RefreshAbsolute:     30 * 24 * time.Hour,
		RefreshGrace:        10 * time.Second,
		OAuth1TokenLifetime: 12 * time.Hour,
		OAuth1Realm:         "Countersign",
		KeyRotation:         90 * 24 * time.Hour,
		KeyPublishBefore:    10 * time.Minute,
		LogLevel:            slog.LevelInfo,
		LogFormat:           "auto",
		DatabaseMaxConns:    16,

		RegistrationMaxPending:      1000,
		RegistrationPendingLifetime: 30 * 24 * time.Hour,
		RegistrationUnusedLifetime:  90 * 24 * time.Hour,
	}
}

// Secret is a value that must not be shown.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// LogValue hides the value from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// IssuerURL returns the issuer, parsed. It is for a valid configuration.
func (c *Config) IssuerURL() *url.URL {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// AdminBase returns what the addresses of the administrators' pages begin with.
func (c *Config) AdminBase() string { return cmp.Or(c.AdminURL, c.Issuer) }

// DatabaseURL returns the database's URL, in the data folder when none is set.
func (c *Config) DatabaseURL() string {
	if c.Database != "" {
		return c.Database.Reveal()
	}
	return (&url.URL{Scheme: "sqlite", Path: filepath.ToSlash(filepath.Join(c.Folder(), "countersign.db"))}).String()
}

// validateDatabase finds what no database is named by, which would else be taken
// for PostgreSQL.
func (c *Config) validateDatabase(fault faulter) {
	if c.Database == "" {
		return
	}
	key := "database"
	if c.DatabaseFile != "" {
		key = "database_file"
	}
	if err := storage.CheckURL(c.Database.Reveal()); err != nil {
		fault(key, "%s", err)
	}
}

// SQLitePath returns the path of the SQLite database, empty for PostgreSQL.
func (c *Config) SQLitePath() string {
	u, err := url.Parse(c.DatabaseURL())
	if err != nil || u.Scheme != "sqlite" {
		return ""
	}
	return filepath.FromSlash(u.Path)
}

// GeneratedSecret is the file of the key-encryption key that the first start
// with SQLite makes.
func (c *Config) GeneratedSecret() string { return filepath.Join(c.Folder(), "secret") }

// Folder returns the data folder as an absolute path.
func (c *Config) Folder() string {
	abs, err := filepath.Abs(c.Data)
	if err != nil { // the working directory is gone
		return c.Data
	}
	return abs
}

// TLS reports whether the server speaks TLS itself.
func (c *Config) TLS() bool { return c.TLSCertificate != "" && c.TLSKey != "" }
