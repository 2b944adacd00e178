package discovery

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// RootservicesPath is where the rootservices document is, under the issuer's
// path. Tools are given the address up to the last segment, or all of it.
const RootservicesPath = "/oslc/rootservices"

// Rootservices is what OSLC tools that make friends with this server need to
// know (Jazz Foundation, Root Services; the names are those that its tools
// look for, prefixes included, because some do not read namespaces).
type Rootservices struct {
	Title string
	Realm string
	// Domain is what the URLs begin with that tokens open; the issuer where it
	// is empty.
	Domain string
	// Approval is the page on which an administrator approves a consumer.
	Approval string
	Catalogs []Catalog
}

// Catalog is a property that leads to a catalog of service providers.
type Catalog struct{ prefix, namespace, name, url string }

// namespaces are those that catalogs are usually found by.
var namespaces = map[string]string{
	"oslc":        "http://open-services.net/ns/core#",
	"oslc_am":     "http://open-services.net/ns/am#",
	"oslc_auto":   "http://open-services.net/ns/auto#",
	"oslc_cm":     "http://open-services.net/xmlns/cm/1.0/",
	"oslc_config": "http://open-services.net/ns/config#",
	"oslc_qm":     "http://open-services.net/xmlns/qm/1.0/",
	"oslc_rm":     "http://open-services.net/xmlns/rm/1.0/",
}

// localName is what can follow a prefix in XML.
var localName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ParseCatalog reads property=URL. The property is a name behind a known prefix,
// or a URL that ends in a name.
func ParseCatalog(text string) (Catalog, error) {
	property, address, ok := strings.Cut(text, "=")
	if !ok {
		return Catalog{}, errors.New("is not of the form property=URL, such as oslc_am:amServiceProviders=https://models.example.org/oslc/catalog")
	}
	if !isAddress(address) {
		return Catalog{}, errors.New("does not lead to an absolute http or https URL")
	}
	c := Catalog{url: address}
	if isAddress(property) {
		end := strings.LastIndexAny(property, "/#") + 1
		c.namespace, c.name = property[:end], property[end:]
	} else {
		c.prefix, c.name, _ = strings.Cut(property, ":")
		c.namespace = namespaces[c.prefix]
	}
	if c.namespace == "" || !localName.MatchString(c.name) {
		return Catalog{}, fmt.Errorf("has the property %q, which is neither a URL nor a name behind a known prefix (oslc, oslc_am, oslc_auto, oslc_cm, oslc_config, oslc_qm, oslc_rm)", property)
	}
	return c, nil
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// rootservices writes the document: what it describes is the root element
// itself, as the tools expect it.
func rootservices(cfg Config) []byte {
	at := func(path string) string { return strings.TrimSuffix(cfg.Issuer, "/") + path }
	root := cfg.Rootservices
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<rdf:Description rdf:about="` + escaped(at(RootservicesPath)) + `"
	xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xmlns:dc="http://purl.org/dc/terms/"
	xmlns:jfs="http://jazz.net/xmlns/prod/jazz/jfs/1.0/"
	xmlns:jd="http://jazz.net/xmlns/prod/jazz/discovery/1.0/">
`)
	for _, p := range []struct{ name, text string }{
		{"dc:title", root.Title},
		{"dc:description", "Authorization by OAuth 1.0a. A consumer works once an administrator has approved it."},
		{"jfs:oauthRealmName", root.Realm},
		{"jfs:oauthDomain", cmp.Or(root.Domain, cfg.Issuer)},
		{"jd:jsaSsoEnabled", "false"},
	} {
		fmt.Fprintf(&b, "\t<%s>%s</%s>\n", p.name, escaped(p.text), p.name)
	}
	for _, p := range []struct{ name, url string }{
		{"jfs:oauthRequestConsumerKeyUrl", consumerEndpoint(cfg, at)},
		{"jfs:oauthApprovalModuleUrl", root.Approval},
		{"jfs:oauthRequestTokenUrl", at("/oauth1/request_token")},
		{"jfs:oauthUserAuthorizationUrl", at("/oauth1/authorize")},
		{"jfs:oauthAccessTokenUrl", at("/oauth1/access_token")},
	} {
		if p.url != "" {
			fmt.Fprintf(&b, "\t<%s rdf:resource=\"%s\"/>\n", p.name, escaped(p.url))
		}
	}
	for _, c := range root.Catalogs {
		prefix := cmp.Or(c.prefix, "catalog")
		fmt.Fprintf(&b, "\t<%s:%s xmlns:%s=\"%s\" rdf:resource=\"%s\"/>\n", prefix, c.name, prefix, escaped(c.namespace), escaped(c.url))
	}
	b.WriteString("</rdf:Description>\n")
	return b.Bytes()
}

// escaped writes text as XML holds it, in elements and attributes.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes everything
	return b.String()
}

// The types that the document goes out as: its own, and the one that it is
// asked for by who knows XML only.
const (
	rdfXML   = "application/rdf+xml"
	plainXML = "application/xml"
)

// Rootservices serves GET /oslc/rootservices. Whatever is asked for is answered
// with this: the tools' Accept headers are not to be relied on.
func (h *Handler) Rootservices(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	if !strings.Contains(accept, rdfXML) && (strings.Contains(accept, plainXML) || strings.Contains(accept, "text/xml")) {
		return serve(h.rootXML, w, r)
	}
	return serve(h.root, w, r)
}
