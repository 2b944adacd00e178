package session

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
	"countersign/storage/signout"
)

const (
	defaultIdle     = 30 * time.Minute
	defaultAbsolute = 12 * time.Hour
	// seenEvery is how often a session notes at most that it was seen.
	seenEvery = time.Minute
	// maxText bounds what a browser says of itself.
	maxText = 256
)

// Config bounds a session.
type Config struct {
	Keys     *seal.Keys
	Audit    *audit.Store  // of [Store.SignOut] and [Store.SignOutOf]
	Idle     time.Duration // without a request; 0 means 30 minutes
	Absolute time.Duration // 0 means 12 hours
}

// Store keeps sessions in the database.
type Store struct {
	db  *storage.DB
	cfg Config
}

// New returns a store on db.
func New(db *storage.DB, cfg Config) *Store {
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.Absolute <= 0 {
		cfg.Absolute = defaultAbsolute
	}
	return &Store{db: db, cfg: cfg}
}

// SignIn is what a session is started with.
type SignIn struct {
	AccountID    string
	AccountEpoch int64
	ACR          string
	AMR          []string
	IP           string
	UserAgent    string
	// AuthTime is when the person signed in; the zero time means now.
	AuthTime time.Time
	// Replaces is the cookie that the browser sent, if any. It is dead
	// afterwards, whoever knows it.
	Replaces string
}

// Start begins a session and returns it with the value of its cookie. When the
// same person signs in again over a live session, that session goes on under
// the new cookie: its tokens, in other applications, live on. Any other
// session of the old cookie ends.
func (s *Store) Start(ctx context.Context, in SignIn) (sess *Session, cookie string, err error) {
	cookie = seal.NewToken(seal.SessionCookie)
	sess = s.begin(in, cookie)
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		old := s.Hash(in.Replaces)
		if old == nil {
			return s.insert(ctx, sess)
		}
		renewed, err := s.renew(ctx, old, sess)
		if err != nil || renewed {
			return err
		}
		if err := s.end(ctx, "hash = ?", old); err != nil {
			return err
		}
		return s.insert(ctx, sess)
	})
	if err != nil {
		return nil, "", err
	}
	return sess, cookie, nil
}

func (s *Store) begin(in SignIn, cookie string) *Session {
	now := s.db.Now()
	sess := &Session{
		ID: uuid.NewString(), Hash: s.Hash(cookie),
		AccountID: in.AccountID, AccountEpoch: in.AccountEpoch,
		AuthTime: now, ACR: in.ACR, AMR: in.AMR,
		IP: text(in.IP), UserAgent: text(in.UserAgent),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(s.cfg.Absolute),
	}
	if !in.AuthTime.IsZero() {
		sess.AuthTime = in.AuthTime
	}
	if sess.AMR == nil {
		sess.AMR = []string{} // the column takes no NULL
	}
	return sess
}

func (s *Store) insert(ctx context.Context, sess *Session) error {
	return storage.Err("start session", s.db.With(ctx).Create(sess).Error)
}

// renew gives the live session of the old cookie to sess, if both are of the
// same account, and reports whether there was one.
func (s *Store) renew(ctx context.Context, old []byte, sess *Session) (bool, error) {
	found, err := s.live(ctx, "s.hash = @hash AND s.account_id = @account", map[string]any{"hash": old, "account": sess.AccountID})
	if err != nil {
		return false, storage.Err("renew session", err)
	}
	if len(found) == 0 || found[0].AccountEpoch != sess.AccountEpoch {
		return false, nil
	}
	was, next := found[0], *sess
	next.ID, next.CreatedAt = was.ID, was.CreatedAt
	res := s.db.With(ctx).Select("Hash", "AuthTime", "ACR", "AMR", "IP", "UserAgent", "LastSeenAt", "ExpiresAt").
		Where("hash = ? AND ended_at IS NULL", old).Updates(&next)
	if res.Error != nil || res.RowsAffected == 0 { // another tab was quicker
		return false, storage.Err("renew session", res.Error)
	}
	*sess = next
	return true, nil
}

// Get returns the live session of the cookie: not ended, not idle for too
// long, not too old, of an account that is neither disabled nor changed since.
// Anything else is [storage.ErrNotFound]. It notes that the session was seen,
// at most once a minute.
func (s *Store) Get(ctx context.Context, cookie string) (*Session, error) {
	hash := s.Hash(cookie)
	if hash == nil {
		return nil, storage.ErrNotFound
	}
	found, err := s.live(ctx, "s.hash = @hash", map[string]any{"hash": hash})
	if err == nil && len(found) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, storage.Err("read session", err)
	}
	if err := s.Touch(ctx, &found[0]); err != nil {
		return nil, err
	}
	return &found[0], nil
}

