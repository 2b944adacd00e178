package interaction

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/url"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

const (
	// idLen is the length of an interaction's identifier: 26 base32 digits,
	// 130 random bits.
	idLen = 26
	// keptAfter is how long an expired interaction can still name its
	// application.
	keptAfter = time.Hour
	// answeredAgain is how long a request that was answered may be answered
	// again, for who clicked twice or lost the answer on the way.
	answeredAgain = time.Minute
)

// Store keeps interactions in the database.
type Store struct {
	db   *storage.DB
	keys *seal.Keys
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store { return &Store{db: db, keys: keys} }

// Waiting is what an interaction is made of.
type Waiting struct {
	ClientID   string
	ResumePath string
	Request    url.Values
	// Browser is the browser cookie. Empty leaves the interaction to the first
	// browser that opens it, which is for requests that arrive by a cross-site
	// POST, without cookies.
	Browser string
}

// Create keeps a request that waits.
func (s *Store) Create(ctx context.Context, w Waiting) (*Interaction, error) {
	now := s.db.Now()
	i := &Interaction{
		ID: rand.Text(), ClientID: w.ClientID, ResumePath: w.ResumePath, Request: w.Request,
		BrowserHash: s.hash(w.Browser), CreatedAt: now, ExpiresAt: now.Add(Lifetime),
	}
	if i.Request == nil {
		i.Request = url.Values{} // the column takes no NULL
	}
	if err := s.db.With(ctx).Create(i).Error; err != nil {
		return nil, storage.Err("keep interaction", err)
	}
	return i, nil
}

// Get returns the interaction if it waits in this browser, and claims it if no
// browser did yet. An unknown one and one of another browser are both
// [storage.ErrNotFound]; one that waited too long comes with [ErrExpired].
func (s *Store) Get(ctx context.Context, id, browser string) (*Interaction, error) {
	hash := s.hash(browser)
	if hash == nil || !wellFormed(id) {
		return nil, storage.ErrNotFound
	}
	i, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if i.AnsweredAt != nil && s.db.Now().Sub(*i.AnsweredAt) > answeredAgain {
		return nil, storage.ErrNotFound
	}
	expired := !i.ExpiresAt.After(s.db.Now())
	if i.BrowserHash == nil && !expired {
		if i, err = s.claim(ctx, id, hash); err != nil {
			return nil, err
		}
	}
	if i.BrowserHash != nil && subtle.ConstantTimeCompare(i.BrowserHash, hash) != 1 {
		return nil, storage.ErrNotFound
	}
	if expired {
		return i, ErrExpired
	}
	return i, nil
}

var row = `SELECT ` + storage.Columns("i", Interaction{}) + ` FROM interactions i WHERE i.id = @id`

func (s *Store) read(ctx context.Context, id string) (*Interaction, error) {
	found, err := storage.Select[Interaction](ctx, s.db, row, map[string]any{"id": id})
	if err == nil && len(found) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, storage.Err("read interaction", err)
	}
	return &found[0], nil
}

// claim binds the interaction to a browser unless one was quicker, and reads
// it again to see who has it.
func (s *Store) claim(ctx context.Context, id string, hash []byte) (*Interaction, error) {
	err := s.db.With(ctx).Model(&Interaction{}).Where("id = ? AND browser_hash IS NULL", id).
		UpdateColumn("browser_hash", hash).Error
	if err != nil {
		return nil, storage.Err("claim interaction", err)
	}
	return s.read(ctx, id)
}

// Authenticated notes that the resource owner signed in for this request.
func (s *Store) Authenticated(ctx context.Context, id, sessionID string) error {
	return s.note(ctx, id, map[string]any{"session_id": sessionID, "authenticated_at": s.db.Now()})
}

// Consented notes what the resource owner consented to on this request's page.
func (s *Store) Consented(ctx context.Context, id, accountID, scope string) error {
	return s.note(ctx, id, map[string]any{"consented_by": accountID, "consented_scope": scope})
}

// Denied notes that the resource owner refused on this request's page. It
// stands: nothing that is noted later undoes it.
func (s *Store) Denied(ctx context.Context, id string) error {
	return s.note(ctx, id, map[string]any{"denied_at": s.db.Now()})
}

// Answered notes that the client gets its answer, and reports whether it is the
// first one.
func (s *Store) Answered(ctx context.Context, id string) (first bool, err error) {
	res := s.db.With(ctx).Model(&Interaction{}).Where("id = ? AND answered_at IS NULL", id).
		UpdateColumn("answered_at", s.db.Now())
	return res.RowsAffected == 1, storage.Err("note answer", res.Error)
}

// note writes to an interaction that waits and was not refused. Otherwise it
// is [storage.ErrNotFound].
func (s *Store) note(ctx context.Context, id string, columns map[string]any) error {
	if !wellFormed(id) {
		return storage.ErrNotFound
	}
	res := s.db.With(ctx).Model(&Interaction{}).
		Where("id = ? AND denied_at IS NULL AND expires_at > ?", id, s.db.Now()).UpdateColumns(columns)
	if res.Error != nil {
		return storage.Err("note on interaction", res.Error)
	}
	if res.RowsAffected == 0 {
		return storage.ErrNotFound
	}
	return nil
}

// Withdraw takes back what the account consented to on the pages of requests of
// the client that have not been answered, or could be answered again.
func (s *Store) Withdraw(ctx context.Context, accountID, clientID string) error {
	err := s.db.With(ctx).Model(&Interaction{}).Where("client_id = ? AND consented_by = ?", clientID, accountID).
		UpdateColumns(map[string]any{"consented_by": "", "consented_scope": ""}).Error
	return storage.Err("withdraw consent from requests", err)
}

// Remove forgets the interaction, once its request has been answered.
func (s *Store) Remove(ctx context.Context, id string) error {
	if !wellFormed(id) {
		return nil
	}
	return storage.Err("remove interaction", s.db.With(ctx).Where("id = ?", id).Delete(&Interaction{}).Error)
}

// Purge deletes interactions that expired over an hour ago, at most limit of
// them: until then the page of an expired one can still name its application.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM interactions WHERE id IN (SELECT id FROM interactions WHERE expires_at <= ? LIMIT ?)`,
		s.db.Now().Add(-keptAfter), limit)
	return res.RowsAffected, storage.Err("purge interactions", res.Error)
}

// hash returns the hash of a browser cookie, nil for a value that was never a
// cookie of ours.
func (s *Store) hash(browser string) []byte {
	if !seal.WellFormed(seal.BrowserCookie, browser) {
		return nil
	}
	return s.keys.Hash(browser)
}

// wellFormed reports whether id can be one of ours (RFC 4648, section 6). What
// it refuses comes from a tampered URL, and need not reach the database.
func wellFormed(id string) bool {
	if len(id) != idLen {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
