package clientstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
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
	Sort   Sort   // empty means by name
	After  string // continue behind this client: its [Client.CursorBy] of the same order
	Before string // what comes before this client; not beside After
	Limit  int    // 0 means 100
}

// Sort is an order of clients.
type Sort string

// The orders.
const (
	ByName     Sort = "name"
	ByNameBack Sort = "-name"
	Oldest     Sort = "created"
	Newest     Sort = "-created"
	LeastUsed  Sort = "used" // those that were never used first
	LastUsed   Sort = "-used"
)

// byTime reports whether clients are sorted by when they were registered.
func (s Sort) byTime() bool { return s == Oldest || s == Newest }

// byUse reports whether they are sorted by when they were last used.
func (s Sort) byUse() bool { return s == LeastUsed || s == LastUsed }

// backwards reports whether the last comes first.
func (s Sort) backwards() bool { return s == ByNameBack || s == Newest || s == LastUsed }

// Cursor is the client's place in a list by name, for [Filter].
func (c *Client) Cursor() string { return c.CursorBy(ByName) }

// CursorBy is the client's place in a list of that order, for [Filter].
func (c *Client) CursorBy(s Sort) string {
	at := &c.CreatedAt
	switch {
	case s.byUse() && c.UsedAt == nil:
		return "\x00" + c.ID
	case s.byUse():
		at = c.UsedAt
	case !s.byTime():
		return c.Name + "\x00" + c.ID
	}
	return at.UTC().Format(time.RFC3339Nano) + "\x00" + c.ID
}

// byName is the order of a list: people do not look for capitals first. Both
// dialects compare bytes then, so that a list continues where it stopped
// whatever the database's locale says.
func byName(d storage.Dialect, value string) string {
	if d == storage.PostgreSQL {
		return "LOWER(" + value + `) COLLATE "C"`
	}
	return "LOWER(" + value + ")"
}

// never is when a client was used that never was, as the index has it: before
// every other.
var never = map[storage.Dialect]string{storage.SQLite: "''", storage.PostgreSQL: "TIMESTAMPTZ '-infinity'"}

// matches selects clients by what people search for. Case does not count, on
// SQLite for the letters of ASCII only.
var matches = map[storage.Dialect]string{
	storage.SQLite: `name LIKE @pattern ESCAPE '\' OR id LIKE @pattern ESCAPE '\' OR EXISTS (
		SELECT 1 FROM json_each(metadata, '$.redirect_uris') u WHERE u.value LIKE @pattern ESCAPE '\')`,
	storage.PostgreSQL: `name ILIKE @pattern ESCAPE '\' OR id ILIKE @pattern ESCAPE '\' OR EXISTS (
		SELECT 1 FROM jsonb_array_elements_text(` + storage.WithoutNUL("metadata") + `::jsonb -> 'redirect_uris') u WHERE u ILIKE @pattern ESCAPE '\')`,
}

// List returns clients in the order of the filter. A filter that is not
// acceptable is a [*MetadataError].
func (s *Store) List(ctx context.Context, f Filter) ([]Client, error) {
	query, err := s.selected(s.db.With(ctx), f)
	if err != nil {
		return nil, err
	}
	clients := []Client{}
	if err := query.Find(&clients).Error; err != nil {
		return nil, storage.Err("list clients", err)
	}
	if f.Before != "" {
		slices.Reverse(clients)
	}
	read := make([]*Client, len(clients))
	for i := range clients {
		clients[i].end(s.db.Now())
		read[i] = &clients[i]
	}
	return clients, s.forReading(ctx, read...)
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
	if f.Search != "" {
		query = query.Where(matches[s.db.Dialect()], map[string]any{"pattern": "%" + escapeLike(f.Search) + "%"})
	}
	return f.ordered(query, s.db.Dialect()), nil
}

// ordered puts the clients in their order, from where the list continues. The
// page before a client is read from it backwards.
func (f Filter) ordered(query *gorm.DB, d storage.Dialect) *gorm.DB {
	column, value := byName(d, "name"), byName(d, "?")
	if f.Sort.byTime() {
		column, value = "created_at", "?"
	}
	if f.Sort.byUse() {
		column, value = "COALESCE(used_at, "+never[d]+")", "?"
	}
	than, direction := ">", ""
	if f.Sort.backwards() != (f.Before != "") {
		than, direction = "<", " DESC"
	}
	if from := f.After + f.Before; from != "" {
		key, id, _ := f.Sort.place(from) // it was checked
		args := []any{key, id}
		if key == nil { // it was never used
			value, args = never[d], args[1:]
		}
		query = query.Where("("+column+", id) "+than+" ("+value+", ?)", args...)
	}
	return query.Order(column + direction + ", id" + direction)
}

// place reads a cursor: what the order goes by, and the key.
func (s Sort) place(cursor string) (key any, id string, ok bool) { //nolint:ireturn // each order has its own type
	text, id, ok := strings.Cut(cursor, "\x00")
	if !ok || !wellFormedKey(id) || !utf8.ValidString(text) {
		return nil, "", false
	}
	if !s.byTime() && !s.byUse() {
		return text, id, true
	}
	if s.byUse() && text == "" {
		return nil, id, true
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UTC(), id, err == nil
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
	switch f.Sort {
	case "", ByName, ByNameBack, Oldest, Newest, LeastUsed, LastUsed:
	default:
		return refuse("sort", "%s is not an order; use name, -name, created, -created, used or -used", quoted(string(f.Sort)))
	}
	if err := f.checkPlace(); err != nil {
		return err
	}
	return checkText("search", f.Search, maxName)
}

func (f Filter) checkPlace() error {
	if f.After != "" && f.Before != "" {
		return refuse("before", "is not for a list that continues after a client")
	}
	for _, c := range []struct{ field, cursor string }{{"after", f.After}, {"before", f.Before}} {
		if c.cursor == "" {
			continue
		}
		if _, _, ok := f.Sort.place(c.cursor); !ok {
			return refuse(c.field, "is not the end of a list; begin again without it")
		}
	}
	return nil
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// Waiting counts the clients, revisions and secrets that wait for an administrator, of
// each at most the limit: who sees the number wants to know whether there is
// work, not how much of too much.
func (s *Store) Waiting(ctx context.Context, limit int) (int, error) {
	var n int
	err := s.db.With(ctx).Raw(`SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM clients WHERE status = 'pending' LIMIT @limit) c)
		+ (SELECT COUNT(*) FROM (SELECT 1 FROM client_revisions LIMIT @limit) r)
		+ (SELECT COUNT(*) FROM (SELECT 1 FROM waiting_secrets WHERE expires_at > @now LIMIT @limit) w)`, map[string]any{"limit": limit, "now": s.db.Now()}).Scan(&n).Error
	return n, storage.Err("count what waits", err)
}
