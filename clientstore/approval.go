package clientstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/grant"
	"countersign/storage/signout"
)

const maxReason = 500 // characters

// Approve lets the client work, under the conditions that it has. Approving an
// approved one changes nothing, and approving a disapproved one does not bring
// back what was issued to it.
func (s *Store) Approve(ctx context.Context, by audit.Actor, id string) (*Client, error) {
	return s.change(ctx, by, id, s.approval(by, sameConditions))
}

func sameConditions(c *Client, _ time.Time) (Conditions, error) { return c.Conditions, nil }

// approval is the change that approves a client under the conditions that
// settle returns. One whose approval ended before that was noted is told, as
// the noting would have told it, that the people who use it are signed out.
func (s *Store) approval(by audit.Actor, settle func(c *Client, now time.Time) (Conditions, error)) change {
	var before *Client
	var on Conditions
	var lapsed bool
	return change{action: "client.approve", columns: func(c *Client, now time.Time) (columns map[string]any, err error) {
		before, lapsed = c, c.Lapsed(now)
		if on, err = settle(c, now); err != nil {
			return nil, err
		}
		return s.approved(c, by, now, on)
	}, first: func(ctx context.Context) error {
		if err := s.checkTesters(ctx, before.Conditions, on); err != nil || !lapsed {
			return err
		}
		return signout.Client(ctx, s.db, before.ID)
	}}
}

// ApproveSeen is [Store.Approve] of a client as it was looked at: one that was
// changed meanwhile, as a pending client may change itself, is
// [storage.ErrConflict].
func (s *Store) ApproveSeen(ctx context.Context, by audit.Actor, seen *Client) (*Client, error) {
	return s.ApproveOn(ctx, by, seen.ID, Approval{Version: seen.Version})
}

// approved returns the columns that approve the client under the conditions,
// nil when it is. What was issued under an approval that has ended stays dead.
func (s *Store) approved(c *Client, by audit.Actor, now time.Time, on Conditions) (map[string]any, error) {
	lapsed := c.Lapsed(now)
	if c.Status == Approved && !lapsed && on.Equal(c.Conditions) {
		return nil, nil // nothing to write
	}
	if on.over(now) {
		return nil, refuse("until", "is past, and ended the last approval: choose a later time, or none")
	}
	if err := s.checkFourEyes(by, c.CreatedBy, c.Authors); err != nil {
		return nil, err
	}
	columns := on.columns()
	columns["status"], columns["status_reason"], columns["status_at"], columns["status_by"] = Approved, "", now, actor(by)
	if lapsed {
		columns["epoch"] = gorm.Expr("epoch + 1")
	}
	return columns, nil
}

// Disapprove stops the client at once; what was issued to it is dead for good,
// because its epoch is over. Applications learn of it by back-channel logout,
// this once although it is disapproved. Disapproving a disapproved one changes
// nothing, unless nobody disapproved it: see [Client.Stoppable].
// The reason is for the people who meet the client's error page, and may be
// empty.
func (s *Store) Disapprove(ctx context.Context, by audit.Actor, id, reason string) (*Client, error) {
	return s.disapproveIf(ctx, by, id, reason, func(*Client) error { return nil })
}

// disapproveIf disapproves the client if check agrees.
func (s *Store) disapproveIf(ctx context.Context, by audit.Actor, id, reason string, check func(*Client) error) (*Client, error) {
	reason = strings.TrimSpace(reason)
	if err := checkText("status_reason", reason, maxReason); err != nil {
		return nil, err
	}
	return s.change(ctx, by, id, change{action: "client.disapprove", columns: func(c *Client, now time.Time) (map[string]any, error) {
		if err := check(c); err != nil {
			return nil, err
		}
		return disapproved(c, by, now, reason), nil
	}, first: func(ctx context.Context) error { return signout.Client(ctx, s.db, id) }})
}

// disapproved returns the columns that disapprove the client, nil when there is
// nothing to write.
func disapproved(c *Client, by audit.Actor, now time.Time, reason string) map[string]any {
	if !c.Stoppable() {
		return nil
	}
	return map[string]any{
		"status": Disapproved, "status_reason": reason, "status_at": now, "status_by": actor(by),
		"epoch": gorm.Expr("epoch + 1"),
	}
}

// Remove deletes the client for good, with its consents; what was issued to it
// is dead. Its key is never given out again. It learns by back-channel logout
// that the people who used it are signed out of it.
func (s *Store) Remove(ctx context.Context, by audit.Actor, id string) error {
	return s.removeIf(ctx, by, id, func(*Client) error { return nil })
}

