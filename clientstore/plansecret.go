package clientstore

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"countersign/storage"
)

// planSecret says what becomes of the client's secret.
func (s *Store) planSecret(ctx context.Context, step *Step, before *Client) error {
	after, d := step.After, step.declared.Secret
	if !after.UsesSecret() {
		after.ManagedSecret = nil
		if d != nil && d.Value != "" {
			return refuse("secret", "is of no use to a client that authenticates by %s; leave it out, or choose another token_endpoint_auth_method", authentication(after))
		}
		return nil
	}
	if d == nil || d.Value == "" || d.Initial && step.Before != nil {
		after.ManagedSecret = nil
		s.planGenerated(step, before)
		return nil
	}
	if fault := after.typedFault(d.Value, s.cfg.Policy); fault != "" {
		return refuse("secret", "%s", fault)
	}
	return s.planReference(ctx, step, before)
}

// planGenerated gives a secret to a client that comes to need one. One whose
// secrets were revoked is left without: whoever did so decides what follows.
func (s *Store) planGenerated(step *Step, before *Client) {
	after, now := step.After, s.db.Now()
	has := slices.ContainsFunc(after.Secrets, func(k Secret) bool { return k.Live(now) }) && !after.cannotSign()
	switch {
	case !has && (step.Before == nil || !before.UsesSecret() || after.signsWithSecret() && !before.signsWithSecret()):
		step.Secret = SecretGenerated
	case !has:
		step.Notes = append(step.Notes, "It has no secret that works. To give it one: countersign client rotate-secret "+before.ID)
	case before.ManagedSecret != nil:
		step.Secret = SecretLeft
	}
}

// authentication is how the client proves who it is, for a message.
func authentication(c *Client) string {
	if c.Metadata.OAuth1PublicKey != "" {
		return "oauth1_public_key"
	}
	return c.Metadata.TokenEndpointAuthMethod
}

// planReference holds what the reference leads to against what the client has.
func (s *Store) planReference(ctx context.Context, step *Step, before *Client) error {
	after, value := step.After, step.declared.Secret.Value
	if kept := before.ManagedSecret; kept != nil {
		same, err := s.isSecret(ctx, before, *kept, value)
		if err != nil {
			return err
		}
		lives := slices.ContainsFunc(after.Secrets, func(k Secret) bool { return k.ID == kept.ID && k.Live(s.db.Now()) })
		if same && !lives {
			step.Notes = append(step.Notes, "Its secret was revoked, and is not given to it again: put another one where the file refers to.")
			return nil
		}
		if same && after.signsWithSecret() == (kept.Algorithm == Sealed) {
			return nil
		}
	}
	if before.ManagedSecret == nil {
		taken, err := s.hasSecret(ctx, before, after, value)
		if err != nil || taken != nil {
			step.Secret, step.reuse, after.ManagedSecret = SecretTaken, taken, taken
			return err
		}
	}
	step.Secret = SecretRotated
	if len(before.Secrets) == 0 {
		step.Secret = SecretSet
	}
	return nil
}

// hasSecret returns the secret that has the value, of those that do not end,
// nil for none.
func (s *Store) hasSecret(ctx context.Context, before, after *Client, value string) (*Secret, error) {
	for i := range after.Secrets {
		kept := after.Secrets[i]
		if kept.ExpiresAt != nil || after.signsWithSecret() != (kept.Algorithm == Sealed) {
			continue
		}
		same, err := s.isSecret(ctx, before, kept, value)
		if err != nil {
			return nil, err
		}
		if same {
			return &kept, nil
		}
	}
	return nil, nil //nolint:nilnil // documented
}

// isSecret reports whether the kept secret of the client has the value.
func (s *Store) isSecret(ctx context.Context, c *Client, kept Secret, value string) (bool, error) {
	switch kept.Algorithm {
	case KeyedHash:
		return subtle.ConstantTimeCompare(s.cfg.Keys.Hash(value), kept.Value) == 1, nil
	case Argon2id:
		return s.typed.verify(ctx, kept, value)
	case Sealed:
		for _, clear := range s.open(c, []Secret{kept}) {
			return subtle.ConstantTimeCompare(clear.Value, []byte(value)) == 1, nil
		}
		return false, nil
	default:
		return false, errors.Join(storage.ErrUnavailable, errPHC)
	}
}
