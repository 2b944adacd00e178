package clientstore

import (
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"countersign/storage"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Filter selects clients for [Store.List]. Zero members select all.
type Filter struct {
	Type   Type
	Status Status
	Search string // in name, key and redirect URIs
	After  string // continue behind this client: its [Client.Cursor]
	Limit  int    // 0 means 100
}

// Cursor is the client's place in a list, for [Filter].
func (c *Client) Cursor() string { return c.Name + "\x00" + c.ID }

// byName is the order of a list: people do not look for capitals first. Both
// dialects compare bytes then, so that a list continues where it stopped
// whatever the database's locale says.
func byName(d storage.Dialect, value string) string {
	if d == storage.PostgreSQL {
		return "LOWER(" + value + `) COLLATE "C"`
	}
	return "LOWER(" + value + ")"
}

// matches selects clients by what people search for. Case does not count, on
// SQLite for the letters of ASCII only.
var matches = map[storage.Dialect]string{
	storage.SQLite: `name LIKE @pattern ESCAPE '\' OR id LIKE @pattern ESCAPE '\' OR EXISTS (
		SELECT 1 FROM json_each(metadata, '$.redirect_uris') u WHERE u.value LIKE @pattern ESCAPE '\')`,
	storage.PostgreSQL: `name ILIKE @pattern ESCAPE '\' OR id ILIKE @pattern ESCAPE '\' OR EXISTS (
		SELECT 1 FROM jsonb_array_elements_text(metadata::jsonb -> 'redirect_uris') u WHERE u ILIKE @pattern ESCAPE '\')`,
}

// List returns clients by name. A filter that is not acceptable is a
// [*MetadataError].
func (s *Store) List(ctx context.Context, f Filter) ([]Client, error) {
	query, err := s.selected(s.db.With(ctx), f)
	if err != nil {
		return nil, err
	}
	clients := []Client{}
	order := byName(s.db.Dialect(), "name") + ", id"
	if err := query.Order(order).Find(&clients).Error; err != nil {
		return nil, storage.Err("list clients", err)
	}
	return clients, nil
}

// Several returns the clients that have one of the keys, by key.
func (s *Store) Several(ctx context.Context, ids []string) (map[string]*Client, error) {
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // no client is an answer
	}
	var found []Client
	if err := s.db.With(ctx).Where("id IN ?", ids).Find(&found).Error; err != nil {
		return nil, storage.Err("get clients", err)
	}
	by := map[string]*Client{}
	for i := range found {
		by[found[i].ID] = &found[i]
	}
	return by, nil
}

func (s *Store) selected(query *gorm.DB, f Filter) (*gorm.DB, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	query = query.Limit(cmp.Or(f.Limit, defaultLimit))
	if f.Type != "" {
		query = query.Where("type = ?", f.Type)
	}
	if f.Status != "" {
		query = query.Where("status = ?", f.Status)
	}
	d := s.db.Dialect()
	if f.Search != "" {
		query = query.Where(matches[d], map[string]any{"pattern": "%" + escapeLike(f.Search) + "%"})
	}
	if name, id, ok := strings.Cut(f.After, "\x00"); ok {
		query = query.Where("("+byName(d, "name")+", id) > ("+byName(d, "?")+", ?)", name, id)
	}
	return query, nil
}

func (f Filter) check() error {
	if f.Limit < 0 || f.Limit > maxLimit {
		return refuse("limit", "%d is not between 1 and %d", f.Limit, maxLimit)
	}
	if f.Type != "" {
		if err := checkType(f.Type); err != nil {
			return err
		}
	}
	switch f.Status {
	case "", Pending, Approved, Disapproved:
	default:
		return refuse("status", "%s is not a status; use pending, approved or disapproved", quoted(string(f.Status)))
	}
	if f.After != "" {
		name, id, ok := strings.Cut(f.After, "\x00")
		if !ok || !wellFormedKey(id) || !utf8.ValidString(name) {
			return refuse("after", "is not the end of a list; begin again without it")
		}
	}
	return checkText("search", f.Search, maxName)
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
