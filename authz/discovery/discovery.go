// Package discovery publishes what clients need to know of the server: its
// metadata and its public keys. The documents are the same for everybody, so
// that any page may read them and any cache may keep them for a while.
package discovery

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/authz/prepared"
	"countersign/authz/protocol"
	"countersign/storage/keyset"
)

// MaxAge is how long caches may keep a document. A signing key is published at
// least twice as long before it signs.
const MaxAge = 5 * time.Minute

// Config is what the documents tell.
type Config struct {
	Issuer string
	Keys   *keyset.Store
	// What the authorization and token endpoints know.
	ResponseTypes, GrantTypes, Prompts []string
	// Registration says that clients may register themselves.
	Registration bool
	// Rootservices is what OSLC tools are told beside.
	Rootservices Rootservices
	// TeamworkCloud tells of the lanes of Teamwork Cloud's authentication server
	// as well.
	TeamworkCloud bool
	// Addresses of pages for people; those that are empty are left out.
	ServiceDocumentation string
	PolicyURI            string
	TosURI               string
}

// Handler serves the documents.
type Handler struct {
	keys     *keyset.Store
	metadata *prepared.Content
	oidc     *prepared.Content // of Teamwork Cloud's lanes
	oauth2   *prepared.Content
	root     *prepared.Content // as RDF/XML
	rootXML  *prepared.Content // the same, as XML
	keySet   atomic.Pointer[keySet]
}

// New returns a handler.
func New(cfg Config) *Handler {
	h := &Handler{keys: cfg.Keys, metadata: newDocument(metadata(cfg))}
	h.oidc, h.oauth2 = newDocument(oidcLane(cfg)), newDocument(oauth2Lane(cfg))
	root := rootservices(cfg)
	h.root, h.rootXML = prepared.Plain(rdfXML, root), prepared.Plain(plainXML, root)
	return h
}

// Configuration serves GET /.well-known/openid-configuration (OpenID Connect
// Discovery 1.0, section 4).
func (h *Handler) Configuration(w http.ResponseWriter, r *http.Request) error {
	return serve(h.metadata, w, r)
}

// AuthorizationServer serves GET /.well-known/oauth-authorization-server (RFC
// 8414, section 3). It is the same document: both specifications let it hold
// the other's members.
func (h *Handler) AuthorizationServer(w http.ResponseWriter, r *http.Request) error {
	return serve(h.metadata, w, r)
}

// Keys serves GET /.well-known/jwks.json: the public keys (RFC 7517, section
// 5).
func (h *Handler) Keys(w http.ResponseWriter, r *http.Request) error {
	set, err := h.keys.Public(r.Context())
	if err != nil {
		return err
	}
	return serve(h.encoded(set), w, r)
}

// keySet is the key set document and the kids of the keys in it. A kid names
// one key for ever, so the same kids are the same document.
type keySet struct {
	kids     string
	document *prepared.Content
}

// encoded returns the document of the keys, which is encoded anew only when
// the keys are others.
func (h *Handler) encoded(set jose.JSONWebKeySet) *prepared.Content {
	var b strings.Builder
	for _, k := range set.Keys {
		b.WriteString(k.KeyID)
		b.WriteByte(' ')
	}
	kids := b.String()
	if last := h.keySet.Load(); last != nil && last.kids == kids {
		return last.document
	}
	next := &keySet{kids: kids, document: newDocument(set)}
	h.keySet.Store(next)
	return next.document
}

func newDocument(content any) *prepared.Content {
	body, _ := json.Marshal(content) // text, flags and public keys: they always encode
	// For key sets too: not every client knows their own type.
	return prepared.New("application/json", body)
}

// The headers of what everybody may know. Everybody may read it: without
// Access-Control-Allow-Credentials browsers send no cookies along.
var (
	cacheControl = []string{"public, max-age=" + strconv.Itoa(int(MaxAge.Seconds()))}
	anyOrigin    = []string{"*"}
	crossOrigin  = []string{"cross-origin"}
)

func serve(document *prepared.Content, w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(w, r); err != nil {
		return err
	}
	header := w.Header()
	header["Cache-Control"] = cacheControl
	header["Access-Control-Allow-Origin"] = anyOrigin
	header["Cross-Origin-Resource-Policy"] = crossOrigin
	document.ServeHTTP(w, r)
	return nil
}

func checkMethod(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Allow", "GET, HEAD")
	return &protocol.Error{
		Code: protocol.InvalidRequest, Status: http.StatusMethodNotAllowed,
		Description: "This document can only be read: send GET.",
	}
}
