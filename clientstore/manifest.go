package clientstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/storage"
)

// Manifest is what a clients file says: the whole of its clients.
type Manifest struct {
	// File is the name that the file gives itself. Clients belong to it by this
	// name, wherever it is kept.
	File    string
	Clients []Declared
	// Prune removes clients that belong to the file and that it does not list
	// any more.
	Prune bool
	// Sector reads what is kept at the sector_identifier_uri of m, nil when it
	// is not needed: see [Metadata.NeedsSector].
	Sector func(ctx context.Context, before, m *Metadata) (*Sector, error)
	// Account returns the identifier of the account that people call so, or
	// [storage.ErrNotFound]. Files name accounts as people do.
	Account func(ctx context.Context, username string) (string, error)
}

// Declared is one client as a file declares it.
type Declared struct {
	Handle string // what the file calls it, for good
	// ClientID is the key of a client that is there already and shall belong to
	// the file from now on, or of one of another server that shall be registered
	// with the same key; empty lets the server make one.
	ClientID string
	Type     Type
	Name     string
	// Metadata name the account of oauth1_functional_account by its username.
	Metadata Metadata
	// Status is Approved or Disapproved; Pending, or nothing, leaves the
	// decision to administrators.
	Status Status
	Reason string // of a disapproval
	// Conditions are what the file narrows its approval to, with the usernames
	// of the test users; nil keeps those that the client has.
	Conditions *Conditions
	Secret     *DeclaredSecret
}

// DeclaredSecret is a secret that a file refers to. A client that needs one and
// has no reference gets one that is generated.
type DeclaredSecret struct {
	Value string
	// Overlap is how long the secrets before it stay valid.
	Overlap time.Duration
	// Initial is true of one that counts for a client that is registered now,
	// and not for one that is there.
	Initial bool
}

// DeclarationError is what is wrong with one client of a file. Err is often a
// [*MetadataError], which names the member.
type DeclarationError struct {
	Handle string
	Err    error
}

func (e *DeclarationError) Error() string { return e.Handle + ": " + e.Err.Error() }

func (e *DeclarationError) Unwrap() error { return e.Err }

// ManifestError is all that is wrong with the clients of a file.
type ManifestError struct{ Faults []*DeclarationError }

func (e *ManifestError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (e *ManifestError) Unwrap() []error {
	list := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		list[i] = f
	}
	return list
}

// add adds what is wrong with a client, and returns any other error.
func (e *ManifestError) add(handle string, err error) error {
	if _, ok := errors.AsType[*MetadataError](err); !ok {
		return err
	}
	e.Faults = append(e.Faults, &DeclarationError{handle, err})
	return nil
}

// Limits of a file. All of it is written in one transaction, which is bounded
// in time.
const (
	maxDeclared = 500
	maxFile     = 200 // characters of its name
	maxHandle   = 64  // characters
)

// HandlePattern is what a handle looks like, as a regular expression.
const HandlePattern = `^[a-z0-9][a-z0-9._-]{0,63}$`

func checkHandle(handle string) error {
	valid := func(i int) bool {
		b := handle[i]
		return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || i > 0 && strings.IndexByte("._-", b) >= 0
	}
	if len(handle) == 0 || len(handle) > maxHandle {
		return refuse("handle", "%s has not 1 to %d characters", quoted(handle), maxHandle)
	}
	for i := range len(handle) {
		if !valid(i) {
			return refuse("handle", "%s is not one: write lower-case letters, digits, and between them dots, dashes and underscores", quoted(handle))
		}
	}
	return nil
}

// functionalMember names an account. A file names it by its username, which is
// the same on every server.
const functionalMember = "oauth1_functional_account"

// findFunctional puts the identifier of the functional account in the place of
// its name.
func (m *Manifest) findFunctional(ctx context.Context, before, after *Metadata) error {
	name := after.OAuth1FunctionalAccount
	if m.Account == nil || name == "" || name == before.OAuth1FunctionalAccount {
		return nil
	}
	id, err := m.account(ctx, functionalMember, name)
	after.OAuth1FunctionalAccount = id
	return err
}

// account returns the identifier of the account that the member names.
func (m *Manifest) account(ctx context.Context, member, name string) (string, error) {
	id, err := m.Account(ctx, name)
	if errors.Is(err, storage.ErrNotFound) {
		return "", refuse(member, "no user is named %s; name one that there is", quoted(name))
	}
	return id, err
}

// check finds what needs no database to be wrong.
func (m *Manifest) check() error {
	if m.File == "" || checkText("owner", m.File, maxFile) != nil {
		return refuse("owner", "%s cannot name a file; write up to %d printable characters", quoted(m.File), maxFile)
	}
	if len(m.Clients) > maxDeclared {
		return refuse("clients", "has %d entries; %d are allowed, since all are written at once: split the file", len(m.Clients), maxDeclared)
	}
	faults := &ManifestError{}
	handles, keys := map[string]bool{}, map[string]bool{}
	for i := range m.Clients {
		d := &m.Clients[i]
		err := d.check()
		if err == nil && handles[d.Handle] {
			err = refuse("handle", "is there twice")
		}
		if err == nil && d.ClientID != "" && keys[d.ClientID] {
			err = refuse("client_id", "%s is there twice", quoted(d.ClientID))
		}
		handles[d.Handle], keys[d.ClientID] = true, true
		if err != nil {
			faults.Faults = append(faults.Faults, &DeclarationError{d.Handle, err})
		}
	}
	if len(faults.Faults) > 0 {
		return faults
	}
	return nil
}

func (d *Declared) check() error {
	if err := checkHandle(d.Handle); err != nil {
		return err
	}
	switch d.Status {
	case Pending:
		d.Status = ""
	case "", Approved, Disapproved:
	default:
		return refuse("status", "%s is not a status; use pending, approved or disapproved", quoted(string(d.Status)))
	}
	d.Reason = strings.TrimSpace(d.Reason)
	if d.Reason != "" && d.Status != Disapproved {
		return refuse("status_reason", "is for a client that is disapproved; leave it out")
	}
	if d.Conditions != nil && d.Status == "" {
		return refuse("conditions", "are what the file narrows its own approval to: write status: approved, or leave them out and have the administrator who approves the client set them")
	}
	if d.Secret != nil && d.Secret.Overlap < 0 {
		return refuse("secret", "has an overlap that is less than nothing")
	}
	return checkText("status_reason", d.Reason, maxReason)
}

// settled is the status to which the file brings the client under the
// conditions, and the reason of a disapproval. It approves what is pending, takes
// back a disapproval of its own, never one of somebody else, and lets an approval
// of its own begin again that its conditions ended.
func (d *Declared) settled(before *Client, on Conditions, now time.Time) (status Status, reason string) {
	ended := before.ManagedStatus == Approved && before.ApprovalEnded() && d.Conditions != nil
	switch {
	case d.Status == "", d.Status == Disapproved && before.Status == Disapproved:
		return before.Status, before.StatusReason
	case d.Status == Disapproved:
		return Disapproved, d.Reason
	case before.Status == Disapproved && before.ManagedStatus != Disapproved && !ended:
		return Disapproved, before.StatusReason
	case on.over(now):
		return Disapproved, lapseReason(*on.Until)
	default:
		return Approved, ""
	}
}

// title names a client in a sentence.
func (c *Client) title() string { return fmt.Sprintf("%s (%s)", quoted(c.Name), c.ID) }
