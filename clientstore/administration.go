package clientstore

import (
	"context"
	"slices"
	"strings"

	"countersign/storage"
	"countersign/storage/audit"
)

// The scopes of the administration's API. They mean nothing without the
// permission of the account that the token acts for.
const (
	ScopeClientsRead    = "clients:read"
	ScopeClientsWrite   = "clients:write"
	ScopeClientsApprove = "clients:approve"
	ScopeAccountsRead   = "accounts:read"
	ScopeAccountsWrite  = "accounts:write"
	ScopeAuditRead      = "audit:read"
	ScopeKeysRead       = "keys:read"
	ScopeKeysWrite      = "keys:write"
)

// AdministrationScopes are the scopes of the administration's API. They are
// this server's own words: a client has them from an administrator only.
var AdministrationScopes = []string{
	ScopeClientsRead, ScopeClientsWrite, ScopeClientsApprove, ScopeAccountsRead, ScopeAccountsWrite,
	ScopeAuditRead, ScopeKeysRead, ScopeKeysWrite,
}

// AdministrationScopesBeyond returns the scopes of the administration's API
// that the metadata have and those before had not.
func (m *Metadata) AdministrationScopesBeyond(before *Metadata) []string {
	had := scopes(before.Scope)
	return slices.DeleteFunc(scopes(m.Scope), func(s string) bool {
		return !slices.Contains(AdministrationScopes, s) || slices.Contains(had, s)
	})
}

// CommandLineKey is the key of the client of `countersign login`.
const CommandLineKey = "countersign-cli"

// commandLine is what that client is registered with.
func commandLine() Registration {
	return Registration{
		Type: OAuth2, Name: "Countersign command line", Metadata: Metadata{
			TokenEndpointAuthMethod: AuthNone, ApplicationType: Native,
			GrantTypes: []string{GrantDeviceCode, GrantRefreshToken},
			Scope:      strings.Join(AdministrationScopes, " "),
		},
	}
}

// CommandLine returns the client of `countersign login`. The first time that
// somebody asks for it, it is registered: pending, as any other is. Once an
// administrator removed it, it is [storage.ErrNotFound] for good.
func (s *Store) CommandLine(ctx context.Context, by audit.Actor) (*Client, error) {
	var c *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		res := s.db.With(ctx).Exec(`UPDATE installation SET command_line_at = ? WHERE id = 1 AND command_line_at IS NULL`, s.db.Now())
		if res.Error != nil {
			return storage.Err("register the command line", res.Error)
		}
		var err error
		if res.RowsAffected == 1 {
			c, _, err = s.register(ctx, by, CommandLineKey, commandLine())
			return err
		}
		c, err = s.Get(ctx, CommandLineKey)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}
