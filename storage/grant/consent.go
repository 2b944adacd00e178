package grant

import (
	"context"
	"fmt"
	"strings"
	"time"

	"countersign/storage"
)

// Consent is what a resource owner allowed a client, remembered.
type Consent struct {
	AccountID string `gorm:"primaryKey"`
	ClientID  string `gorm:"primaryKey"`
	Scope     string // space-separated
	Digest    string // of the client as it looked then
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Covers reports whether the consent was given to a client that looked like
// this and covers every scope asked for.
func (c *Consent) Covers(digest string, scope []string) bool {
	if c == nil || c.Digest != digest {
		return false
	}
	given := map[string]bool{}
	for s := range strings.FieldsSeq(c.Scope) {
		given[s] = true
	}
	for _, s := range scope {
		if !given[s] {
			return false
		}
	}
	return true
}

var consentRow = `SELECT ` + storage.Columns("c", Consent{}) + ` FROM consents c WHERE c.account_id = @account AND c.client_id = @client`

const keepConsent = `INSERT INTO consents (account_id, client_id, scope, digest, created_at, updated_at)
	VALUES (@account, @client, @scope, @digest, @now, @now)
	ON CONFLICT (account_id, client_id) DO UPDATE SET scope = excluded.scope, digest = excluded.digest, updated_at = excluded.updated_at`

// addConsent is [Store.RememberConsent] as one PostgreSQL statement, which does
// nothing unless the condition is true. What was allowed before stands first, as
// [union] has it.
func addConsent(condition string) string {
	return `INSERT INTO consents AS old (account_id, client_id, scope, digest, created_at, updated_at)
	SELECT @account, @client, @scope, @digest, @now, @now WHERE ` + condition + `
	ON CONFLICT (account_id, client_id) DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at,
		scope = CASE WHEN old.digest = excluded.digest THEN COALESCE((
			SELECT string_agg(w.word, ' ' ORDER BY w.place) FROM (
				SELECT u.word, min(u.place) AS place FROM unnest(string_to_array(old.scope || ' ' || excluded.scope, ' ')) WITH ORDINALITY AS u (word, place)
				WHERE u.word <> '' GROUP BY u.word) w), '') ELSE excluded.scope END`
}

var addAnyConsent = addConsent("true")

// Consent returns what the account allowed the client, nil if nothing.
func (s *Store) Consent(ctx context.Context, accountID, clientID string) (*Consent, error) {
	found, err := storage.Select[Consent](ctx, s.db, consentRow, map[string]any{"account": accountID, "client": clientID})
	if err != nil || len(found) == 0 {
		return nil, storage.Err("get consent", err) // no consent is an answer, not an error
	}
	return &found[0], nil
}

// RememberConsent keeps what the account allowed the client. What was allowed
// to the client as it looks now adds up; a client that changed starts anew.
func (s *Store) RememberConsent(ctx context.Context, accountID, clientID, scope, digest string) error {
	args := map[string]any{"account": accountID, "client": clientID, "scope": scope, "digest": digest, "now": s.db.Now()}
	if s.db.Dialect() == storage.PostgreSQL {
		_, err := s.db.Exec(ctx, addAnyConsent, args)
		return storage.Err("remember consent", err)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		before, err := s.Consent(ctx, accountID, clientID)
		if err != nil {
			return err
		}
		if before != nil && before.Digest == digest {
			args["scope"] = union(before.Scope, scope)
		}
		_, err = s.db.Exec(ctx, keepConsent, args)
		return storage.Err("remember consent", err)
	})
}

func union(a, b string) string {
	seen := map[string]bool{}
	var all []string
	for s := range strings.FieldsSeq(a + " " + b) {
		if !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	return strings.Join(all, " ")
}

// WithdrawConsent forgets what the account allowed the client and ends every
// grant between the two, whichever protocol made it.
func (s *Store) WithdrawConsent(ctx context.Context, accountID, clientID string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		err := s.db.With(ctx).Where("account_id = ? AND client_id = ?", accountID, clientID).Delete(&Consent{}).Error
		if err != nil {
			return fmt.Errorf("withdraw consent: %w", storage.Err("forget it", err))
		}
		err = s.db.With(ctx).Exec(`UPDATE grants SET revoked_at = @now WHERE account_id = @account AND client_id = @client AND revoked_at IS NULL`,
			map[string]any{"now": s.db.Now(), "account": accountID, "client": clientID}).Error
		if err != nil {
			return storage.Err("withdraw consent", err)
		}
		err = s.db.With(ctx).Exec(`DELETE FROM application_uses WHERE account_id = ? AND client_id = ?`, accountID, clientID).Error
		return storage.Err("withdraw consent", err)
	})
}
