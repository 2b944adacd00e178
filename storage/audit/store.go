package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"countersign/storage"
)

// errNoTransaction is a fault of the caller: an event beside its change could
// be kept without it, or the change without the event.
var errNoTransaction = errors.New("record audit event: no transaction")

// Filter selects events for [Store.List]. Zero members select all.
type Filter struct {
	TargetType, TargetID string
	Action               string
	ActorName            string
	Search               string // in names, target, action, address and request, however cased
	Before               string // ID of the event to continue behind, newest first
	Limit                int    // 0 means 100
}

// defaultLimit is how many events [Store.List] returns unless told otherwise.
const defaultLimit = 100

// Store keeps events in the database. It has no way to change or delete one,
// and neither has SQL: the schema refuses both.
type Store struct {
	db *storage.DB
	// Recorded, if set, is told the action of each event, before its
	// transaction ends. It is set before the store is used.
	Recorded func(action string)
}

// New returns a store on db.
func New(db *storage.DB) *Store { return &Store{db: db} }

// Record appends the change within the transaction in ctx. It fails when there
// is none: an event beside its change could be kept without it.
func (s *Store) Record(ctx context.Context, by Actor, c Change) error {
	if !s.db.InTransaction(ctx) {
		return errNoTransaction
	}
	before, err := encode(c.Before)
	if err != nil {
		return err
	}
	after, err := encode(c.After)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("record audit event: %w", err)
	}
	e := Event{
		ID: id.String(), At: s.db.Now(),
		ActorID: printable(by.AccountID), ActorName: printable(by.Name), Via: by.Via,
		Action: c.Action, TargetType: c.TargetType, TargetID: printable(c.TargetID), TargetName: printable(c.TargetName),
		Before: before, After: after,
		IP: printable(by.IP), RequestID: printable(by.RequestID),
	}
	if err := s.db.With(ctx).Create(&e).Error; err != nil {
		return storage.Err("record audit event", err)
	}
	if s.Recorded != nil {
		s.Recorded(c.Action)
	}
	return nil
}

// List returns events, newest first.
func (s *Store) List(ctx context.Context, f Filter) ([]Event, error) {
	q := s.db.With(ctx)
	for _, by := range []struct{ condition, value string }{
		{"target_type = ?", f.TargetType},
		{"target_id = ?", f.TargetID},
		{"action = ?", f.Action},
		{"actor_name = ?", f.ActorName},
		{"id < ?", f.Before},
	} {
		if by.value != "" {
			q = q.Where(by.condition, printable(by.value))
		}
	}
	if f.Search != "" {
		pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(printable(f.Search))) + "%"
		q = q.Where(`(lower(actor_name) LIKE @pattern ESCAPE '\' OR lower(target_name) LIKE @pattern ESCAPE '\' OR target_id LIKE @pattern ESCAPE '\'
			OR action LIKE @pattern ESCAPE '\' OR ip LIKE @pattern ESCAPE '\' OR lower(request_id) LIKE @pattern ESCAPE '\')`, map[string]any{"pattern": pattern})
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	var events []Event
	err := q.Order("id DESC").Limit(f.Limit).Find(&events).Error
	return events, storage.Err("list audit events", err)
}

// encode renders one side of a change; control characters come out escaped.
func encode(v any) (JSON, error) {
	if v == nil {
		return "", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("record audit event: %w", err)
	}
	return JSON(b), nil
}

// printable replaces what a database refuses or a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// Named reports whether an action was ever taken on something of this name, in
// whatever case its ASCII letters are.
func (s *Store) Named(ctx context.Context, action, name string) (bool, error) {
	var n int64
	err := s.db.With(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM audit_events WHERE action = ? AND lower(target_name) = lower(?) LIMIT 1) found`, action, name).Scan(&n).Error
	return n == 1, storage.Err("look for an action", err)
}
