package clientstore

import (
	"context"

	"countersign/storage"
)

// ofSoftware selects the pending clients with a software_id.
var ofSoftware = map[storage.Dialect]string{
	storage.SQLite:     `status = 'pending' AND json_extract(metadata, '$.software_id') = ?`,
	storage.PostgreSQL: `status = 'pending' AND metadata::json ->> 'software_id' = ?`,
}

// OfSoftware returns the pending clients that say they are the same software
// (RFC 7591, section 2), the oldest first, at most limit of them. It is what
// each says of itself: nobody vouches for it.
func (s *Store) OfSoftware(ctx context.Context, softwareID string, limit int) ([]Client, error) {
	found := []Client{}
	if softwareID == "" || checkText("", softwareID, maxText) != nil {
		return found, nil //nolint:nilerr // no client has such a software_id
	}
	err := s.db.With(ctx).Where(ofSoftware[s.db.Dialect()], softwareID).Order("created_at, id").Limit(limit).Find(&found).Error
	return found, storage.Err("find clients of the software", err)
}
