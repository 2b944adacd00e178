package account

import (
	"context"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// Passkey is a credential of WebAuthn that signs the account in.
type Passkey struct {
	ID         string `gorm:"primaryKey"` // the credential's identifier, base64url
	AccountID  string
	Name       string // what its owner calls it
	Credential string // JSON: its public key and what the authenticator said of itself
	SignCount  int64  // of the authenticator, 0 where it does not count
	CreatedAt  time.Time
	UsedAt     *time.Time
}

// maxPasskeys is how many an account may have.
const maxPasskeys = 20

// ErrTooManyPasskeys refuses one more.
var ErrTooManyPasskeys = &FieldError{Field: "label", Reason: "You have twenty passkeys already. Remove one that you do not use."}

// namedFactor is a passkey as the audit record names it.
type namedFactor struct {
	Name string `json:"name"`
}

// AddPasskey gives the account a passkey. One that somebody has already is
// [storage.ErrConflict]. With the first factor come recovery codes, which are
// returned this one time.
func (s *Store) AddPasskey(ctx context.Context, by audit.Actor, a *Account, k Passkey) (recovery []string, err error) {
	now := s.db.Now()
	k.AccountID, k.CreatedAt, k.Name = a.ID, now, bounded(k.Name)
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.lockAccount(ctx, a.ID); err != nil { // as in [Store.AddTOTP]
			return err
		}
		var n int64
		if err := s.db.With(ctx).Raw(`SELECT count(*) FROM passkeys WHERE account_id = ?`, a.ID).Scan(&n).Error; err != nil {
			return storage.Err("count passkeys", err)
		}
		if n >= maxPasskeys {
			return ErrTooManyPasskeys
		}
		if err := s.db.With(ctx).Create(&k).Error; err != nil {
			return storage.Err("add passkey", err)
		}
		if recovery, err = s.firstRecoveryCodes(ctx, a.ID); err != nil {
			return err
		}
		return s.recordFactor(ctx, by, a, "account.add_passkey", namedFactor{k.Name})
	})
	return recovery, err
}

// Passkey returns the passkey with the identifier.
func (s *Store) Passkey(ctx context.Context, id string) (*Passkey, error) {
	if !storable(id) {
		return nil, storage.Err("get passkey", storage.ErrNotFound)
	}
	var k Passkey
	err := s.db.With(ctx).Where("id = ?", id).Take(&k).Error
	if err != nil {
		return nil, storage.Err("get passkey", err)
	}
	return &k, nil
}

// UsePasskey keeps that a passkey signed its account in, with what the
// authenticator says of itself now. It is [storage.ErrConflict] when its
// counter did not move on from what is kept, which is what a copy of it does
// (WebAuthn Level 3, section 6.1.1).
func (s *Store) UsePasskey(ctx context.Context, k *Passkey) error {
	res := s.db.With(ctx).Exec(`UPDATE passkeys SET sign_count = @count, credential = @credential, used_at = @now
		WHERE id = @id AND (sign_count < @count OR (sign_count = 0 AND @count = 0))`,
		map[string]any{"count": k.SignCount, "credential": k.Credential, "now": s.db.Now(), "id": k.ID})
	if res.Error != nil {
		return storage.Err("use passkey", res.Error)
	}
	if res.RowsAffected == 0 {
		return storage.Err("use passkey", storage.ErrConflict)
	}
	return nil
}

// RemovePasskey takes a passkey of the account away; [storage.ErrNotFound]
// when it has none of this identifier. With the last factor go the recovery
// codes.
func (s *Store) RemovePasskey(ctx context.Context, by audit.Actor, a *Account, id string) error {
	k, err := s.Passkey(ctx, id)
	if err != nil {
		return err
	}
	return s.removeFactor(ctx, by, a, factorRemoval{
		action: "account.remove_passkey", query: `DELETE FROM passkeys WHERE account_id = @id AND id = @factor`,
		factor: id, named: namedFactor{k.Name},
	})
}
