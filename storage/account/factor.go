package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// ErrWrongCode is a code that is not right, or that was right once before.
var ErrWrongCode = errors.New("code is wrong or was used")

// Factors are what an account signs in with beside its password. As soon as
// there is one, the password alone is not enough.
type Factors struct {
	TOTP     *Authenticator // nil for none
	Passkeys []Passkey
	// RecoveryCodes is how many are left.
	RecoveryCodes int64
}

// Authenticator is an application that makes codes.
type Authenticator struct {
	CreatedAt time.Time
	UsedAt    *time.Time
}

// Any reports whether there is a second factor.
func (f *Factors) Any() bool { return f.TOTP != nil || len(f.Passkeys) > 0 }

// Factors returns what the account signs in with beside its password.
func (s *Store) Factors(ctx context.Context, accountID string) (*Factors, error) {
	var (
		f    Factors
		totp []Authenticator
	)
	err := s.db.With(ctx).Raw(`SELECT created_at, used_at FROM totp_authenticators WHERE account_id = ?`, accountID).Scan(&totp).Error
	if err == nil && len(totp) == 1 {
		f.TOTP = &totp[0]
	}
	if err == nil {
		err = s.db.With(ctx).Where("account_id = ?", accountID).Order("created_at, id").Find(&f.Passkeys).Error
	}
	if err == nil {
		err = s.db.With(ctx).Raw(`SELECT count(*) FROM recovery_codes WHERE account_id = ? AND used_at IS NULL`, accountID).Scan(&f.RecoveryCodes).Error
	}
	return &f, storage.Err("read second factors", err)
}

// HasSecondFactor reports whether the password alone does not sign the account
// in.
func (s *Store) HasSecondFactor(ctx context.Context, accountID string) (bool, error) {
	var n int64
	err := s.db.With(ctx).Raw(`SELECT count(*) FROM (
		SELECT account_id FROM totp_authenticators WHERE account_id = @id UNION ALL SELECT account_id FROM passkeys WHERE account_id = @id) factors`,
		map[string]any{"id": accountID}).Scan(&n).Error
	return n > 0, storage.Err("look for second factors", err)
}

func totpPlace(accountID string) string { return "totp_authenticators.sealed/" + accountID }

// enrolmentFor is how long an authenticator application may take to be set up.
const enrolmentFor = 30 * time.Minute

// enrolment is the secret of an authenticator that is being set up. It is kept
// by the page, sealed, so that nothing is stored before it is known to work.
type enrolment struct {
	Shared []byte
	At     time.Time
}

// SealEnrolment seals a secret for the page on which the account confirms it.
func (s *Store) SealEnrolment(accountID string, secret []byte) string {
	clear, _ := json.Marshal(enrolment{secret, s.db.Now()}) // never fails
	return base64.RawURLEncoding.EncodeToString(s.cfg.Keys.Seal(clear, "totp enrolment/"+accountID))
}

// OpenEnrolment returns the secret that was sealed for the account;
// [storage.ErrNotFound] when it was not, or too long ago.
func (s *Store) OpenEnrolment(accountID, sealed string) ([]byte, error) {
	var e enrolment
	if err := s.open(sealed, "totp enrolment/"+accountID, &e); err != nil || s.db.Now().Sub(e.At) > enrolmentFor {
		return nil, storage.Err("open enrolment", storage.ErrNotFound)
	}
	return e.Shared, nil
}

func (s *Store) open(sealed, place string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return err
	}
	clear, err := s.cfg.Keys.Open(raw, place)
	if err != nil {
		return err
	}
	return json.Unmarshal(clear, into)
}

// AddTOTP gives the account an authenticator application that has shown by a
// code that it knows the secret; otherwise [ErrWrongCode]. An account has one
// at most: a second is [storage.ErrConflict]. With the first factor come
// recovery codes, which are returned this one time.
func (s *Store) AddTOTP(ctx context.Context, by audit.Actor, a *Account, secret []byte, code string) (recovery []string, err error) {
	now := s.db.Now()
	step, ok := matchTOTP(secret, digits(code), now)
	if !ok {
		return nil, ErrWrongCode
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.lockAccount(ctx, a.ID); err != nil { // sign-ins that are under way come before, or see the factor
			return err
		}
		res := s.db.With(ctx).Exec(`INSERT INTO totp_authenticators (account_id, sealed, last_step, created_at, used_at) VALUES (@id, @sealed, @step, @now, @now)
			ON CONFLICT DO NOTHING`, map[string]any{"id": a.ID, "sealed": s.cfg.Keys.Seal(secret, totpPlace(a.ID)), "step": step, "now": now})
		if res.Error != nil {
			return storage.Err("add authenticator", res.Error)
		}
		if res.RowsAffected == 0 {
			return storage.Err("add authenticator", storage.ErrConflict)
		}
		if recovery, err = s.firstRecoveryCodes(ctx, a.ID); err != nil {
			return err
		}
		return s.recordFactor(ctx, by, a, "account.add_totp", nil)
	})
	return recovery, err
}

