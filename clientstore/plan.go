package clientstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/storage"
)

// Action is what a plan does with a client.
type Action string

// The actions. An orphan belongs to the file, which does not list it any more
// and does not remove it either.
const (
	Create Action = "create"
	Adopt  Action = "adopt"
	Change Action = "change"
	Remove Action = "remove"
	Keep   Action = "keep"
	Orphan Action = "orphan"
)

// SecretChange is what a plan does with a client's secret.
type SecretChange string

// The changes of secrets. A taken one is there already and is the file's from
// now on; a left one was the file's and is not any more.
const (
	SecretGenerated SecretChange = "generated"
	SecretSet       SecretChange = "set"
	SecretRotated   SecretChange = "rotated"
	SecretTaken     SecretChange = "taken"
	SecretLeft      SecretChange = "left"
)

// Plan is what it takes to make the clients of a file what the file says.
type Plan struct {
	File  string
	Steps []Step // by handle, those that are not listed any more at the end
}

// Step is what a plan does with one client.
type Step struct {
	Handle      string
	Action      Action
	Before      *Client // nil for one that is to be created
	After       *Client // nil for one that is to be removed
	Differences []Difference
	Secret      SecretChange
	Notes       []string // what else there is to know, a sentence each
	// Impact is what the step ends, nil when it ends nothing.
	Impact *Impact

	declared Declared
	reuse    *Secret // the one that is taken
	made     *made   // the secret that was made for it, nil before and for none
}

// Changes reports whether the plan changes anything.
func (p *Plan) Changes() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Changes() })
}

// Changes reports whether the step changes anything.
func (s *Step) Changes() bool { return s.Action != Keep && s.Action != Orphan }

// Warnings says, a sentence each, what is risky about the client as the step
// leaves it.
func (s *Step) Warnings() []string {
	if s.After == nil {
		return nil
	}
	c := *s.After
	switch s.Secret {
	case SecretGenerated, SecretSet, SecretRotated:
		kept := Secret{Algorithm: KeyedHash}
		if c.signsWithSecret() {
			kept.Algorithm = Sealed
		}
		c.Secrets = append(slices.Clone(c.Secrets), kept)
	case SecretTaken, SecretLeft, "":
	}
	var list []string
	for _, w := range c.Warnings() {
		list = append(list, w.String())
	}
	return list
}

// Plan compares a file with the database and changes nothing. What is not
// acceptable is a [*ManifestError], or a [*MetadataError] of the file as such.
func (s *Store) Plan(ctx context.Context, m Manifest) (*Plan, error) {
	m.Clients = slices.Clone(m.Clients)
	slices.SortFunc(m.Clients, func(a, b Declared) int { return strings.Compare(a.Handle, b.Handle) })
	if err := m.check(); err != nil {
		return nil, err
	}
	owned, err := s.owned(ctx, m.File)
	if err != nil {
		return nil, err
	}
	p, faults := &Plan{File: m.File}, &ManifestError{}
	gone := maps.Clone(owned)
	for _, d := range m.Clients {
		step, err := s.plan(ctx, &m, d, owned)
		if err != nil {
			if err := faults.add(d.Handle, err); err != nil {
				return nil, err
			}
			continue
		}
		if step.Before != nil {
			delete(gone, step.Before.ManagedHandle)
		}
		delete(gone, d.Handle)
		p.Steps = append(p.Steps, *step)
	}
	if len(faults.Faults) > 0 {
		return nil, faults
	}
	return p, s.planGone(ctx, &m, p, gone)
}

// planGone plans what happens to the clients that the file does not list.
func (s *Store) planGone(ctx context.Context, m *Manifest, p *Plan, gone map[string]*Client) error {
	for _, handle := range slices.Sorted(maps.Keys(gone)) {
		step := Step{Handle: handle, Action: Orphan, Before: gone[handle], After: gone[handle]}
		if m.Prune {
			impact, err := s.Impact(ctx, step.Before.ID)
			if err != nil {
				return err
			}
			step.Action, step.After, step.Impact = Remove, nil, &impact
		}
		p.Steps = append(p.Steps, step)
	}
	return nil
}

