package clientstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/signout"
)

// Conditions are what an administrator narrows an approval to. They stand
// beside the registration, which stays what its owner made it: a client gets
// what is in both. The zero value narrows nothing.
type Conditions struct {
	// Scope is the most that the client gets of its scope, space-separated;
	// empty for all of it.
	Scope string `json:"scope,omitempty"`
	// GrantTypes and ResponseTypes are the most that it gets of its own; empty
	// for all of them.
	GrantTypes    []string `gorm:"serializer:json" json:"grant_types,omitempty"`
	ResponseTypes []string `gorm:"serializer:json" json:"response_types,omitempty"`
	// Until is when the approval ends; nil for never.
	Until *time.Time `json:"until,omitempty"`
	// TestAccounts are the identifiers of the accounts that may use the client;
	// empty for everybody.
	TestAccounts []string `gorm:"serializer:json" json:"test_accounts,omitempty"`
	// TestUsers are what people call those accounts, in the same order, where an
	// administrator reads the client. One that is gone has its identifier.
	TestUsers []string `gorm:"-" json:"test_users,omitempty"`
}

// unconditional are no conditions, as they are kept.
func unconditional() Conditions {
	return Conditions{GrantTypes: []string{}, ResponseTypes: []string{}, TestAccounts: []string{}}
}

// IsZero reports whether nothing is narrowed.
func (a Conditions) IsZero() bool {
	return a.Scope == "" && len(a.GrantTypes) == 0 && len(a.ResponseTypes) == 0 && a.Until == nil && len(a.TestAccounts) == 0
}

// Equal reports whether both narrow alike.
func (a Conditions) Equal(b Conditions) bool {
	return a.Scope == b.Scope && slices.Equal(a.GrantTypes, b.GrantTypes) && slices.Equal(a.ResponseTypes, b.ResponseTypes) &&
		slices.Equal(a.TestAccounts, b.TestAccounts) && (a.Until == nil) == (b.Until == nil) && (a.Until == nil || a.Until.Equal(*b.Until))
}

// over reports whether the approval has ended.
func (a Conditions) over(now time.Time) bool { return a.Until != nil && !now.Before(*a.Until) }

// maxTestAccounts is more than anybody tries a client out with.
const maxTestAccounts = 100

// Lapsed reports whether the client is approved no more because its approval
// has ended, be that noted already or not.
func (c *Client) Lapsed(now time.Time) bool { return c.Status == Approved && c.Conditions.over(now) }

// ApprovalEnded reports whether the client is disapproved because its approval
// was for a time, which is over.
func (c *Client) ApprovalEnded() bool {
	return c.Status == Disapproved && c.Conditions.Until != nil && c.StatusReason == lapseReason(*c.Conditions.Until)
}

// Stoppable reports whether disapproving the client says something new. Where
// its approval has just ended it does: nobody decided on the client, so that a
// file with a later end would approve it again, and now somebody does.
func (c *Client) Stoppable() bool { return c.Status != Disapproved || c.ApprovalEnded() }

// Admits reports whether the account may use the client. The statements that
// issue something ask again.
func (c *Client) Admits(accountID string) bool {
	return len(c.Conditions.TestAccounts) == 0 || slices.Contains(c.Conditions.TestAccounts, accountID)
}

// Withholds reports whether the client is registered for the grant type, and
// was approved without it.
func (c *Client) Withholds(grantType string) bool {
	return slices.Contains(c.withheld.grants, grantType)
}

// withheld is what a client is registered for and was approved without.
type withheld struct{ scope, grants []string }

// lapseReason is what people read of a client whose approval has ended.
func lapseReason(until time.Time) string {
	return "The approval ended on " + until.UTC().Format("2 January 2006, 15:04") + " UTC."
}

// end makes a client whose approval has ended a disapproved one, as it will be
// noted soon.
func (c *Client) end(now time.Time) {
	if c.Lapsed(now) {
		c.Status, c.StatusReason = Disapproved, lapseReason(*c.Conditions.Until)
	}
}

// effective makes the client what it may be at this moment and on this server.
// Whatever reads a client for an endpoint of a protocol does this.
func (s *Store) effective(c *Client) {
	c.effective(s.db.Now())
	if s.cfg.Policy == Strict {
		c.tighten()
	}
}

// tighten takes away what the strict policy refuses, from a client that was
// registered before as well: tokens in authorization responses, and addresses
// that TLS does not protect (RFC 9700, sections 2.1.2 and 2.6).
func (c *Client) tighten() {
	m := &c.Metadata
	m.ResponseTypes = slices.DeleteFunc(slices.Clone(m.ResponseTypes), func(r string) bool { return !Strict.permitsResponse(r) })
	m.RedirectURIs = slices.DeleteFunc(slices.Clone(m.RedirectURIs), func(uri string) bool {
		p := splitURI(uri)
		return p.scheme == "http" && !isLoopback(p.authority)
	})
}

