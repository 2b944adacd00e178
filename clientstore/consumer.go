package clientstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/locale"
)

// checkConsumer checks what an administrator decides about a client of OAuth
// 1.0a: that people are not asked, that it acts for an account without a token,
// and that it goes without a verifier.
func (m *Metadata) checkConsumer(p Policy) error {
	switch {
	case m.OAuth1WithoutVerifier && p == Strict:
		return refuse("oauth1_without_verifier", "is refused by this server's strict policy: without a verifier a request can be allowed by somebody else than who began it (OAuth Security Advisory 2009.1)")
	case m.OAuth1WithoutVerifier && m.OAuth1Trusted:
		return refuse("oauth1_trusted", "is refused with oauth1_without_verifier: the question is all that is left to keep a person from allowing somebody else's request; give one of the two")
	default:
		return nil
	}
}

// SkipsVerifier reports whether the client may go without a verifier. The
// policy may have become strict since that was decided.
func (s *Store) SkipsVerifier(c *Client) bool {
	return c.Metadata.OAuth1WithoutVerifier && s.cfg.Policy != Strict
}

// Unasked reports whether an administrator lets the client have access that
// people are not asked about: it is trusted, or takes over what they allowed
// another.
func (c *Client) Unasked() bool {
	return c.Metadata.OAuth1Trusted || slices.Contains(c.Metadata.GrantTypes, GrantTokenExchange)
}

// Functional is the account that a client's requests without a token act as.
type Functional struct {
	AccountID string
	Username  string
	// Live reports whether the account may be acted as at the moment of the
	// statement: it is not disabled, and does not administer this server.
	Live bool
}

// mayServe is true for an account that a client may act as without a person.
const mayServe = `(a.disabled_at IS NULL AND a.permissions NOT LIKE '%"configure_server"%')`

// functionalColumns are the columns that functionalRow selects of the account.
var functionalColumns = []string{"account_id", "username", "live"}

// functionalRow selects the functional account of the client @caller.
var functionalRow = map[storage.Dialect]string{
	storage.SQLite: `SELECT c.id AS client_id, a.id AS account_id, a.username, (` + mayServe + ` AND ` + grant.Admitted("c", "a.id") + `) AS live
		FROM clients c JOIN accounts a ON a.id = json_extract(c.metadata, '$.oauth1_functional_account') WHERE c.id = @caller`,
	storage.PostgreSQL: `SELECT c.id AS client_id, a.id AS account_id, a.username, (` + mayServe + ` AND ` + grant.Admitted("c", "a.id") + `) AS live
		FROM clients c JOIN accounts a ON a.id = ` + storage.WithoutNUL("c.metadata") + `::json ->> 'oauth1_functional_account' WHERE c.id = @caller`,
}

// checkFunctional refuses a functional account that does not exist, or that
// administers this server: nobody signs in for the requests that act as it, so
// that the client's secret alone would be an administrator's password. An
// account that was named before is not looked at, so that a client whose
// account is gone can still be edited; no request acts as it.
func (s *Store) checkFunctional(ctx context.Context, before, after *Metadata) error {
	const field = "oauth1_functional_account"
	id := after.OAuth1FunctionalAccount
	if id == "" || id == before.OAuth1FunctionalAccount {
		return nil
	}
	if !wellFormedKey(id) {
		return refuse(field, "%s is not the identifier of an account; `countersign user list` shows them", quoted(id))
	}
	var found []struct {
		Username string
		Serves   bool
	}
	err := s.db.With(ctx).Raw(`SELECT a.username, `+mayServe+` AS serves FROM accounts a WHERE a.id = ?`, id).Scan(&found).Error
	switch {
	case err != nil:
		return storage.Err("find functional account", err)
	case len(found) == 0:
		return refuse(field, "no account has the identifier %s; `countersign user list` shows them", quoted(id))
	case !found[0].Serves:
		return refuse(field, "%s is disabled, or may configure this server; make an account for the client that may do no more than it needs", quoted(found[0].Username))
	default:
		return nil
	}
}

// ApproveEdited edits a client as it was looked at and approves it, as one
// change with one record, for an administrator who decides more about it than
// that it may work. It is otherwise what [Store.Edit] and [Store.ApproveSeen]
// are, and takes the conditions of [Store.ApproveOn].
func (s *Store) ApproveEdited(ctx context.Context, by audit.Actor, id string, e Edit) (*Client, error) {
	return s.edit(ctx, by, id, edit{action: "client.approve", Edit: e, further: func(c *Client, now time.Time) (map[string]any, error) {
		if e.Conditions == nil {
			return s.approved(c, by, now, c.Conditions)
		}
		on, err := e.Conditions.settle(c, now)
		if err != nil {
			return nil, err
		}
		return s.approved(c, by, now, on)
	}})
}

// warnConsumer says what is risky about what was decided of a client of OAuth
// 1.0a.
func (m *Metadata) warnConsumer(warn func(risky bool, format locale.Message, args ...any)) {
	warn(m.OAuth1Trusted,
		"The client is trusted: whoever is signed in allows its requests without being asked.")
	warn(m.OAuth1FunctionalAccount != "",
		"The client has a functional account: with its secret or key alone, and nobody signed in, it acts as the account %s.", strings.TrimSpace(m.OAuth1FunctionalAccount))
	warn(m.OAuth1WithoutVerifier,
		"The client needs no verifier: somebody can begin a request and have another person allow it, as OAuth Core 1.0 could not prevent (OAuth Security Advisory 2009.1). Use a client that speaks OAuth 1.0a where you can.")
}
