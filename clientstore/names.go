package clientstore

import (
	"cmp"
	"context"
	"slices"

	"countersign/storage"
)

// forReading completes clients that an administrator reads.
func (s *Store) forReading(ctx context.Context, clients ...*Client) error {
	if err := s.dateSecrets(ctx, clients...); err != nil {
		return err
	}
	return s.nameAccounts(ctx, clients...)
}

// nameAccounts says of the accounts that the clients name what people call them.
func (s *Store) nameAccounts(ctx context.Context, clients ...*Client) error {
	var ids []string
	for _, c := range clients {
		ids = append(ids, c.accounts()...)
	}
	names, err := s.usernames(ctx, ids)
	if err != nil || len(ids) == 0 {
		return err
	}
	for _, c := range clients {
		c.FunctionalUsername = names[c.Metadata.OAuth1FunctionalAccount]
		c.Conditions.TestUsers = nil
		for _, id := range c.Conditions.TestAccounts {
			c.Conditions.TestUsers = append(c.Conditions.TestUsers, cmp.Or(names[id], id))
		}
	}
	return nil
}

// accounts are the identifiers of the accounts that the client names.
func (c *Client) accounts() []string {
	ids := slices.Clone(c.Conditions.TestAccounts)
	if id := c.Metadata.OAuth1FunctionalAccount; id != "" {
		ids = append(ids, id)
	}
	return ids
}

// together is how many parameters a statement takes at least.
const together = 500

// usernames returns the usernames of those of the accounts that there are, by
// identifier.
func (s *Store) usernames(ctx context.Context, ids []string) (map[string]string, error) {
	names := map[string]string{}
	for chunk := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), together) {
		var found []struct{ ID, Username string }
		if err := s.db.With(ctx).Raw(`SELECT id, username FROM accounts WHERE id IN ?`, chunk).Scan(&found).Error; err != nil {
			return nil, storage.Err("name accounts", err)
		}
		for _, a := range found {
			names[a.ID] = a.Username
		}
	}
	return names, nil
}

// Lasting is the client without what changes while nobody changes it: what people
// call the accounts that it names, and when it and its secrets were used.
func (c *Client) Lasting() *Client {
	bare := *c
	bare.FunctionalUsername, bare.Conditions.TestUsers, bare.UsedAt = "", nil, nil
	bare.dateSecrets(nil)
	return &bare
}
