package keyset

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
)

// Rotate makes the next key of each algorithm given, or of all. It signs once
// it has been published long enough; with immediately it signs at once, which
// is for a key that leaked. The key it replaces retires at that moment. An
// algorithm whose next key is waiting already keeps that one; with immediately
// it is withdrawn, because what leaked may have leaked with it. Rotate returns
// the newest key of each of the algorithms.
func (s *Store) Rotate(ctx context.Context, by audit.Actor, immediately bool, algs ...string) ([]Key, error) { //nolint:revive // the flag is the command's --now
	published := s.cfg.PublishedBefore
	if immediately {
		published = 0
	}
	for _, alg := range algs {
		if !slices.Contains(Kinds(), alg) {
			return nil, unknown(alg)
		}
	}
	var next []succession
	for _, alg := range Kinds() { // one order for all, so that two cannot wait for each other
		if len(algs) > 0 && !slices.Contains(algs, alg) {
			continue
		}
		newest, err := s.newest(ctx, alg)
		if err != nil {
			return nil, err
		}
		next = append(next, succession{algorithm: alg, from: newest, published: published})
	}
	return s.succeed(ctx, by, next)
}

// RotateDue rotates the keys that are older than Config.RotateEvery.
func (s *Store) RotateDue(ctx context.Context) error {
	if s.cfg.RotateEvery <= 0 {
		return nil
	}
	var due []succession
	for _, alg := range Kinds() {
		newest, err := s.newest(ctx, alg)
		if err != nil {
			return err
		}
		if newest != nil && !newest.ActiveAt.Add(s.cfg.RotateEvery).After(s.db.Now()) {
			due = append(due, succession{algorithm: alg, from: newest, published: s.cfg.PublishedBefore})
		}
	}
	_, err := s.succeed(ctx, audit.Actor{Name: "key rotation", Via: audit.ViaSystem}, due)
	return err
}

// succession is a key that is to follow another.
type succession struct {
	algorithm string
	from      *Key          // nil when the algorithm has no key yet
	published time.Duration // before it signs
	to        Key
}

// waits reports whether the successor is there already and has yet to sign.
func (n *succession) waits(now time.Time) bool {
	return n.published > 0 && n.from != nil && n.from.ActiveAt.After(now)
}

// succeed makes the successions come true, all or none, and returns the newest
// keys. Where another replica was faster, that is the other's.
func (s *Store) succeed(ctx context.Context, by audit.Actor, next []succession) ([]Key, error) {
	for i := range next {
		if next[i].waits(s.db.Now()) {
			continue
		}
		key, err := s.generate(next[i].algorithm)
		if err != nil {
			return nil, err
		}
		next[i].to = key
	}
	newest := make([]Key, 0, len(next))
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		for _, n := range next {
			key, err := s.succeedOne(ctx, by, n)
			if err != nil {
				return err
			}
			newest = append(newest, *key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.forget()
	return newest, nil
}

// succeedOne replaces the newest key, if it is the newest still.
func (s *Store) succeedOne(ctx context.Context, by audit.Actor, n succession) (*Key, error) {
	now := s.db.Now()
	if n.to.ID == "" {
		return n.from, nil
	}
	n.to.CreatedAt, n.to.ActiveAt = now, now.Add(n.published)
	change := audit.Change{Action: "keys.rotate", TargetType: "signing_key", TargetID: n.to.ID, TargetName: n.algorithm, After: n.to}
	if n.from == nil {
		n.to.ActiveAt = now // there is none to sign until then
		change.After = n.to
	} else {
		change.Before = *n.from
		retired, err := s.retire(ctx, n.from, n.to.ActiveAt)
		if err != nil {
			return nil, err
		}
		if !retired {
			return s.mustNewest(ctx, n.algorithm)
		}
	}
	if err := s.db.With(ctx).Create(&n.to).Error; err != nil {
		return nil, storage.Err("keep the next "+n.algorithm+" key", err)
	}
	if err := s.cfg.Audit.Record(ctx, by, change); err != nil {
		return nil, err
	}
	return &n.to, nil
}

// retire ends the newest key at the moment when its successor begins, and with
// it the one that was to sign until then, if that is another. It reports
// whether it found the key as it was.
func (s *Store) retire(ctx context.Context, newest *Key, at time.Time) (bool, error) {
	expires := at.Add(s.cfg.KeptAfter)
	if newest.ActiveAt.After(at) {
		expires = at // it never signed
	}
	res := s.db.With(ctx).Model(&Key{}).Where("id = ? AND retired_at IS NULL", newest.ID).
		Updates(map[string]any{"retired_at": at, "expires_at": expires})
	if res.Error != nil || res.RowsAffected == 0 {
		return false, storage.Err("retire signing key", res.Error)
	}
	err := s.db.With(ctx).Model(&Key{}).Where("algorithm = ? AND id <> ? AND retired_at > ?", newest.Algorithm, newest.ID, at).
		Updates(map[string]any{"retired_at": at, "expires_at": at.Add(s.cfg.KeptAfter)}).Error
	return true, storage.Err("retire signing key", err)
}

// mustNewest returns the newest key of an algorithm that has one.
func (s *Store) mustNewest(ctx context.Context, alg string) (*Key, error) {
	key, err := s.newest(ctx, alg)
	if err == nil && key == nil {
		err = fmt.Errorf("get the newest %s key: %w", alg, storage.ErrNotFound)
	}
	return key, err
}
