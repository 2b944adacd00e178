package clientstore

import (
	"context"
	"net/url"
	"strings"

	"countersign/storage"
)

// Origin is the origin of a URI as browsers write it (RFC 6454, section 6.2),
// and empty for one that has none.
func Origin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port, ok := defaultPorts[u.Scheme]
	if !ok {
		return ""
	}
	return u.Scheme + "://" + strings.TrimSuffix(u.Host, port)
}

var defaultPorts = map[string]string{"https": ":443", "http": ":80"}

// ofOrigin selects the approved clients with a redirect URI of an origin. The
// text of all metadata is looked through first, which is quicker than reading
// it.
var ofOrigin = map[storage.Dialect]string{
	storage.SQLite: `SELECT COUNT(*) FROM (SELECT 1 FROM clients WHERE ` + storage.Approved("clients") + ` AND instr(metadata, @quoted) > 0 AND EXISTS (
		SELECT 1 FROM json_each(metadata, '$.redirect_uris') u WHERE ` + likeOrigin("u.value") + `) LIMIT 1) found`,
	storage.PostgreSQL: `SELECT COUNT(*) FROM (SELECT 1 FROM clients WHERE ` + storage.Approved("clients") + ` AND strpos(metadata, @quoted) > 0 AND EXISTS (
		SELECT 1 FROM jsonb_array_elements_text(` + storage.WithoutNUL("metadata") + `::jsonb -> 'redirect_uris') u WHERE ` + likeOrigin("u") + `) LIMIT 1) found`,
}

// likeOrigin is true of a URI that begins with an origin, its default port
// written or not, and that ends there or goes on with a path or a query.
func likeOrigin(uri string) string {
	uri = "(" + uri + " || '/')"
	return uri + ` LIKE @path ESCAPE '\' OR ` + uri + ` LIKE @query ESCAPE '\' OR ` +
		uri + ` LIKE @portpath ESCAPE '\' OR ` + uri + ` LIKE @portquery ESCAPE '\'`
}

// KnowsOrigin reports whether the origin, as a browser names it, is that of a
// redirect URI of an approved client.
func (s *Store) KnowsOrigin(ctx context.Context, origin string) (bool, error) {
	if len(origin) > maxURI || Origin(origin) != origin || redirectURIFault(origin, Default) != "" {
		return false, nil // no browser wrote it, or it is "null"
	}
	scheme, _, _ := strings.Cut(origin, ":")
	bare := escapeLike(origin)
	port := bare + defaultPorts[scheme]
	var found int
	err := s.db.With(ctx).Raw(ofOrigin[s.db.Dialect()], map[string]any{
		"now": s.db.Now(), "quoted": `"` + origin, "path": bare + "/%", "query": bare + "?%", "portpath": port + "/%", "portquery": port + "?%",
	}).Scan(&found).Error
	if err != nil {
		return false, storage.Err("look for the clients of an origin", err)
	}
	return found > 0, nil
}