// liveRow selects live sessions, with their account's standing in the same
// statement: what ended a moment ago on another replica is not found.
var liveRow = `SELECT ` + storage.Columns("s", Session{}) + ` FROM sessions s
	JOIN accounts a ON a.id = s.account_id AND a.disabled_at IS NULL AND a.epoch = s.account_epoch
	WHERE s.ended_at IS NULL AND s.expires_at > @now AND s.last_seen_at > @idle AND `

func (s *Store) live(ctx context.Context, condition string, args map[string]any) ([]Session, error) {
	now := s.db.Now()
	args["now"], args["idle"] = now, now.Add(-s.cfg.Idle)
	return storage.Select[Session](ctx, s.db, liveRow+condition, args)
}

// Live reports whether a session read by a joined query is live, but for its
// account.
func (s *Store) Live(sess *Session) bool {
	now := s.db.Now()
	return sess.EndedAt == nil && sess.ExpiresAt.After(now) && sess.LastSeenAt.After(now.Add(-s.cfg.Idle))
}

// Touch notes that the session was seen, at most once a minute.
func (s *Store) Touch(ctx context.Context, sess *Session) error {
	now := s.db.Now()
	before := now.Add(-min(seenEvery, s.cfg.Idle/2))
	if sess.LastSeenAt.After(before) {
		return nil
	}
	err := s.db.With(ctx).Model(&Session{}).
		Where("id = ? AND last_seen_at <= ? AND ended_at IS NULL", sess.ID, before).
		UpdateColumn("last_seen_at", now).Error
	if err != nil {
		return storage.Err("note that the session was seen", err)
	}
	sess.LastSeenAt = now
	return nil
}

// Hash returns the hash by which a joined query finds the session of a cookie,
// nil for a value that was never a cookie of ours.
func (s *Store) Hash(cookie string) []byte {
	if !seal.WellFormed(seal.SessionCookie, cookie) {
		return nil
	}
	return s.cfg.Keys.Hash(cookie)
}

// List returns the live sessions of the account, newest first.
func (s *Store) List(ctx context.Context, accountID string) ([]Session, error) {
	list, err := s.live(ctx, "s.account_id = @account ORDER BY s.auth_time DESC, s.id", map[string]any{"account": accountID})
	return list, storage.Err("list sessions", err)
}

// End ends the session; tokens bound to it die with it, and the applications
// that were used in it are told. Ending an ended one is no error. It is for the
// browser that signs out, which is no change that is recorded: see
// [Store.SignOutOf].
func (s *Store) End(ctx context.Context, id string) error {
	if !storage.IsText(id) { // no session's
		return nil
	}
	return s.end(ctx, "id = ?", id)
}

// EndAll ends every session of the account.
func (s *Store) EndAll(ctx context.Context, accountID string) error {
	return s.end(ctx, "account_id = ?", accountID)
}

// EndOne ends the session if it is the account's and has not ended, and
// reports whether it did.
func (s *Store) EndOne(ctx context.Context, accountID, id string) (bool, error) {
	if !storage.IsText(id) { // no session's
		return false, nil
	}
	ended, err := signout.Sessions(ctx, s.db, "id = ? AND account_id = ?", id, accountID)
	return ended > 0, err
}

// EndOthers ends every session of the account but this one, and returns how many
// those were.
func (s *Store) EndOthers(ctx context.Context, sess *Session) (ended int, err error) {
	return signout.Sessions(ctx, s.db, "account_id = ? AND id <> ?", sess.AccountID, sess.ID)
}

func (s *Store) end(ctx context.Context, condition string, args ...any) error {
	_, err := signout.Sessions(ctx, s.db, condition, args...)
	return err
}

// Purge deletes sessions that ended or expired, at most limit of them.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM sessions WHERE id IN (
		SELECT id FROM sessions WHERE expires_at <= ? OR ended_at IS NOT NULL LIMIT ?)`, s.db.Now(), limit)
	return res.RowsAffected, storage.Err("purge sessions", res.Error)
}

// text bounds what a browser or proxy says and replaces what a database
// refuses.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
