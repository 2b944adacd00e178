package outbound

import (
	"context"
	"net/http"

	"countersign/clientstore"
)

const maxSector = 64 << 10 // bytes

// Sector fetches what is kept at the sector_identifier_uri of the metadata, if
// they stand only with that: nil otherwise. Before are the metadata that the
// client has. The error is a [*clientstore.MetadataError] that does not tell
// why the address did not answer: whoever registers learns nothing of what the
// server can reach (OWASP Server-Side Request Forgery Prevention Cheat Sheet).
func Sector(ctx context.Context, c *http.Client, before, m *clientstore.Metadata) (*clientstore.Sector, error) {
	if !m.NeedsSector(before) {
		return nil, nil //nolint:nilnil // documented
	}
	document, err := Fetch(ctx, c, m.SectorIdentifierURI, "application/json", maxSector)
	if err != nil {
		return nil, &clientstore.MetadataError{
			Field: "sector_identifier_uri", Reason: "cannot be fetched: it must be https and answer 200 with a JSON array of redirect URIs, of 64 KiB at most",
		}
	}
	return clientstore.ParseSector(m.SectorIdentifierURI, document)
}
