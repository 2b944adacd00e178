package account

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"countersign/storage"
)

// ActivityKind is what happened.
type ActivityKind string

// The kinds of activity. Changes of the account are in the audit record.
const (
	SignedIn  ActivityKind = "sign_in"
	Consented ActivityKind = "consent"
)

// Activity is something that happened to an account and changed nothing of it.
type Activity struct {
	ID         string `gorm:"primaryKey"`
	AccountID  string
	At         time.Time
	Kind       ActivityKind
	Methods    string // of a sign-in: its amr, space-separated
	Failures   int64  // of a sign-in: wrong passwords that were tried before it
	ClientName string // of a consent
	IP         string `gorm:"column:ip"`
	UserAgent  string
}

// TableName names the table.
func (Activity) TableName() string { return "account_activities" }

const (
	// ActivityKept is how long activities are kept.
	ActivityKept = 90 * 24 * time.Hour
	// maxActivities is how many are kept of one account.
	maxActivities = 100
	// maxActivityText bounds what a browser or a client says of itself.
	maxActivityText = 256
)

const noteActivity = `INSERT INTO account_activities (id, account_id, at, kind, methods, failures, client_name, ip, user_agent)
	SELECT @noted, @noted_of, @noted_at, @noted_kind, @noted_methods, @noted_failures, @noted_client, @noted_ip, @noted_agent WHERE true`

// forgetActivities makes room for one more. The account's own are collected
// before those are chosen that go, and these are named one by one, because
// PostgreSQL otherwise goes through everybody's from the newest or from the
// oldest, where the table has grown since it was last analysed and so many of its
// rows seem to be the account's. It does not see whose account that is when it
// plans: it would find that one account has fewer than another, and plan the
// statement that this is part of anew each time, which takes it longer than to
// run it.
var forgetActivities = fmt.Sprintf(`DELETE FROM account_activities WHERE id IN (
	WITH own AS MATERIALIZED (SELECT id FROM account_activities WHERE account_id = (SELECT @noted_of))
	SELECT id FROM own ORDER BY id DESC LIMIT %d OFFSET %d)`, maxActivities, maxActivities-1)

// Note keeps an activity, and of those before it as many as are kept.
func (s *Store) Note(ctx context.Context, a Activity) error {
	part := s.Noting(a)
	if s.db.Dialect() == storage.PostgreSQL {
		args := map[string]any{}
		_, err := s.db.Exec(ctx, `WITH noting AS (SELECT 1)`+part.After(`true`, args)+` SELECT 1`, args)
		return storage.Err("note activity", err)
	}
	return storage.Err("note activity", s.db.ExecPart(ctx, part))
}

// Noting is [Store.Note] along with what another store writes.
func (s *Store) Noting(a Activity) storage.Part {
	return storage.Part{Statements: []string{forgetActivities, noteActivity}, Args: map[string]any{
		"noted": uuid.Must(uuid.NewV7()).String(), "noted_of": a.AccountID, "noted_at": s.db.Now(),
		"noted_kind": a.Kind, "noted_methods": a.Methods, "noted_failures": a.Failures,
		"noted_client": bounded(a.ClientName), "noted_ip": bounded(a.IP), "noted_agent": bounded(a.UserAgent),
	}}
}

// Activities returns what happened to the account, newest first.
func (s *Store) Activities(ctx context.Context, accountID string) ([]Activity, error) {
	var list []Activity
	err := s.db.With(ctx).Where("account_id = ? AND at > ?", accountID, s.db.Now().Add(-ActivityKept)).Order("id DESC").Limit(maxActivities).Find(&list).Error
	return list, storage.Err("list activities", err)
}

// FailedSignIns is how many attempts to sign in to the account failed within a
// day of one another, from browsers in which it has not signed in, since the
// last from such a one that succeeded.
func (s *Store) FailedSignIns(ctx context.Context, a *Account) (int64, error) {
	var failures []int64
	err := s.db.With(ctx).Raw(`SELECT failures FROM sign_in_throttles WHERE key = ? AND expires_at > ?`,
		s.throttleKey("account", a.UsernameKey), s.db.Now()).Scan(&failures).Error
	if err != nil || len(failures) == 0 {
		return 0, storage.Err("count failed sign-ins", err)
	}
	return failures[0], nil
}

// purgeActivities deletes activities that are too old, at most limit of them.
func (s *Store) purgeActivities(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM account_activities WHERE id IN (SELECT id FROM account_activities WHERE at <= ? LIMIT ?)`,
		s.db.Now().Add(-ActivityKept), limit)
	return res.RowsAffected, storage.Err("purge activities", res.Error)
}

// bounded shortens a text of others and replaces what a database refuses.
func bounded(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	if len(s) > maxActivityText {
		s = strings.ToValidUTF8(s[:maxActivityText], "")
	}
	return s
}