// firstRecoveryCodes makes recovery codes for an account that has none left.
func (s *Store) firstRecoveryCodes(ctx context.Context, accountID string) ([]string, error) {
	var left int64
	err := s.db.With(ctx).Raw(`SELECT count(*) FROM recovery_codes WHERE account_id = ? AND used_at IS NULL`, accountID).Scan(&left).Error
	if err != nil || left > 0 {
		return nil, storage.Err("count recovery codes", err)
	}
	if err := s.forgetRecoveryCodes(ctx, accountID); err != nil {
		return nil, err
	}
	return s.insertRecoveryCodes(ctx, accountID)
}

// RemoveTOTP takes the authenticator application away; [storage.ErrNotFound]
// when there is none. With the last factor go the recovery codes.
func (s *Store) RemoveTOTP(ctx context.Context, by audit.Actor, a *Account) error {
	return s.removeFactor(ctx, by, a, factorRemoval{
		action: "account.remove_totp", query: `DELETE FROM totp_authenticators WHERE account_id = @id`,
	})
}

// RemoveFactors takes every second factor away, for somebody who has lost them
// all: the password alone signs in again. It is an administrator's to do.
func (s *Store) RemoveFactors(ctx context.Context, by audit.Actor, id string) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		a, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		if s.held(by) && a.administers() && by.AccountID != a.ID {
			return errFactors
		}
		var gone int64
		for _, table := range []string{"totp_authenticators", "passkeys", "recovery_codes"} {
			res := s.db.With(ctx).Exec(`DELETE FROM `+table+` WHERE account_id = ?`, id)
			if res.Error != nil {
				return storage.Err("remove second factors", res.Error)
			}
			gone += res.RowsAffected
		}
		if gone == 0 {
			return storage.Err("remove second factors", storage.ErrNotFound)
		}
		return s.recordFactor(ctx, by, a, "account.remove_factors", nil)
	})
}

// factorRemoval is the removal of one factor.
type factorRemoval struct {
	action, query string
	factor        string // its identifier, where an account may have several
	named         any    // what the audit record says of it
}

func (s *Store) removeFactor(ctx context.Context, by audit.Actor, a *Account, r factorRemoval) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		res := s.db.With(ctx).Exec(r.query, map[string]any{"id": a.ID, "factor": r.factor})
		if res.Error != nil {
			return storage.Err("remove second factor", res.Error)
		}
		if res.RowsAffected == 0 {
			return storage.Err("remove second factor", storage.ErrNotFound)
		}
		if left, err := s.HasSecondFactor(ctx, a.ID); err != nil {
			return err
		} else if !left {
			if err := s.forgetRecoveryCodes(ctx, a.ID); err != nil {
				return err
			}
		}
		return s.recordFactor(ctx, by, a, r.action, r.named)
	})
}

// recordFactor tells the audit log of a change of the factors of an account.
func (s *Store) recordFactor(ctx context.Context, by audit.Actor, a *Account, action string, after any) error {
	return s.cfg.Audit.Record(ctx, by, audit.Change{Action: action, TargetType: "account", TargetID: a.ID, TargetName: a.Username, After: after})
}

// Second is one attempt at the second step of a sign-in by a code.
type Second struct {
	Account *Account
	// Code is one of the authenticator application, or Recovery a recovery
	// code.
	Code, Recovery string
	Device         string // the browser's device cookie
	By             audit.Actor
}

// ProveSecond reports whether the code is right, once: of the same code at
// once or again, one attempt gets nil. Wrong ones are [ErrWrongCode]; they are
// counted as wrong passwords are, in counters of their own, and delayed by a
// [*ThrottledError].
func (s *Store) ProveSecond(ctx context.Context, in Second) error {
	made, err := s.reserve(ctx, s.secondLimits(in))
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		right, err := s.useSecond(ctx, in)
		switch {
		case err != nil:
			return err
		case !right:
			return ErrWrongCode
		default:
			return s.settle(ctx, made)
		}
	})
	if err != nil && !errors.Is(err, ErrWrongCode) {
		return errors.Join(err, s.release(ctx, made))
	}
	return err
}

