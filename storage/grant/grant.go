// Package grant keeps what authorization leads to: consents, grants, and the
// codes and tokens that stem from a grant. Whatever is read here is read
// together with the standing of its client, its account and its session, so
// that nothing outlives a disapproval, a disabled account or a logout.
package grant

import (
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/seal"
)

var (
	// ErrSpent reports that a code or a refresh token was used before, by a
	// request that may have run at the same moment.
	ErrSpent = errors.New("used before")
	// ErrNotPermitted reports that client, account or session no longer allow
	// what was about to be issued.
	ErrNotPermitted = errors.New("client, account or session no longer allow this")
)

// Grant is one authorization; everything that stems from it shares its ID and
// dies with it.
type Grant struct {
	ID           string `gorm:"primaryKey"`
	Kind         string // the grant type that made it
	ClientID     string
	ClientEpoch  int64
	AccountID    string // empty when the client acts for itself
	AccountEpoch int64
	SessionID    string
	Subject      string // the sub claim that the client sees
	Scope        string // granted, space-separated
	Audience     string // granted, space-separated
	Claims       string // the claims parameter (OpenID Connect Core 1.0, section 5.5)
	Nonce        string
	ACR          string `gorm:"column:acr"`
	AMR          string `gorm:"column:amr"` // space-separated
	AuthTime     *time.Time
	Offline      bool   // outlives the session
	Confirmation string // the cnf claim of a sender-constrained grant
	CreatedAt    time.Time
	ExpiresAt    time.Time // nothing of the grant outlives it
	RevokedAt    *time.Time
	// ParentID is the grant whose token it was exchanged for (RFC 8693), empty
	// for one that a person or a client gave, and ParentHash the hash of that
	// token, nil for credentials of OAuth 1.0a. It ends with both.
	ParentID   string
	ParentHash []byte
}

// NewID returns an identifier for a grant. Its first bits are the time (RFC
// 9562, section 5.7), so that what is granted now lies together in every index
// that has it, however many grants there are: a random one would have a page of
// its own among ten million, to be read, and written whole into the log. It is
// not a secret, and nothing is found by knowing it alone.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// IsRoot reports whether a person or a client gave the grant: it was not
// exchanged for the token of another.
func (g *Grant) IsRoot() bool { return g.ParentID == "" && g.ParentHash == nil }

// Store keeps grants in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
	owns *storage.Joiner[own]
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store {
	s := &Store{db: db, keys: keys}
	s.owns = storage.NewJoiner(db, s.keepOwns)
	return s
}

// Now returns the time by the clock that codes and tokens expire by.
func (s *Store) Now() time.Time { return s.db.Now() }

// Hash returns the hash under which a code or token is kept.
func (s *Store) Hash(token string) []byte { return s.keys.Hash(token) }

// columns are the columns of a grant in a joined query, prefixed as
// [Grant] is embedded.
const columns = `g.id AS grant_id, g.kind AS grant_kind, g.client_id AS grant_client_id,
	g.client_epoch AS grant_client_epoch, g.account_id AS grant_account_id, g.account_epoch AS grant_account_epoch,
	g.session_id AS grant_session_id, g.subject AS grant_subject, g.scope AS grant_scope, g.audience AS grant_audience,
	g.claims AS grant_claims, g.nonce AS grant_nonce, g.acr AS grant_acr, g.amr AS grant_amr, g.auth_time AS grant_auth_time,
	g.offline AS grant_offline, g.confirmation AS grant_confirmation, g.created_at AS grant_created_at,
	g.expires_at AS grant_expires_at, g.revoked_at AS grant_revoked_at,
	g.parent_id AS grant_parent_id, g.parent_hash AS grant_parent_hash`

// admitted is true of an account that may use the client: everybody's, unless an
// administrator approved it for some to try it out.
const admitted = `(#c.approved_test_accounts IN ('[]', 'null') OR #c.approved_test_accounts LIKE '%"' || #g.account_id || '"%')`

// Admitted is true of the client under the name when the account may use it.
func Admitted(client, account string) string {
	return strings.NewReplacer("#g.account_id", account, "#c", client).Replace(admitted)
}

// What a grant and what its parent depends on is the same, under other names:
// # stands for the prefix of the parent's.
var (
	joined = `
	JOIN clients #c ON #c.id = #g.client_id
	LEFT JOIN accounts #a ON #a.id = #g.account_id
	LEFT JOIN sessions #s ON #s.id = #g.session_id`
	holds = `(#g.revoked_at IS NULL AND #g.expires_at > @now
	AND ` + storage.Approved("#c") + ` AND #c.epoch = #g.client_epoch
	AND (#g.account_id = '' OR ` + admitted + `)
	AND (#g.account_id = '' OR (#a.disabled_at IS NULL AND #a.epoch = #g.account_epoch))
	AND (#g.offline OR (#s.ended_at IS NULL AND #s.expires_at > @now)))`
)

func named(sql, prefix string) string { return strings.ReplaceAll(sql, "#", prefix) }

// Standing joins what a grant depends on.
var Standing = named(joined, "")

// LiveRoot is true for a grant that a person or a client gave and that holds at
// the moment of the statement: it takes the time as @now. A client that was
// disapproved since, or an account that was disabled or changed its password,
// has another epoch. It is never true for a grant that was exchanged for the
// token of another. Those have access tokens and nothing else, and are the few;
// to look for what they stem from doubles the work of the database even where
// there is nothing to find.
var LiveRoot = `(` + named(holds, "") + ` AND g.parent_id IS NULL AND g.parent_hash IS NULL)`

// Live is true for any grant that holds, with what [LiveRoot] says of one. A
// grant that was exchanged for the token of another holds no longer than that
// one does, and than that token is not revoked.
var Live = `(` + named(holds, "") + `
	AND (g.parent_id IS NULL OR EXISTS (SELECT 1 FROM grants pg` + named(joined, "p") + ` WHERE pg.id = g.parent_id AND ` + named(holds, "p") + `))
	AND (g.parent_hash IS NULL OR EXISTS (SELECT 1 FROM access_tokens pt WHERE pt.hash = g.parent_hash AND pt.revoked_at IS NULL)))`