// plan plans what happens to one client.
func (s *Store) plan(ctx context.Context, m *Manifest, d Declared, owned map[string]*Client) (*Step, error) {
	step := &Step{Handle: d.Handle, declared: d}
	var err error
	if step.Before, err = s.declaredClient(ctx, m, &d, owned); err != nil {
		return nil, err
	}
	before := step.Before
	if before == nil {
		before = &Client{ID: d.ClientID, Type: d.Type, Status: Pending, Secrets: []Secret{}}
		if before.ID == "" {
			before.ID = newKey()
		}
	}
	if step.After, err = s.declare(ctx, m, &d, before); err != nil {
		return nil, err
	}
	if err := s.planSecret(ctx, step, before); err != nil {
		return nil, err
	}
	if step.Differences, err = s.planDifferences(ctx, before, step.After); err != nil {
		return nil, err
	}
	return step, s.conclude(ctx, m, step)
}

// planDifferences lists what the file changes of the client. Accounts are called
// what people call them.
func (s *Store) planDifferences(ctx context.Context, before, after *Client) ([]Difference, error) {
	list, err := differences(standing(before), standing(after))
	if err != nil {
		return nil, err
	}
	names, err := s.usernames(ctx, append(before.accounts(), after.accounts()...))
	if err != nil {
		return nil, err
	}
	for i, d := range list {
		switch d.Member {
		case functionalMember:
			list[i].Before, list[i].After = named(d.Before, names), named(d.After, names)
		case "conditions.test_accounts":
			list[i] = Difference{"conditions.test_users", named(d.Before, names), named(d.After, names)}
		}
	}
	return list, nil
}

// named is what people call the account or accounts that a difference shows.
func named(value any, names map[string]string) any { //nolint:ireturn // as a difference has it
	switch v := value.(type) {
	case string:
		return cmp.Or(names[v], v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = named(v[i], names)
		}
		return list
	default:
		return value
	}
}

// standing is the client without its secrets, which a difference does not show.
func standing(c *Client) *Client {
	shown := *c.Lasting()
	shown.Secrets = []Secret{}
	return &shown
}

// declaredClient returns the client that the file means, nil for a new one.
func (s *Store) declaredClient(ctx context.Context, m *Manifest, d *Declared, owned map[string]*Client) (*Client, error) {
	if c, ok := owned[d.Handle]; ok {
		if d.ClientID != "" && d.ClientID != c.ID {
			return nil, refuse("client_id", "%s is not the key of this client, which is %s and never changes; correct it, or choose another handle", quoted(d.ClientID), c.ID)
		}
		return c, nil
	}
	if d.ClientID == "" {
		return nil, nil //nolint:nilnil // documented
	}
	c, err := s.Get(ctx, d.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, s.checkNewKey(ctx, d.ClientID)
	}
	if err != nil || c.ManagedBy == "" {
		return c, err
	}
	if c.ManagedBy != m.File {
		return nil, refuse("client_id", "%s belongs to the clients file %s; take it out there, and release it with `countersign client release`", c.title(), quoted(c.ManagedBy))
	}
	if slices.ContainsFunc(m.Clients, func(o Declared) bool { return o.Handle == c.ManagedHandle }) {
		return nil, refuse("client_id", "%s is listed as %s too; leave out one of the two", c.title(), quoted(c.ManagedHandle))
	}
	return c, nil
}

// checkNewKey returns nil for a key that another server made and this one never
// knew.
func (s *Store) checkNewKey(ctx context.Context, key string) error {
	if !isMadeKey(key) {
		return refuse("client_id", "%s is the key of no client here, and none that a server makes; leave it out to have one made", quoted(key))
	}
	err := s.isNew(ctx, key)
	if errors.Is(err, storage.ErrConflict) {
		return refuse("client_id", "%s was the key of a client that was removed, and is never given out again; leave it out to have one made", quoted(key))
	}
	return err
}

