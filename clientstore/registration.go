package clientstore

import (
	"context"

	"countersign/storage"
	"countersign/storage/audit"
)

// Registration is what a client is registered with.
type Registration struct {
	Type     Type
	Name     string
	Metadata Metadata
	// Secret is one that the administrator typed; empty lets the store
	// generate one, unless the metadata says that the client has none.
	Secret string
	// Requested is what the client asks an administrator for.
	Requested Requested
	// Sector is what is kept at the sector_identifier_uri, nil without one.
	Sector *Sector
	// Once is the token of a form that registers one client however often it
	// is sent; empty for none. The second time it is [storage.ErrConflict], and
	// [Store.Submitted] returns what the first one did.
	Once string
}

// Register validates and keeps a pending client. With it comes the secret that
// was generated for it, which cannot be read again: it is empty for a client
// that uses none, and for one whose secret the administrator typed and knows. A
// registration that is not acceptable is a [*MetadataError].
func (s *Store) Register(ctx context.Context, by audit.Actor, r Registration) (*Client, string, error) {
	return s.register(ctx, by, newKey(), r)
}

// acceptable completes the client by what it is registered with, and says what
// is wrong with that.
func (s *Store) acceptable(c *Client, r Registration) error {
	if err := c.complete(s.cfg.Policy); err != nil {
		return err
	}
	if err := c.Requested.check(); err != nil {
		return err
	}
	if err := c.Metadata.checkSector(&Metadata{}, r.Sector); err != nil {
		return err
	}
	if !c.UsesSecret() && r.Secret != "" {
		return refuse("client_secret", "a client that authenticates by %s has none; leave it out, or choose another token_endpoint_auth_method",
			c.Metadata.TokenEndpointAuthMethod)
	}
	return nil
}

// register is [Store.Register] of a client with this key.
func (s *Store) register(ctx context.Context, by audit.Actor, key string, r Registration) (*Client, string, error) {
	now := s.db.Now()
	c := &Client{
		ID: key, Type: r.Type, Name: r.Name, Status: Pending, Version: 1,
		Metadata: r.Metadata, Secrets: []Secret{}, Requested: r.Requested,
		Conditions: unconditional(), Authors: []string{},
		CreatedAt: now, CreatedBy: actor(by), UpdatedAt: now, StatusAt: now,
	}
	if err := s.acceptable(c, r); err != nil {
		return nil, "", err
	}
	var generated string
	if c.UsesSecret() {
		kept, secret, err := s.newSecret(ctx, c, r.Secret)
		if err != nil {
			return nil, "", err
		}
		c.Secrets, generated = append(c.Secrets, kept), secret
	}
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		if err := s.checkFunctional(ctx, &Metadata{}, &c.Metadata); err != nil {
			return err
		}
		if err := s.db.With(ctx).Create(c).Error; err != nil {
			return storage.Err("register client", err)
		}
		if err := s.keepSubmission(ctx, by, r.Once, submission{ClientID: c.ID, secret: generated}); err != nil {
			return err
		}
		if err := s.awaitDecision(ctx, c.ID, c.Version, ""); err != nil {
			return err
		}
		return s.record(ctx, by, "client.register", nil, c)
	})
	if err != nil {
		return nil, "", err
	}
	return c, generated, nil
}