// useSecond uses the code up, and reports whether it was right.
func (s *Store) useSecond(ctx context.Context, in Second) (bool, error) {
	if in.Recovery == "" {
		return s.useTOTP(ctx, in.Account.ID, digits(in.Code))
	}
	code, ok := readRecoveryCode(in.Recovery)
	if !ok {
		return false, nil
	}
	return s.useRecoveryCode(ctx, in.By, in.Account, code)
}

// secondLimits are the counters of an attempt. Who knows the password may
// still be a stranger, who must not lock the owner's own browser out.
func (s *Store) secondLimits(in Second) []limit {
	if device := s.knownDevice(in.Device, in.Account.ID); device != "" {
		return []limit{
			{s.throttleKey("second factor of device", in.Account.ID, device), guessFree, guessWindow},
			// Whoever had the password before there was a factor may have made
			// many devices known.
			{s.throttleKey("second factor of known devices", in.Account.ID), guessDevicesFree, guessWindow},
		}
	}
	return []limit{
		{s.throttleKey("second factor of account", in.Account.ID), guessFree, guessWindow},
		{s.throttleKey("second factor of network", addressPrefix(in.By.IP)), guessNetworkFree, guessWindow},
	}
}

// useTOTP reports whether the code is one of the account's authenticator, and
// uses up its time step: no code of that step or an earlier one counts again
// (RFC 6238, section 5.2).
func (s *Store) useTOTP(ctx context.Context, accountID, code string) (bool, error) {
	var sealed [][]byte
	err := s.db.With(ctx).Raw(`SELECT sealed FROM totp_authenticators WHERE account_id = ?`, accountID).Scan(&sealed).Error
	if err != nil || len(sealed) == 0 {
		return false, storage.Err("read authenticator", err)
	}
	secret, err := s.cfg.Keys.Open(sealed[0], totpPlace(accountID))
	if err != nil {
		return false, err
	}
	now := s.db.Now()
	step, ok := matchTOTP(secret, code, now)
	if !ok {
		return false, nil
	}
	res := s.db.With(ctx).Exec(`UPDATE totp_authenticators SET last_step = @step, used_at = @now WHERE account_id = @id AND last_step < @step`,
		map[string]any{"step": step, "now": now, "id": accountID})
	return res.RowsAffected == 1, storage.Err("use code", res.Error)
}

// digits is a code as it was typed without the spaces that people put into it.
func digits(typed string) string {
	return strings.NewReplacer(" ", "", "\u00a0", "", "-", "").Replace(typed)
}

// stepFor is how long the second step of a sign-in may follow the first.
const stepFor = 10 * time.Minute

// firstStep is a sign-in whose password was right, while the second step is
// still to come. A browser keeps it, sealed; it is no session, and signs nobody
// in.
type firstStep struct {
	AccountID    string
	Epoch        int64
	FailedBefore int64
	At           time.Time
}

const stepPlace = "first step of a sign-in"

// SealFirstStep seals that the account's password was right.
func (s *Store) SealFirstStep(a *Account) string {
	clear, _ := json.Marshal(firstStep{a.ID, a.Epoch, a.FailedBefore, s.db.Now()}) // never fails
	return base64.RawURLEncoding.EncodeToString(s.cfg.Keys.Seal(clear, stepPlace))
}

// OpenFirstStep returns the account whose password was right not long ago, and
// that has not changed since; otherwise [storage.ErrNotFound].
func (s *Store) OpenFirstStep(ctx context.Context, sealed string) (*Account, error) {
	var f firstStep
	if err := s.open(sealed, stepPlace, &f); err != nil || s.db.Now().Sub(f.At) > stepFor {
		return nil, storage.Err("open first step", storage.ErrNotFound)
	}
	a, err := s.Get(ctx, f.AccountID)
	if err != nil {
		return nil, err
	}
	if a.Epoch != f.Epoch || a.DisabledAt != nil {
		return nil, storage.Err("open first step", storage.ErrNotFound)
	}
	a.FailedBefore = f.FailedBefore
	return a, nil
}

// KnowDevice returns the device cookie of a browser in which the account has
// signed in.
func (s *Store) KnowDevice(cookie, accountID string) string {
	return s.deviceCookie(cookie, accountID, s.knownDevice(cookie, accountID))
}