// effective makes the client what it may be at this moment: what it is
// registered for without what its approval withholds, and disapproved when the
// approval has ended.
func (c *Client) effective(now time.Time) {
	a, m := c.Conditions, &c.Metadata
	c.end(now)
	if a.Scope != "" {
		var scope []string
		scope, c.withheld.scope = split(scopes(m.Scope), scopes(a.Scope))
		m.Scope = strings.Join(scope, " ")
	}
	if len(a.GrantTypes) > 0 {
		m.GrantTypes, c.withheld.grants = split(m.GrantTypes, a.GrantTypes)
	}
	if c.Withholds(GrantRefreshToken) { // nobody consents to what the page does not say
		c.ConsentDigest += withoutRefresh
	}
	if len(a.ResponseTypes) > 0 {
		m.ResponseTypes, _ = split(m.ResponseTypes, a.ResponseTypes)
	}
	if c.Withholds(GrantAuthorizationCode) {
		m.ResponseTypes = slices.DeleteFunc(slices.Clone(m.ResponseTypes), func(r string) bool {
			return slices.Contains(strings.Fields(r), "code")
		})
	}
}

// withoutRefresh marks the digest of what people consent to while the approval
// withholds refresh tokens: it is not to what the client gets with them.
const withoutRefresh = ".online"

// split parts the entries of a list that are allowed from the others.
func split(list, allowed []string) (kept, rest []string) {
	for _, entry := range list {
		if slices.Contains(allowed, entry) {
			kept = append(kept, entry)
		} else {
			rest = append(rest, entry)
		}
	}
	return kept, rest
}

// InUse returns the client as it may be used at this moment, whatever its
// status. It is for the endpoints of the protocols.
func (s *Store) InUse(ctx context.Context, id string) (*Client, error) {
	c, err := s.find(ctx, id, s.statement(id, "client", byKey))
	if err != nil {
		return nil, err
	}
	return c, s.complete(ctx, c)
}

// settle brings the conditions into their normal form, in which they name only
// what they take something away from, and checks that what is left makes sense.
func (a Conditions) settle(c *Client, now time.Time) (Conditions, error) {
	if a.over(now) {
		return a, refuse("until", "is past: choose a later time, or none")
	}
	return a.normal(c, now)
}

// normal is settle of conditions that may have ended the approval.
func (a Conditions) normal(c *Client, now time.Time) (Conditions, error) {
	if err := c.checkNarrowed(&a); err != nil {
		return a, err
	}
	if a.Until != nil {
		until := a.Until.UTC().Truncate(time.Second)
		a.Until = &until
	}
	a.TestAccounts = slices.Sorted(slices.Values(a.TestAccounts))
	a.TestAccounts, a.TestUsers = unique(a.TestAccounts), nil
	if len(a.TestAccounts) > maxTestAccounts {
		return a, refuse("test_users", "lists %d accounts; %d are allowed", len(a.TestAccounts), maxTestAccounts)
	}
	narrowed := *c
	narrowed.Conditions = a
	narrowed.effective(now)
	return a, narrowed.checkLeft()
}

// WithheldScope is what the client is registered for and was approved without.
func (c *Client) WithheldScope() []string { return c.withheld.scope }

// checkNarrowed refuses what the client is not registered for, and forgets the
// lists that take nothing away.
func (c *Client) checkNarrowed(a *Conditions) error {
	lists := []struct {
		field      string
		allowed    []string
		registered []string
		keep       func([]string)
	}{
		{"scope", unique(scopes(a.Scope)), scopes(c.Metadata.Scope), func(l []string) { a.Scope = strings.Join(l, " ") }},
		{"grant_types", unique(a.GrantTypes), c.Metadata.GrantTypes, func(l []string) { a.GrantTypes = l }},
		{"response_types", canonicalResponseTypes(a.ResponseTypes), c.Metadata.ResponseTypes, func(l []string) { a.ResponseTypes = l }},
	}
	for _, list := range lists {
		kept, missing := split(list.registered, list.allowed)
		_, unknown := split(list.allowed, list.registered)
		if len(unknown) > 0 {
			return refuse(list.field, "%s is not among what the client is registered for; a condition takes away, and adds nothing", quoted(unknown[0]))
		}
		if len(missing) == 0 || len(kept) == 0 {
			kept = nil
		}
		list.keep(kept)
	}
	return nil
}

