package grant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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

// Consent returns what the account allowed the client, nil if nothing.
func (s *Store) Consent(ctx context.Context, accountID, clientID string) (*Consent, error) {
	var c Consent
	err := s.db.With(ctx).Where("account_id = ? AND client_id = ?", accountID, clientID).Take(&c).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // no consent is an answer, not an error
	}
	if err != nil {
		return nil, storage.Err("get consent", err)
	}
	return &c, nil
}

// RememberConsent keeps what the account allowed the client. What was allowed
// to the client as it looks now adds up; a client that changed starts anew.
func (s *Store) RememberConsent(ctx context.Context, accountID, clientID, scope, digest string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		before, err := s.Consent(ctx, accountID, clientID)
		if err != nil {
			return err
		}
		now := s.db.Now()
		c := Consent{AccountID: accountID, ClientID: clientID, Scope: scope, Digest: digest, CreatedAt: now, UpdatedAt: now}
		if before != nil && before.Digest == digest {
			c.Scope = union(before.Scope, scope)
		}
		err = s.db.With(ctx).Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "account_id"}, {Name: "client_id"}},
			DoUpdates: clause.AssignmentColumns([]string{"scope", "digest", "updated_at"}),
		}).Create(&c).Error
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
