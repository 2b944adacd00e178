package session

import (
	"context"
	"errors"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/signout"
)

// order is what somebody has done to the sessions of another account.
type order struct {
	action string // of the audit record
	owner  string // selects the account a that the identifier leads to
	which  string // is true of the sessions that the identifier leads to
	id     string
}

// before is what the audit record keeps of an order.
type before struct {
	SessionID string `json:"session_id,omitempty"` // of the one that was meant
	Sessions  int    `json:"sessions"`             // that there were and are no more
}

// SignOut ends every session of the account, by order of somebody who answers
// for it. An account that is not there is [storage.ErrNotFound]; where there is
// nothing to end, nothing is recorded.
func (s *Store) SignOut(ctx context.Context, by audit.Actor, accountID string) error {
	return s.carryOut(ctx, by, order{
		action: "account.end_sessions", id: accountID,
		owner: `SELECT a.id, a.username FROM accounts a WHERE a.id = ?`, which: "account_id = ?",
	})
}

// SignOutOf is [Store.SignOut] for one session, whosever it is. One that ended
// or never was is no error: it is over, as was asked.
func (s *Store) SignOutOf(ctx context.Context, by audit.Actor, id string) error {
	err := s.carryOut(ctx, by, order{
		action: "account.end_session", id: id,
		owner: `SELECT a.id, a.username FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = ?`, which: "id = ?",
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// carryOut ends the sessions, owes their applications word of it, and records
// who had it done: all of it or nothing (AD-14).
func (s *Store) carryOut(ctx context.Context, by audit.Actor, o order) error {
	if !storage.IsText(o.id) {
		return storage.Err("sign out", storage.ErrNotFound)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error {
		id, username, err := s.lockOwner(ctx, o)
		if err != nil {
			return storage.Err("sign out", err)
		}
		ended, err := signout.Sessions(ctx, s.db, o.which, o.id)
		if err != nil || ended == 0 {
			return err
		}
		return s.cfg.Audit.Record(ctx, by, o.change(id, username, ended))
	})
}

// lockOwner returns the account, which nobody changes until the transaction
// ends: somebody who changes their password just now begins a session by that,
// which is to be seen and ended as well. Sessions that refer to the account
// need not wait. On SQLite the transaction itself is the lock.
func (s *Store) lockOwner(ctx context.Context, o order) (id, username string, err error) {
	statement := o.owner
	if s.db.Dialect() == storage.PostgreSQL {
		statement += ` FOR NO KEY UPDATE OF a`
	}
	var owner []struct{ ID, Username string }
	if err := s.db.With(ctx).Raw(statement, o.id).Scan(&owner).Error; err != nil {
		return "", "", err
	}
	if len(owner) == 0 {
		return "", "", storage.ErrNotFound
	}
	return owner[0].ID, owner[0].Username, nil
}

// change is what happened to the account.
func (o order) change(id, username string, ended int) audit.Change {
	was := before{Sessions: ended}
	if o.id != id { // a session's
		was.SessionID = o.id
	}
	return audit.Change{Action: o.action, TargetType: "account", TargetID: id, TargetName: username, Before: was}
}
