package clientstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// Edit changes a client. Nil members stay as they are.
type Edit struct {
	Name *string
	// Metadata replaces all of it: start from the client's own.
	Metadata *Metadata
	// Version is the one that the editor saw; another in the database means
	// [storage.ErrConflict].
	Version int64
	// Sector is what is kept at the sector_identifier_uri; nil without one, or
	// when [Metadata.NeedsSector] says that it is not needed.
	Sector *Sector
	// Conditions are those of an edit that approves; nil keeps those that the
	// client has.
	Conditions *Conditions
}

// Edit changes name and metadata, at once. Key and type stay what they are. An
// edit that is not acceptable is a [*MetadataError], and one that changes
// nothing leaves no trace. A client that has no more use for its secrets loses
// them; one that comes to need one, or to sign with it, needs
// [Store.RotateSecret] to get one. Under four eyes the edit of an approved client
// becomes a [Revision], for another administrator to approve; the client is
// returned as it stays meanwhile.
func (s *Store) Edit(ctx context.Context, by audit.Actor, id string, e Edit) (*Client, error) {
	if s.cfg.FourEyes && by.AccountID != "" {
		c, err := s.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if c.Usable() == nil {
			return s.propose(ctx, by, id, e)
		}
	}
	return s.edit(ctx, by, id, edit{action: "client.edit", Edit: e})
}

// edit is an edit as it is made.
type edit struct {
	Edit
	action string // of the audit record
	// further returns what else to write, nil for nothing.
	further func(c *Client, now time.Time) (map[string]any, error)
}

func (s *Store) edit(ctx context.Context, by audit.Actor, id string, e edit) (*Client, error) {
	var was, edited *Client
	return s.change(ctx, by, id, change{action: e.action, columns: func(c *Client, now time.Time) (columns map[string]any, err error) {
		was = c
		if edited, err = s.edited(c, e.Edit); err != nil {
			return nil, err
		}
		if columns, err = s.authored(c, edited, e, by); err != nil || e.further == nil {
			return columns, err
		}
		further, err := e.further(edited, now)
		if columns == nil || err != nil {
			return further, err
		}
		maps.Copy(columns, further)
		return columns, nil
	}, first: func(ctx context.Context) error {
		if err := s.checkFunctional(ctx, &was.Metadata, &edited.Metadata); err != nil {
			return err
		}
		if e.Conditions != nil {
			if err := s.checkTesters(ctx, was.Conditions, *e.Conditions); err != nil {
				return err
			}
		}
		return s.renewRevision(ctx, id)
	}})
}

// edited returns the client as the edit makes it.
func (s *Store) edited(c *Client, e Edit) (*Client, error) {
	if c.Version != e.Version {
		return nil, fmt.Errorf("edit client: %w", storage.ErrConflict)
	}
	edited := *c
	if e.Name != nil {
		edited.Name = *e.Name
	}
	if e.Metadata != nil {
		edited.Metadata = *e.Metadata
	}
	if err := edited.complete(s.cfg.Policy); err != nil {
		return nil, err
	}
	if err := edited.Metadata.checkSector(&c.Metadata, e.Sector); err != nil {
		return nil, err
	}
	if err := edited.checkSubjects(c); err != nil {
		return nil, err
	}
	if !edited.UsesSecret() {
		edited.Secrets = []Secret{}
	}
	return &edited, nil
}

// editedColumns returns the columns that an edit writes, nil when the client
// is as it was.
func (c *Client) editedColumns(before *Client) (map[string]any, error) {
	was, err := column(before.Metadata)
	if err != nil {
		return nil, err
	}
	metadata, err := column(c.Metadata)
	if err != nil {
		return nil, err
	}
	if c.Name == before.Name && metadata == was {
		return nil, nil // nothing to write
	}
	secrets, err := column(c.Secrets)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"name": c.Name, "metadata": metadata, "secrets": secrets, "consent_digest": c.ConsentDigest,
	}, nil
}

// consentDigest identifies what a resource owner's remembered consent depends
// on: who asks, for what, and where the answer goes. Another digest asks again.
func (c *Client) consentDigest() string {
	uris := slices.Clone(c.Metadata.RedirectURIs)
	slices.Sort(uris)
	trusted, _ := json.Marshal([]any{ // strings only, which always encode
		c.Type, c.Name, uris, c.Metadata.Scope, c.Metadata.ClientURI, c.Metadata.PolicyURI, c.Metadata.TosURI,
		strconv.FormatBool(slices.Contains(c.Metadata.GrantTypes, GrantRefreshToken)), // it may stay when the person goes
	})
	sum := sha256.Sum256(trusted)
	return hex.EncodeToString(sum[:])
}
