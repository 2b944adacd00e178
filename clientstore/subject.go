package clientstore

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The subject types (OpenID Connect Core 1.0, section 8).
const (
	SubjectPublic   = "public"
	SubjectPairwise = "pairwise"
)

// SubjectTypes are the subject types, the default first.
var SubjectTypes = []string{SubjectPublic, SubjectPairwise}

// Sector is the list of redirect URIs that is kept at a sector_identifier_uri:
// what whoever owns that host says of who belongs to the sector.
type Sector struct {
	uri          string
	redirectURIs []string
}

const maxSectorURIs = 2000

// ParseSector reads what is kept at the sector_identifier_uri (OpenID Connect
// Dynamic Client Registration 1.0, section 5). Errors are [*MetadataError].
func ParseSector(uri string, document []byte) (*Sector, error) {
	var uris []string
	if err := json.Unmarshal(document, &uris); err != nil || uris == nil {
		return nil, refuse("sector_identifier_uri", "%s", errNoSector)
	}
	if len(uris) > maxSectorURIs {
		return nil, refuse("sector_identifier_uri", "lists more than %d redirect URIs", maxSectorURIs)
	}
	return &Sector{uri, uris}, nil
}

var errNoSector = errors.New(`does not lead to a JSON array of redirect URIs, such as ["https://a.example.org/cb"]`)

// NeedsSector reports whether the metadata stands only with what is kept at
// its sector_identifier_uri. Before are those that the client has, the zero
// value for a new one: what was held against the document then is not again.
func (m *Metadata) NeedsSector(before *Metadata) bool {
	if m.SectorIdentifierURI == "" {
		return false
	}
	known := func(uri string) bool { return slices.Contains(before.RedirectURIs, uri) }
	return m.SectorIdentifierURI != before.SectorIdentifierURI || slices.ContainsFunc(m.RedirectURIs, func(uri string) bool { return !known(uri) })
}

// checkSector holds the redirect URIs against those of the sector. Without
// that anybody could register into a sector, and learn what people are called
// in it.
func (m *Metadata) checkSector(before *Metadata, s *Sector) error {
	if !m.NeedsSector(before) {
		return nil
	}
	if s == nil || s.uri != m.SectorIdentifierURI {
		return refuse("sector_identifier_uri", "was not read, so that nobody vouches for the redirect URIs; try again")
	}
	for _, uri := range m.RedirectURIs {
		if !slices.Contains(s.redirectURIs, uri) {
			return refuse("sector_identifier_uri", "does not list the redirect URI %s; add it there, byte for byte", quoted(uri))
		}
	}
	return nil
}

// checkSubjectType checks what people are to be called.
func (c *Client) checkSubjectType(Policy) error {
	m := &c.Metadata
	switch fault := keysURIFault(m.SectorIdentifierURI); {
	case m.SubjectType != "" && !slices.Contains(SubjectTypes, m.SubjectType):
		return refuse("subject_type", "%s is not known; use %s", quoted(m.SubjectType), oneOf(SubjectTypes))
	case m.SectorIdentifierURI == "" && m.SubjectType == SubjectPairwise && !isOneHost(m.RedirectURIs):
		return refuse("sector_identifier_uri", "is required for pairwise subjects when the redirect URIs have several hosts (OpenID Connect Core 1.0, section 8.1)")
	case m.SectorIdentifierURI == "":
		return nil
	case fault != "":
		return refuse("sector_identifier_uri", "%s %s", quoted(m.SectorIdentifierURI), fault)
	case len(m.RedirectURIs) == 0:
		return refuse("sector_identifier_uri", "is about redirect URIs, and the client has none; leave it out")
	default:
		return nil
	}
}

// isOneHost reports whether all of the URIs are on one host, or none on any.
func isOneHost(uris []string) bool {
	return !slices.ContainsFunc(uris, func(uri string) bool { return hostOf(uri) != hostOf(uris[0]) })
}

// hostOf returns the host of a URI without its port, empty when it has none.
func hostOf(uri string) string {
	host, _, _ := splitPort(splitURI(uri).authority)
	return host
}

// Sector returns the sector identifier of a client with pairwise subjects,
// empty for any other (OpenID Connect Core 1.0, section 8.1): the host of its
// sector_identifier_uri, or of its redirect URIs. A client without any host, or
// on loopback, which is a host that everybody has, is a sector of its own, whose
// name is none of a host.
func (c *Client) Sector() string {
	m := &c.Metadata
	if m.SubjectType != SubjectPairwise {
		return ""
	}
	host := hostOf(m.SectorIdentifierURI)
	if host == "" && len(m.RedirectURIs) > 0 {
		host = hostOf(m.RedirectURIs[0])
	}
	if host == "" || isLoopback(host) && m.SectorIdentifierURI == "" {
		return "client:" + c.ID
	}
	return strings.ToLower(host)
}

// checkSubjects refuses a change after which the client would know everybody
// by another name. It may be made while nobody was ever named to it.
func (c *Client) checkSubjects(before *Client) error {
	if before.Status == Pending || c.Sector() == before.Sector() {
		return nil
	}
	if c.Metadata.SubjectType != before.Metadata.SubjectType {
		return refuse("subject_type", "cannot change once the client was decided on: it would know nobody any more; register another client")
	}
	return refuse("sector_identifier_uri", "or the redirect URIs lead to the sector %s, where the client would know nobody any more; keep a sector_identifier_uri on the host %s, or register another client",
		quoted(c.Sector()), quoted(before.Sector()))
}
