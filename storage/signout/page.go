package signout

import (
	"context"

	"countersign/storage"
)

// pageURI is the page that a client wants embedded in that of a sign-out.
var pageURI = map[storage.Dialect]string{
	storage.SQLite:     `COALESCE(json_extract(c.metadata, '$.frontchannel_logout_uri'), '')`,
	storage.PostgreSQL: `COALESCE(` + storage.WithoutNUL("c.metadata") + `::json ->> 'frontchannel_logout_uri', '')`,
}

// Page is a page of a client that the page of a sign-out embeds.
type Page struct{ ClientID, URI string }

// Pages returns the front-channel logout pages of the approved clients that
// the session was used for (OpenID Connect Front-Channel Logout 1.0, section
// 2).
func (s *Store) Pages(ctx context.Context, sessionID string) ([]Page, error) {
	var pages []Page
	at := pageURI[s.db.Dialect()]
	err := s.db.With(ctx).Raw(`SELECT c.id AS client_id, `+at+` AS uri FROM session_clients u JOIN clients c ON c.id = u.client_id
		WHERE u.session_id = @session AND `+standing+` AND `+at+` <> '' ORDER BY c.id`,
		map[string]any{"session": sessionID, "now": s.db.Now()}).Scan(&pages).Error
	return pages, storage.Err("find what to sign out of", err)
}