// checkLeft refuses conditions that leave a client which could not be
// registered so.
func (c *Client) checkLeft() error {
	if c.Type == OAuth1 {
		return nil // it has one way only
	}
	m := &c.Metadata
	switch {
	case slices.Contains(m.GrantTypes, GrantAuthorizationCode) && !m.responds("code"):
		return refuse("response_types", "the authorization_code grant needs a response type with code; leave code, or take the grant away")
	case len(m.GrantTypes) == 1 && m.GrantTypes[0] == GrantRefreshToken:
		return refuse("grant_types", "lists refresh_token alone, which needs a grant that issues refresh tokens beside it; leave another, or disapprove the client")
	case m.responds("id_token") && !slices.Contains(scopes(m.Scope), scopeOpenID):
		return refuse("scope", "a response type with id_token needs the scope openid; leave it, or take the response type away")
	default:
		return nil
	}
}

// columns are what the conditions are kept in.
func (a Conditions) columns() map[string]any {
	list := func(l []string) string {
		encoded, _ := column(append([]string{}, l...)) // strings always encode
		return encoded
	}
	return map[string]any{
		"approved_scope": a.Scope, "approved_grant_types": list(a.GrantTypes), "approved_response_types": list(a.ResponseTypes),
		"approved_until": a.Until, "approved_test_accounts": list(a.TestAccounts),
	}
}

// checkTesters refuses test accounts that do not exist, those apart that the
// approval names already.
func (s *Store) checkTesters(ctx context.Context, before, after Conditions) error {
	_, added := split(after.TestAccounts, before.TestAccounts)
	for _, id := range added {
		if !wellFormedKey(id) {
			return refuse("test_users", "no account is %s", quoted(id))
		}
	}
	if len(added) == 0 {
		return nil
	}
	var known []string
	if err := s.db.With(ctx).Raw(`SELECT id FROM accounts WHERE id IN ?`, added).Scan(&known).Error; err != nil {
		return storage.Err("find test accounts", err)
	}
	if _, missing := split(added, known); len(missing) > 0 {
		return refuse("test_users", "no account is %s", quoted(missing[0]))
	}
	return nil
}

// keepDead revokes what a client holds for accounts that it did not admit before
// the change, when it comes to admit others: what somebody lost with their place
// among the test users stays lost when they get it back, as after a disapproval.
func (s *Store) keepDead(ctx context.Context, before, after *Client, now time.Time) error {
	was := before.Conditions.TestAccounts
	if len(was) == 0 || slices.Equal(was, after.Conditions.TestAccounts) {
		return nil
	}
	return storage.Err("keep dead what was lost", s.db.With(ctx).Exec(
		`UPDATE grants SET revoked_at = @now WHERE client_id = @id AND account_id <> '' AND account_id NOT IN @testers AND revoked_at IS NULL`,
		map[string]any{"now": now, "id": before.ID, "testers": was}).Error)
}

// Approval is a decision to let a client work.
type Approval struct {
	// Conditions narrow it; nil keeps those that the client has.
	Conditions *Conditions
	// Version is the one that was looked at; another in the database means
	// [storage.ErrConflict].
	Version int64
}

// ApproveOn approves the client as it was looked at, under conditions. What is
// approved already gets other conditions that way: they hold from the next
// request on.
func (s *Store) ApproveOn(ctx context.Context, by audit.Actor, id string, a Approval) (*Client, error) {
	return s.change(ctx, by, id, s.approval(by, func(c *Client, now time.Time) (Conditions, error) {
		switch {
		case c.Version != a.Version:
			return Conditions{}, fmt.Errorf("approve client: %w", storage.ErrConflict)
		case a.Conditions == nil:
			return c.Conditions, nil
		default:
			return a.Conditions.settle(c, now)
		}
	}))
}

// lapse notes which approvals have ended, at most limit of them. They ended at
// their time, whenever this happens.
func (s *Store) lapse(ctx context.Context, limit int) (int64, error) {
	var ids []string
	err := s.db.With(ctx).Raw(`SELECT id FROM clients WHERE approved_until <= @now AND status = 'approved' LIMIT @limit`,
		map[string]any{"now": s.db.Now(), "limit": limit}).Scan(&ids).Error
	if err != nil {
		return 0, storage.Err("find approvals that ended", err)
	}
	by := audit.Actor{Name: "approval", Via: audit.ViaSystem}
	for _, id := range ids {
		if err := s.lapseOne(ctx, by, id); err != nil {
			return 0, err
		}
	}
	return int64(len(ids)), nil
}

func (s *Store) lapseOne(ctx context.Context, by audit.Actor, id string) error {
	_, err := s.change(ctx, by, id, change{action: "client.lapse", columns: func(c *Client, now time.Time) (map[string]any, error) {
		if !c.Lapsed(now) {
			return nil, nil // renewed meanwhile
		}
		return disapproved(c, by, now, lapseReason(*c.Conditions.Until)), nil
	}, first: func(ctx context.Context) error { return signout.Client(ctx, s.db, id) }})
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict) {
		return nil // somebody removed or changed it just now
	}
	return err
}
