package clientstore

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"

	"countersign/storage/seal"
)

// VerifySecret reports whether the presented secret is one of the client's
// live ones. [ErrBusy] says that it was not looked at.
//
// Without a client (nil: no such key) it does the work that a client with
// generated secrets takes, and says no. A wrong secret for a client whose
// secret was typed takes as long as argon2id does, so that the existence of
// such a client can be told by time; hashing as much for every unknown key
// would let strangers spend the server's time instead. Whoever answers guesses
// has to slow them down.
func (s *Store) VerifySecret(ctx context.Context, c *Client, presented string) (bool, error) {
	if presented == "" || len(presented) > maxTyped {
		return false, nil
	}
	if c == nil {
		s.verifyGenerated(nil, nil, presented)
		return false, nil
	}
	now := s.db.Now()
	live := make([]Secret, 0, len(c.Secrets))
	for _, secret := range c.Secrets {
		if secret.Live(now) {
			live = append(live, secret)
		}
	}
	if s.verifyGenerated(c, live, presented) || s.verifySealed(c, live, presented) {
		return true, nil
	}
	for _, secret := range live {
		if secret.Algorithm != Argon2id {
			continue
		}
		ok, err := s.typed.verify(ctx, secret, presented)
		if err != nil {
			return false, fmt.Errorf("verify client secret: %w", err)
		}
		if ok {
			s.NoteSecretUse(c.ID, secret.ID)
			return true, nil
		}
	}
	return false, nil
}

// Recognises reports whether the presented secret is one of the client's that
// is known without the work of a guess: a generated one, or a typed one that
// was verified before. Who sends it needs no slowing down.
func (s *Store) Recognises(c *Client, presented string) bool {
	now := s.db.Now()
	live := slices.DeleteFunc(slices.Clone(c.Secrets), func(secret Secret) bool { return !secret.Live(now) })
	return s.verifyGenerated(c, live, presented) || slices.ContainsFunc(live, func(secret Secret) bool {
		known := secret.Algorithm == Argon2id && s.typed.remembers(s.typed.entry(secret, presented))
		if known {
			s.NoteSecretUse(c.ID, secret.ID)
		}
		return known
	})
}

// verifyGenerated tries the secrets that the server generated. What has not
// their checksum is none of them, which takes no hash to know.
func (s *Store) verifyGenerated(c *Client, secrets []Secret, presented string) bool {
	if !seal.WellFormed(seal.ClientSecret, presented) {
		return false
	}
	hash := s.cfg.Keys.Hash(presented)
	found, which := subtle.ConstantTimeCompare(hash, make([]byte, len(hash))), 0 // for a client without any
	for i, secret := range secrets {
		if secret.Algorithm == KeyedHash {
			same := subtle.ConstantTimeCompare(hash, secret.Value)
			found, which = found|same, subtle.ConstantTimeSelect(same, i, which)
		}
	}
	if found == 1 && c != nil {
		s.NoteSecretUse(c.ID, secrets[which].ID)
	}
	return found == 1
}

// verifySealed tries the secrets that can be read again; those of OAuth 1.0a
// sign and are never presented.
func (s *Store) verifySealed(c *Client, secrets []Secret, presented string) bool {
	if c.Type == OAuth1 {
		return false
	}
	found := 0
	for _, kept := range s.open(c, secrets) {
		if subtle.ConstantTimeCompare(kept.Value, []byte(presented)) == 1 {
			found = 1
			s.NoteSecretUse(c.ID, kept.ID)
		}
	}
	return found == 1
}

// RevealSecrets returns the client's live secrets in clear, for the check of
// what the client signed with one of them, which is then noted by
// [Store.NoteSecretUse]. Those that are kept as hashes are not among them.
func (s *Store) RevealSecrets(c *Client) []Revealed {
	now := s.db.Now()
	return s.open(c, slices.DeleteFunc(slices.Clone(c.Secrets), func(k Secret) bool { return !k.Live(now) }))
}

// Revealed is a secret in clear.
type Revealed struct {
	ID    string
	Value []byte
}

// open opens the sealed ones. One that does not open was moved here from
// another client, and counts for nothing.
func (s *Store) open(c *Client, secrets []Secret) []Revealed {
	var clear []Revealed
	for _, kept := range secrets {
		if kept.Algorithm != Sealed {
			continue
		}
		if secret, err := s.cfg.Keys.Open(kept.Value, secretPlace(c.ID, kept.ID)); err == nil {
			clear = append(clear, Revealed{kept.ID, secret})
		}
	}
	return clear
}

// cannotSign reports whether the client is to sign with a secret, and has none
// that can be read again.
func (c *Client) cannotSign() bool {
	return c.Type != OAuth1 && c.signsWithSecret() && len(c.Secrets) > 0 &&
		!slices.ContainsFunc(c.Secrets, func(s Secret) bool { return s.Algorithm == Sealed })
}