// RemoveSeen is [Store.Remove] of a client as it was looked at: one that was
// changed meanwhile is [storage.ErrConflict].
func (s *Store) RemoveSeen(ctx context.Context, by audit.Actor, seen *Client) error {
	return s.removeIf(ctx, by, seen.ID, func(c *Client) error {
		if c.Version != seen.Version {
			return fmt.Errorf("remove client: %w", storage.ErrConflict)
		}
		return nil
	})
}

// removeIf removes the client if check agrees.
func (s *Store) removeIf(ctx context.Context, by audit.Actor, id string, check func(*Client) error) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		before, err := s.lock(ctx, id)
		if err != nil {
			return err
		}
		if err := check(before); err != nil {
			return err
		}
		if err := before.lockedTo(change{action: "client.remove"}, nil); err != nil {
			return err
		}
		return s.remove(ctx, by, before)
	})
}

// remove deletes the client within the transaction in ctx.
func (s *Store) remove(ctx context.Context, by audit.Actor, before *Client) error {
	if err := signout.Client(ctx, s.db, before.ID); err != nil {
		return err
	}
	res := s.db.With(ctx).Exec("DELETE FROM clients WHERE id = ?", before.ID)
	if res.Error != nil {
		return storage.Err("remove client", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("remove client: %w", storage.ErrNotFound)
	}
	return s.record(ctx, by, "client.remove", before, nil)
}

// Impact is what disapproving or removing a client ends.
type Impact struct {
	Tokens   int64 `json:"tokens"`
	Accounts int64 `json:"accounts"`
	// Absent counts the accounts that let the client come back by itself: what
	// it may do for them is nothing that is live.
	Absent int64 `json:"absent_accounts"`
}

// absent counts those who allowed the client that by a consent that holds: see
// [Client.ConsentOf].
var absent = `
SELECT COUNT(*) FROM consents k JOIN accounts a ON a.id = k.account_id JOIN clients c ON c.id = k.client_id
WHERE k.client_id = ? AND a.disabled_at IS NULL AND k.digest = ` + grant.BoundTo("c.consent_digest", "a")

// impact counts what is live, in the sense of the store of grants: a token
// neither spent nor over, of a grant that still holds. What other clients got
// in exchange for the client's tokens ends with them, and is counted too.
var impact = `
SELECT COUNT(live.grant_id) AS tokens, COUNT(DISTINCT NULLIF(live.account_id, '')) AS accounts, COUNT(known.id) AS known
FROM clients known
LEFT JOIN (
	SELECT g.id AS grant_id, g.account_id
	FROM (
		SELECT id FROM grants WHERE client_id = @id
		UNION
		SELECT child.id FROM grants parent JOIN grants child ON child.parent_id = parent.id WHERE parent.client_id = @id
	) mine
	JOIN grants g ON g.id = mine.id` + grant.Standing + `
	JOIN (
		SELECT grant_id FROM access_tokens WHERE revoked_at IS NULL AND expires_at > @now
		UNION ALL
		SELECT grant_id FROM refresh_tokens WHERE used_at IS NULL AND expires_at > @now
		UNION ALL
		SELECT grant_id FROM token_credentials WHERE expires_at > @now
	) t ON t.grant_id = g.id
	WHERE ` + grant.Live + `
) live ON known.id = @id
WHERE known.id = @id`

// Impact counts the live tokens of the client, the accounts they act for, and
// those that it may come back for.
func (s *Store) Impact(ctx context.Context, id string) (Impact, error) {
	if !wellFormedKey(id) {
		return Impact{}, fmt.Errorf("count the client's tokens: %w", storage.ErrNotFound)
	}
	var counted struct {
		Impact
		Known int64
	}
	err := s.db.With(ctx).Raw(impact, map[string]any{"id": id, "now": s.db.Now()}).Scan(&counted).Error
	if err == nil && counted.Known == 0 {
		err = storage.ErrNotFound
	}
	if err == nil {
		counted.Absent, err = s.comesBackFor(ctx, id)
	}
	return counted.Impact, storage.Err("count the client's tokens", err)
}

func (s *Store) comesBackFor(ctx context.Context, id string) (n int64, err error) {
	known, err := s.Several(ctx, []string{id})
	if c := known[id]; err != nil || c == nil || !c.ActsForAbsent() {
		return 0, err
	}
	err = s.db.With(ctx).Raw(absent, id).Scan(&n).Error
	return n, err
}
