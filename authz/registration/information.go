package registration

import (
	"net/url"
	"time"

	"countersign/clientstore"
)

// information is what a client is told about itself (RFC 7591, section 3.2.1;
// RFC 7592, section 3). A secret is in it only when it was just made: nothing
// that could be read again is kept of it.
type information struct {
	ClientID                string             `json:"client_id"`
	ClientSecret            string             `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   *int64             `json:"client_secret_expires_at,omitempty"`
	ClientIDIssuedAt        int64              `json:"client_id_issued_at"`
	RegistrationAccessToken string             `json:"registration_access_token"`
	RegistrationClientURI   string             `json:"registration_client_uri"`
	Status                  clientstore.Status `json:"status"`
	StatusReason            string             `json:"status_reason,omitempty"`
	Type                    clientstore.Type   `json:"type"`
	metadata
	// Approval is what the client gets less than it is registered with, and
	// RevisionRejected what became of the last change that it asked for.
	Approval         *approval `json:"approval,omitempty"`
	PendingRevision  *revision `json:"pending_revision,omitempty"`
	RevisionRejected *rejected `json:"revision_rejected,omitempty"`
}

// approval is what an administrator narrowed the approval of the client to. Who
// the test users are is nobody's business but the administrators'.
type approval struct {
	Scope         string     `json:"scope,omitempty"`
	GrantTypes    []string   `json:"grant_types,omitempty"`
	ResponseTypes []string   `json:"response_types,omitempty"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	TestUsersOnly bool       `json:"test_users_only,omitempty"`
}

// rejected is a change that an administrator rejected.
type rejected struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// metadata is what a client registered. The three lists are written even when
// they are empty: a reader would take an absent one for its default.
type metadata struct {
	ClientName    string   `json:"client_name"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	clientstore.Metadata
}

// revision is what an approved client wants to become.
type revision struct {
	metadata
	CreatedAt time.Time `json:"created_at"`
}

func (h *Handler) information(c *clientstore.Client, token string) information {
	i := information{
		ClientID: c.ID, ClientIDIssuedAt: c.CreatedAt.Unix(),
		RegistrationAccessToken: token, RegistrationClientURI: h.cfg.Issuer + "/register/" + url.PathEscape(c.ID),
		Status: c.Status, StatusReason: c.StatusReason, Type: c.Type, metadata: registered(c),
	}
	if on := c.Conditions; !on.IsZero() && c.Status != clientstore.Pending {
		i.Approval = &approval{on.Scope, on.GrantTypes, on.ResponseTypes, on.Until, len(on.TestAccounts) > 0}
	}
	if r := c.Rejection; r != nil {
		i.RevisionRejected = &rejected{r.At.UTC(), r.Reason}
	}
	return i
}

func registered(c *clientstore.Client) metadata {
	d := c.Document()
	return metadata{d.ClientName, d.RedirectURIs, d.GrantTypes, d.ResponseTypes, d.Metadata}
}

func (i information) withSecret(c *clientstore.Client, secret string) information {
	d := c.Document().WithSecret(secret)
	i.ClientSecret, i.ClientSecretExpiresAt = d.ClientSecret, d.ClientSecretExpiresAt
	return i
}

func (i information) withRevision(r *clientstore.Registered) information {
	if r.Revision.ID != "" {
		i.PendingRevision = &revision{registered(r.Revision.With(r.Client)), r.Revision.CreatedAt.UTC()}
	}
	return i
}
