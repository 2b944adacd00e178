package config

import (
	"net/url"
	"regexp"
	"strings"

	"countersign/authz/discovery"
)

// The values of compat, and what the realm is by default then.
const (
	CompatTeamworkCloud = "teamwork-cloud"
	teamworkCloudRealm  = "TWC"
)

// realm is what a quoted string of HTTP, a literal of RDF and a header of a
// client that does not escape can hold alike.
var realm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._ -]{0,62}[A-Za-z0-9])?$`)

func (c *Config) validateOSLC(fault faulter) {
	if c.Compat != "" && c.Compat != CompatTeamworkCloud {
		fault("compat", "%q is not known; use %s, or leave it empty", c.Compat, CompatTeamworkCloud)
	}
	if !realm.MatchString(c.OAuth1Realm) {
		fault("oauth1_realm", "%q is not a realm that every client can repeat; use up to 64 letters, digits, spaces, dots, hyphens and underscores", c.OAuth1Realm)
	}
	if text := domainFault(c.OSLCDomain); text != "" {
		fault("oslc_domain", "%s", text)
	}
	for _, entry := range c.OSLCCatalogs {
		if _, err := discovery.ParseCatalog(entry); err != nil {
			fault("oslc_catalogs", "%q %s", entry, err)
		}
	}
	c.validateAdminURL(fault)
}

// Catalogs returns the catalogs of the rootservices document. It is for a valid
// configuration.
func (c *Config) Catalogs() []discovery.Catalog {
	list := make([]discovery.Catalog, 0, len(c.OSLCCatalogs))
	for _, entry := range c.OSLCCatalogs {
		if parsed, err := discovery.ParseCatalog(entry); err == nil {
			list = append(list, parsed)
		}
	}
	return list
}

// domainFault says what is wrong with the beginning of URLs. A slash at its end
// is part of it.
func domainFault(domain string) string {
	if domain == "" {
		return ""
	}
	u, err := url.Parse(domain)
	if err != nil {
		return "cannot be read as a URL; write it like https://models.example.org/oslc/"
	}
	return issuerShape(strings.TrimSuffix(domain, "/"), withoutSlash(u))
}

func withoutSlash(u *url.URL) *url.URL {
	bare := *u
	bare.Path = strings.TrimSuffix(u.Path, "/")
	return &bare
}

func (c *Config) validateAdminURL(fault faulter) {
	if c.AdminURL == "" {
		return
	}
	u, err := url.Parse(c.AdminURL)
	if err != nil {
		fault("admin_url", "cannot be read as a URL; write it like https://admin.example.org")
		return
	}
	text := issuerShape(c.AdminURL, u)
	switch {
	case c.AdminListen == "":
		fault("admin_url", "is set, but the administrators' pages are where the issuer is; set admin_listen too, or remove it")
	case text != "":
		fault("admin_url", "%s", text)
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		fault("admin_url", "must be https, because administrators sign in there; http is for a loopback host like localhost only")
	}
}
