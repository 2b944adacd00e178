package clientstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// MaxSecrets bounds the live secrets of a client, each of which a wrong one is
// held against.
const MaxSecrets = 5

// Rotation replaces a client's secret.
type Rotation struct {
	// Secret is one that the administrator typed; empty generates one.
	Secret string
	// Overlap is how long the secrets that the client has stay valid, so that
	// the new one can be brought to where it is used.
	Overlap time.Duration
	// Beside leaves them as they are instead.
	Beside bool
	// ExpiresAt ends the new secret; nil means never.
	ExpiresAt *time.Time
	// Once is the token of a form, as in [Registration].
	Once string
}

// RotateSecret gives the client a further secret, ends those that it has when
// the overlap is over, and returns the new one if it was generated. What is
// not acceptable is a [*MetadataError]. Under four eyes an administrator's secret
// of an approved client is a [WaitingSecret], which the client that is returned
// has; nobody is believed by it before another administrator confirms it.
func (s *Store) RotateSecret(ctx context.Context, by audit.Actor, id string, r Rotation) (*Client, string, error) {
	if err := r.check(s.db.Now()); err != nil {
		return nil, "", err
	}
	// How the secret is kept seldom changes, so that the slow hash of a typed
	// one needs no transaction to wait for it.
	known, err := s.Get(ctx, id)
	if err != nil {
		return nil, "", err
	}
	kept, generated, err := s.newSecret(ctx, known, r.Secret)
	if err != nil {
		return nil, "", err
	}
	kept.ExpiresAt = r.ExpiresAt
	if s.waits(known, by) && !r.Beside {
		return s.requestSecret(ctx, by, id, r, made{kept, generated})
	}
	c, err := s.change(ctx, by, id, change{action: "client.rotate_secret", columns: func(c *Client, now time.Time) (map[string]any, error) {
		secrets, err := r.added(c, kept, now)
		if err != nil {
			return nil, err
		}
		encoded, err := column(secrets)
		if err != nil {
			return nil, err
		}
		return s.rotated(c, by, map[string]any{"secrets": encoded}, now)
	}, first: func(ctx context.Context) error {
		return s.keepSubmission(ctx, by, r.Once, submission{ClientID: id, secret: generated})
	}})
	if err != nil {
		return nil, "", err
	}
	return c, generated, nil
}

// added are the secrets of the client with the new one. How secrets are kept may
// have changed since it was made, which is [storage.ErrConflict].
func (r Rotation) added(c *Client, kept Secret, now time.Time) ([]Secret, error) {
	if !c.UsesSecret() {
		return nil, refuse("client_secret", "a client that authenticates by %s has none; change its token_endpoint_auth_method first",
			c.Metadata.TokenEndpointAuthMethod)
	}
	if c.signsWithSecret() != (kept.Algorithm == Sealed) {
		return nil, fmt.Errorf("rotate client secret: %w", storage.ErrConflict)
	}
	secrets := r.others(c.Secrets, now)
	if len(secrets) >= MaxSecrets {
		return nil, refuse("client_secret", "%d secrets are valid already; revoke one, or rotate without overlap", len(secrets))
	}
	return append(secrets, kept), nil
}

// rotated adds to the columns of a rotation who made the secret. Under four eyes
// nobody has a secret alone that an approved client is believed by: it waits (see
// [Store.ConfirmSecret]), or, of a client that was approved just now, is refused.
// And who made one that is believed once the client is approved
// is among those who made the client.
func (s *Store) rotated(c *Client, by audit.Actor, columns map[string]any, now time.Time) (map[string]any, error) {
	if by.AccountID == "" {
		return columns, nil
	}
	if c.Status == Approved && !c.Lapsed(now) {
		if s.cfg.FourEyes {
			return nil, fmt.Errorf("%w: %w", ErrOwnWork, refuse("client_secret",
				"a further secret of an approved client works at once, which under four_eyes nobody brings about alone: "+
					"rotate its secret, which another administrator confirms"))
		}
		return columns, nil
	}
	authors, err := column(unique(append(slices.Clone(c.Authors), by.AccountID)))
	columns["authors"] = authors
	return columns, err
}

func (r Rotation) check(now time.Time) error {
	if r.Overlap < 0 {
		return refuse("overlap", "%s is less than nothing", r.Overlap)
	}
	if r.ExpiresAt != nil && !now.Before(*r.ExpiresAt) {
		return refuse("client_secret_expires_at", "lies in the past")
	}
	return nil
}

// others are the secrets that the client keeps.
func (r Rotation) others(secrets []Secret, now time.Time) []Secret {
	if r.Beside {
		return slices.DeleteFunc(slices.Clone(secrets), func(s Secret) bool { return !s.Live(now) })
	}
	return ending(secrets, now, now.Add(r.Overlap))
}

// ending returns the secrets that are live after now, none of them beyond end.
func ending(secrets []Secret, now, end time.Time) []Secret {
	list := []Secret{}
	for _, s := range secrets {
		if s.Live(end) {
			s.ExpiresAt = &end
		}
		if s.Live(now) {
			list = append(list, s)
		}
	}
	return list
}

// RevokeSecret ends one of the client's secrets at once, by its identifier.
// [storage.ErrNotFound] says that the client or the secret is not there.
func (s *Store) RevokeSecret(ctx context.Context, by audit.Actor, id, secretID string) (*Client, error) {
	return s.change(ctx, by, id, change{action: "client.revoke_secret", columns: func(c *Client, _ time.Time) (map[string]any, error) {
		left := slices.DeleteFunc(slices.Clone(c.Secrets), func(s Secret) bool { return s.ID == secretID })
		if len(left) == len(c.Secrets) {
			return nil, fmt.Errorf("revoke client secret: %w", storage.ErrNotFound)
		}
		encoded, err := column(left)
		return map[string]any{"secrets": encoded}, err
	}})
}
