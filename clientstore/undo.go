package clientstore

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/signout"
)

// undoFor is how long a decision can be taken back.
const undoFor = 5 * time.Minute

// Undo is a decision that can be taken back.
type Undo struct {
	// ID is the decision's: that of its record.
	ID     string
	Action string // client.approve, client.disapprove or client.reject_revision
	Until  time.Time
	before Document
}

// Undoable returns the decision about the client that the account can take back,
// nil if there is none: the last thing that was done to the client, by that
// account, some minutes ago at most, and nothing has changed since.
func (s *Store) Undoable(ctx context.Context, c *Client, accountID string) (*Undo, error) {
	last, err := s.cfg.Audit.List(ctx, audit.Filter{TargetType: "client", TargetID: c.ID, Limit: 1})
	if err != nil || len(last) == 0 || accountID == "" || last[0].ActorID != accountID {
		return nil, err
	}
	e := last[0]
	u := &Undo{ID: e.ID, Action: e.Action, Until: e.At.Add(undoFor)}
	var after Document
	if e.Before == "" || e.After == "" || json.Unmarshal([]byte(e.Before), &u.before) != nil || json.Unmarshal([]byte(e.After), &after) != nil {
		return nil, nil //nolint:nilnil,nilerr // what was made or removed is not decided on
	}
	if !u.fits(c, &after) || !s.db.Now().Before(u.Until) {
		return nil, nil //nolint:nilnil // documented
	}
	return u, nil
}

// fits reports whether the decision is one that can be taken back, and the
// client still what it made of it.
func (u *Undo) fits(c *Client, after *Document) bool {
	if after.Version != c.Version || after.Status != c.Status {
		return false
	}
	switch u.Action {
	case "client.approve", "client.disapprove":
		return u.before.ClientName == after.ClientName && reflect.DeepEqual(u.before.Metadata, after.Metadata)
	case "client.reject_revision":
		return c.Rejection != nil && c.Rejection.Revision != nil
	default:
		return false
	}
}

// Undo takes a decision back. What a disapproval ended stays dead, and so does
// what was issued under an approval that is taken back. A decision that somebody
// else made, that is too old, or that something was done after, is
// [storage.ErrConflict].
func (s *Store) Undo(ctx context.Context, by audit.Actor, id, decision string) (*Client, error) {
	var after *Client
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.lock(ctx, id)
		if err != nil {
			return err
		}
		c.end(s.db.Now())
		u, err := s.Undoable(ctx, c, by.AccountID)
		if err != nil {
			return err
		}
		if u == nil || u.ID != decision {
			return fmt.Errorf("undo decision: %w", storage.ErrConflict)
		}
		if u.Action == "client.reject_revision" {
			after, err = s.restoreRevision(ctx, by, c)
			return err
		}
		after, err = s.restoreStatus(ctx, by, u, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// restoreStatus makes the status and the conditions of the client what they
// were.
func (s *Store) restoreStatus(ctx context.Context, by audit.Actor, u *Undo, c *Client) (*Client, error) {
	was := Conditions{}
	if u.before.Conditions != nil {
		was = *u.before.Conditions
	}
	stops := c.Status == Approved && u.before.Status != Approved
	return s.change(ctx, by, c.ID, change{action: "client.undo", columns: func(c *Client, now time.Time) (map[string]any, error) {
		if u.before.Status == Approved {
			if err := s.checkFourEyes(by, c.CreatedBy, c.Authors); err != nil {
				return nil, err
			}
			if was.over(now) {
				return nil, fmt.Errorf("undo decision: %w", storage.ErrConflict)
			}
		}
		columns := was.columns()
		columns["status"], columns["status_reason"] = u.before.Status, u.before.StatusReason
		columns["status_at"], columns["status_by"] = u.before.StatusAt, u.before.StatusBy
		if stops {
			columns["epoch"] = gorm.Expr("epoch + 1")
		}
		return columns, nil
	}, first: func(ctx context.Context) error {
		if !stops {
			return nil
		}
		return signout.Client(ctx, s.db, c.ID)
	}})
}

// restoreRevision lets the revision that was rejected wait again.
func (s *Store) restoreRevision(ctx context.Context, by audit.Actor, c *Client) (*Client, error) {
	r := *c.Rejection.Revision
	r.ID = uuid.NewString()
	if err := s.db.With(ctx).Create(&r).Error; err != nil {
		return nil, storage.Err("restore revision", err)
	}
	return s.change(ctx, by, c.ID, change{action: "client.undo", columns: func(*Client, time.Time) (map[string]any, error) {
		return map[string]any{"rejection": nil}, nil
	}})
}
