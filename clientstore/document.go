package clientstore

import (
	"slices"
	"time"
)

// Document is a client as RFC 7591 writes it (section 3.2.1), with its type,
// its status and what else an administrator reads of it: what the command line
// prints and the audit record keeps. It has a secret only when
// [Document.WithSecret] adds the one that was just made.
type Document struct {
	ClientID              string `json:"client_id"`
	ClientSecret          string `json:"client_secret,omitempty"`
	ClientSecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"` // seconds since 1970; 0 means never
	ClientIDIssuedAt      int64  `json:"client_id_issued_at"`                // seconds since 1970
	ClientName            string `json:"client_name"`
	Type                  Type   `json:"type"`
	Status                Status `json:"status"`
	StatusReason          string `json:"status_reason,omitempty"`
	// The three lists stand here and not only in Metadata, to be written even
	// when they are empty: a reader would take an absent one for its default.
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"` // with implicit, where it follows from the response types
	ResponseTypes []string `json:"response_types"`
	Metadata
	// FunctionalUsername is what people call the account of
	// oauth1_functional_account.
	FunctionalUsername string `json:"oauth1_functional_username,omitempty"`

	Requested *Requested       `json:"requested,omitempty"` // of an administrator; nil for nothing
	Secrets   []SecretDocument `json:"secrets"`
	// Waiting is a secret that waits for another administrator, where one was
	// just asked for.
	Waiting   *WaitingDocument `json:"secret_waiting,omitempty"`
	Version   int64            `json:"version"`
	CreatedBy string           `json:"created_by"`
	UpdatedAt time.Time        `json:"updated_at"`
	StatusAt  time.Time        `json:"status_at"`
	StatusBy  string           `json:"status_by,omitempty"`
	// UsedAt is when the client was last seen to be used, to within some minutes;
	// nil before.
	UsedAt *time.Time `json:"used_at,omitempty"`
	// Conditions are what the approval is narrowed to, nil for nothing, and
	// RevisionRejected what became of the last revision.
	Conditions       *Conditions `json:"conditions,omitempty"`
	RevisionRejected *Rejection  `json:"revision_rejected,omitempty"`
	// The clients file that the client belongs to, what it is called there, and
	// what the file decides about it.
	ManagedBy     string `json:"managed_by,omitempty"`
	ManagedHandle string `json:"managed_handle,omitempty"`
	ManagedStatus Status `json:"managed_status,omitempty"`
}

// SecretDocument is what may be read of a secret.
type SecretDocument struct {
	ID        string          `json:"id"`
	Prefix    string          `json:"prefix,omitempty"`
	Algorithm SecretAlgorithm `json:"algorithm"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	// UsedAt is when the client was last believed by it, to within some minutes;
	// nil when it never was.
	UsedAt *time.Time `json:"used_at,omitempty"`
}

// GrantTypes returns the registered grant types, and implicit, which follows from
// the response types. They are the client's own, to be read.
func (c *Client) GrantTypes() []string {
	registered := c.Metadata.GrantTypes
	if !c.Metadata.implicit() || slices.Contains(registered, GrantImplicit) {
		return registered
	}
	return append(slices.Clip(registered), GrantImplicit)
}

// Document returns the client as RFC 7591 writes it, without secrets.
func (c *Client) Document() Document {
	d := Document{
		ClientID: c.ID, ClientIDIssuedAt: c.CreatedAt.Unix(), ClientName: c.Name,
		Type: c.Type, Status: c.Status, StatusReason: c.StatusReason,
		RedirectURIs:  append([]string{}, c.Metadata.RedirectURIs...),
		GrantTypes:    append([]string{}, c.GrantTypes()...),
		ResponseTypes: append([]string{}, c.Metadata.ResponseTypes...),
		Metadata:      c.Metadata, FunctionalUsername: c.FunctionalUsername,
		Secrets: make([]SecretDocument, len(c.Secrets)), Waiting: c.Waiting.Document(),
		Version: c.Version, CreatedBy: c.CreatedBy,
		UpdatedAt: c.UpdatedAt.UTC(), StatusAt: c.StatusAt.UTC(), StatusBy: c.StatusBy, UsedAt: c.UsedAt,
		ManagedBy: c.ManagedBy, ManagedHandle: c.ManagedHandle, ManagedStatus: c.ManagedStatus,
	}
	if r := c.Rejection; r != nil {
		d.RevisionRejected = &Rejection{At: r.At, By: r.By, Reason: r.Reason}
	}
	if !c.Conditions.IsZero() {
		d.Conditions = &c.Conditions
	}
	if !c.Requested.IsZero() {
		d.Requested = &c.Requested
	}
	for i, s := range c.Secrets {
		d.Secrets[i] = SecretDocument{s.ID, s.Prefix, s.Algorithm, s.CreatedAt, s.ExpiresAt, s.UsedAt}
	}
	return d
}

// Client returns the client that the document describes, for who knows it by
// nothing else: its secrets have no values.
func (d Document) Client() *Client {
	c := &Client{
		ID: d.ClientID, Type: d.Type, Name: d.ClientName, Status: d.Status, StatusReason: d.StatusReason, Version: d.Version,
		Metadata: d.Metadata, FunctionalUsername: d.FunctionalUsername, Secrets: make([]Secret, len(d.Secrets)),
		CreatedAt: time.Unix(d.ClientIDIssuedAt, 0).UTC(), CreatedBy: d.CreatedBy,
		UpdatedAt: d.UpdatedAt, StatusAt: d.StatusAt, StatusBy: d.StatusBy, UsedAt: d.UsedAt,
		ManagedBy: d.ManagedBy, ManagedHandle: d.ManagedHandle, ManagedStatus: d.ManagedStatus,
		Rejection: d.RevisionRejected,
	}
	if w := d.Waiting; w != nil {
		c.Waiting = &WaitingSecret{
			ClientID: c.ID, ID: w.ID, Secret: Secret{ID: w.ID, Prefix: w.Prefix, Algorithm: w.Algorithm, CreatedAt: w.CreatedAt, ExpiresAt: w.ExpiresAt},
			Overlap: w.Overlap, CreatedAt: w.CreatedAt, CreatedBy: w.CreatedBy, ExpiresAt: w.WaitsUntil,
		}
	}
	if d.Conditions != nil {
		c.Conditions = *d.Conditions
	}
	if d.Requested != nil {
		c.Requested = *d.Requested
	}
	c.Metadata.RedirectURIs, c.Metadata.ResponseTypes = d.RedirectURIs, d.ResponseTypes
	c.Metadata.GrantTypes = slices.DeleteFunc(slices.Clone(d.GrantTypes), func(g string) bool { return g == GrantImplicit })
	for i, s := range d.Secrets {
		c.Secrets[i] = Secret{ID: s.ID, Prefix: s.Prefix, Algorithm: s.Algorithm, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, UsedAt: s.UsedAt}
	}
	return c
}

// WithSecret adds the secret that was just made for the client, the one that waits
// or else the newest of its secrets, and when it ends.
func (d Document) WithSecret(secret string) Document {
	var at *time.Time
	switch {
	case secret != "" && d.Waiting != nil:
		at = d.Waiting.ExpiresAt
	case secret != "" && len(d.Secrets) > 0:
		at = d.Secrets[len(d.Secrets)-1].ExpiresAt
	default:
		return d
	}
	var ends int64
	if at != nil {
		ends = at.Unix()
	}
	d.ClientSecret, d.ClientSecretExpiresAt = secret, &ends
	return d
}
