package account

import (
	"context"
	"crypto/rand"
	"strings"

	"countersign/storage"
	"countersign/storage/audit"
)

const (
	// recoveryCodes is how many there are at a time.
	recoveryCodes = 10
	// recoveryAlphabet has no letter that looks like another or makes words.
	recoveryAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	recoveryLen      = 10 // 43 bits, which are guessed through the throttle
)

// newRecoveryCode makes a code that is typed when the other factors are lost.
func newRecoveryCode() string {
	code := make([]byte, 0, recoveryLen)
	var random [1]byte
	for len(code) < recoveryLen {
		_, _ = rand.Read(random[:]) // never fails
		// Of the bytes above the last multiple some letters would have more.
		if n := int(random[0]); n < 256/len(recoveryAlphabet)*len(recoveryAlphabet) {
			code = append(code, recoveryAlphabet[n%len(recoveryAlphabet)])
		}
	}
	return string(code)
}

// showRecoveryCode writes a code as people read it best: XXXXX-XXXXX.
func showRecoveryCode(code string) string { return code[:recoveryLen/2] + "-" + code[recoveryLen/2:] }

// readRecoveryCode returns the code that somebody typed, in whatever case and
// with whatever between. It is false for what is none.
func readRecoveryCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	code := strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_. \t\u00a0\u2010\u2011", r) {
			return -1
		}
		return r
	}, typed))
	if len(code) != recoveryLen || strings.Trim(code, recoveryAlphabet) != "" {
		return "", false
	}
	return code, true
}

func (s *Store) recoveryHash(accountID, code string) []byte {
	return s.cfg.Keys.Hash("recovery code|" + accountID + "|" + code)
}

// NewRecoveryCodes gives the account other recovery codes, which are returned
// this one time. Those before them are of no use any more.
func (s *Store) NewRecoveryCodes(ctx context.Context, by audit.Actor, a *Account) ([]string, error) {
	var codes []string
	err := s.db.InTx(ctx, func(ctx context.Context) (err error) {
		if err := s.forgetRecoveryCodes(ctx, a.ID); err != nil {
			return err
		}
		if codes, err = s.insertRecoveryCodes(ctx, a.ID); err != nil {
			return err
		}
		return s.recordFactor(ctx, by, a, "account.new_recovery_codes", nil)
	})
	return codes, err
}

func (s *Store) insertRecoveryCodes(ctx context.Context, accountID string) ([]string, error) {
	codes := make([]string, 0, recoveryCodes)
	rows := make([]map[string]any, 0, recoveryCodes)
	now := s.db.Now()
	for range recoveryCodes {
		code := newRecoveryCode()
		codes = append(codes, showRecoveryCode(code))
		rows = append(rows, map[string]any{"hash": s.recoveryHash(accountID, code), "account_id": accountID, "created_at": now})
	}
	return codes, storage.Err("keep recovery codes", s.db.With(ctx).Table("recovery_codes").Create(rows).Error)
}

func (s *Store) forgetRecoveryCodes(ctx context.Context, accountID string) error {
	return storage.Err("forget recovery codes", s.db.With(ctx).Exec(`DELETE FROM recovery_codes WHERE account_id = ?`, accountID).Error)
}

// useRecoveryCode uses up a code, within a transaction, and reports whether it
// was one. Of several that try the same one at once, one gets it.
func (s *Store) useRecoveryCode(ctx context.Context, by audit.Actor, a *Account, code string) (bool, error) {
	res := s.db.With(ctx).Exec(`UPDATE recovery_codes SET used_at = ? WHERE hash = ? AND account_id = ? AND used_at IS NULL`,
		s.db.Now(), s.recoveryHash(a.ID, code), a.ID)
	if res.Error != nil || res.RowsAffected == 0 {
		return false, storage.Err("use recovery code", res.Error)
	}
	return true, s.recordFactor(ctx, by, a, "account.use_recovery_code", nil)
}