// declare returns the client as the file wants it, and as the store keeps it.
func (s *Store) declare(ctx context.Context, m *Manifest, d *Declared, before *Client) (*Client, error) {
	if d.Type != before.Type {
		return nil, refuse("type", "cannot change from %s to %s: it decides what the key is good for; declare another client under another handle", before.Type, d.Type)
	}
	c := *before
	c.Name, c.Metadata = d.Name, d.Metadata
	c.ManagedBy, c.ManagedHandle, c.ManagedStatus = m.File, d.Handle, d.Status
	if err := m.findFunctional(ctx, &before.Metadata, &c.Metadata); err != nil {
		return nil, err
	}
	if err := c.complete(s.cfg.Policy); err != nil {
		return nil, err
	}
	if err := c.checkSubjects(before); err != nil {
		return nil, err
	}
	if err := s.checkFunctional(ctx, &before.Metadata, &c.Metadata); err != nil {
		return nil, err
	}
	if c.Metadata.NeedsSector(&before.Metadata) {
		sector, err := m.Sector(ctx, &before.Metadata, &c.Metadata)
		if err != nil {
			return nil, err
		}
		if err := c.Metadata.checkSector(&before.Metadata, sector); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Conditions, err = s.declareConditions(ctx, m, d, before, &c); err != nil {
		return nil, err
	}
	c.Status, c.StatusReason = d.settled(before, c.Conditions, s.db.Now())
	if !c.UsesSecret() {
		c.Secrets = []Secret{}
	}
	return &c, nil
}

// conclude says what the step comes to.
func (s *Store) conclude(ctx context.Context, m *Manifest, step *Step) error {
	before, after := step.Before, step.After
	switch {
	case before == nil:
		step.Action = Create
		if after.Stopped() {
			step.Notes = append(step.Notes, step.note())
		}
		return nil
	case before.ManagedBy != m.File:
		step.Action = Adopt
	case len(step.Differences) > 0 || step.Secret != "":
		step.Action = Change
	default:
		step.Action = Keep
	}
	if note := step.note(); note != "" {
		step.Notes = append(step.Notes, note)
	}
	if after.Status != Disapproved || before.Status == Disapproved {
		return nil
	}
	impact, err := s.Impact(ctx, before.ID)
	step.Impact = &impact
	return err
}

// note says what else there is to know of the client as the step leaves it, empty
// for nothing.
func (s *Step) note() string {
	after := s.After
	switch {
	case after.Stopped() && after.ApprovalEnded():
		return after.StatusReason + " To approve it again, write conditions with a later until."
	case after.Stopped():
		return fmt.Sprintf("It stays disapproved, as an administrator left it at %s: no file takes that back. To let it work again: countersign client approve %s",
			s.Before.StatusAt.UTC().Format("2006-01-02 15:04 UTC"), s.Before.ID)
	case after.ManagedStatus == Approved && after.Status == Approved && s.declared.Conditions == nil && !after.Conditions.IsZero():
		return "It keeps the conditions of its approval, of which the file says nothing; conditions: {} lifts them."
	default:
		return ""
	}
}

// declareConditions returns the conditions that the client has once the file is
// applied. Who is a test user of it already may be named by their identifier, as
// a file does that was exported after their account was removed.
func (s *Store) declareConditions(ctx context.Context, m *Manifest, d *Declared, before, c *Client) (Conditions, error) {
	if d.Conditions == nil {
		return before.Conditions, nil
	}
	const member = "conditions."
	on := *d.Conditions
	on.TestAccounts = nil
	for _, name := range on.TestUsers {
		id := name
		if m.Account != nil && !slices.Contains(before.Conditions.TestAccounts, name) {
			var err error
			if id, err = m.account(ctx, member+"test_users", name); err != nil {
				return on, err
			}
		}
		on.TestAccounts = append(on.TestAccounts, id)
	}
	on, err := on.normal(c, s.db.Now())
	if err == nil {
		err = s.checkTesters(ctx, before.Conditions, on)
	}
	if e, ok := errors.AsType[*MetadataError](err); ok {
		return on, &MetadataError{member + e.Field, e.Reason}
	}
	return on, err
}
