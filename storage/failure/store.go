package failure

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/google/uuid"

	"countersign/storage"
	"countersign/storage/seal"
)

// Store keeps failures in the database.
type Store struct {
	db      *storage.DB
	keys    *seal.Keys
	queue   chan Failure
	dropped atomic.Int64
}

// New returns a store on db.
func New(db *storage.DB, keys *seal.Keys) *Store {
	return &Store{db: db, keys: keys, queue: make(chan Failure, waiting)}
}

// Note keeps the failure when [Store.Flush] is next called, if there is such a
// client. It never waits: where too many do, the failure is dropped.
func (s *Store) Note(f Failure) {
	f.At = s.db.Now()
	select {
	case s.queue <- f:
	default:
		s.dropped.Add(1)
	}
}

// Flush writes what was noted, and returns how many failures were dropped
// since it was last called because too many waited. What cannot be written is
// lost: it is a help, and not worth to wait for a database.
func (s *Store) Flush(ctx context.Context) (dropped int64, err error) {
	dropped = s.dropped.Swap(0)
	byClient := map[string][]Failure{}
	for range len(s.queue) {
		f := <-s.queue
		byClient[f.ClientID] = append(byClient[f.ClientID], f.bounded())
	}
	known, err := s.known(ctx, byClient)
	if err != nil {
		return dropped, err
	}
	for _, id := range known {
		noted := byClient[id]
		err := s.keep(ctx, id, noted[max(0, len(noted)-Kept):])
		if err != nil && !errors.Is(err, storage.ErrNotFound) { // the client was removed this very moment
			return dropped, err
		}
	}
	return dropped, nil
}

// maxKey is longer than the key of any client.
const maxKey = 64

// known returns the clients of these that there are.
func (s *Store) known(ctx context.Context, byClient map[string][]Failure) (ids []string, err error) {
	var asked []string
	for id := range byClient {
		if id != "" && len(id) <= maxKey && cut(id, maxKey) == id {
			asked = append(asked, id)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	slices.Sort(asked) // so that two servers lock in one order
	err = s.db.With(ctx).Raw(`SELECT id FROM clients WHERE id IN ? ORDER BY id`, asked).Scan(&ids).Error
	return ids, storage.Err("find clients of failures", err)
}

// keep writes failures of one client, and forgets the oldest of those that are
// too many.
func (s *Store) keep(ctx context.Context, clientID string, list []Failure) error {
	return s.db.InTx(ctx, func(ctx context.Context) error {
		for _, f := range list {
			if err := s.insert(ctx, f); err != nil {
				return err
			}
		}
		return storage.Err("forget failures", s.db.With(ctx).Exec(`
			DELETE FROM client_failures WHERE client_id = @client AND id NOT IN (
				SELECT id FROM client_failures WHERE client_id = @client ORDER BY at DESC, id DESC LIMIT @kept)`,
			map[string]any{"client": clientID, "kept": Kept}).Error)
	})
}

func (s *Store) insert(ctx context.Context, f Failure) error {
	id, err := uuid.NewV7() // in the order of time, for what comes in one moment
	if err != nil {
		return err
	}
	f.ID = id.String()
	if f.BaseString != "" {
		f.Sealed = s.keys.Seal([]byte(f.BaseString), place(f.ID))
	}
	return storage.Err("keep failure", s.db.With(ctx).Exec(`
		INSERT INTO client_failures (id, client_id, at, endpoint, code, cause, remedy, redirect_uri, request_id, address, base_string)
		SELECT @id, c.id, @at, @endpoint, @code, @cause, @remedy, @redirect, @request, @address, @sealed FROM clients c WHERE c.id = @client`,
		map[string]any{
			"id": f.ID, "client": f.ClientID, "at": f.At, "endpoint": f.Endpoint, "code": f.Code, "cause": f.Cause, "remedy": f.Remedy, "redirect": f.RedirectURI,
			"request": f.RequestID, "address": f.Address, "sealed": f.Sealed,
		}).Error)
}

func place(id string) string { return "client_failures.base_string/" + id }

// List returns the last failures of the client, the newest first, at most
// limit. It is for administrators.
func (s *Store) List(ctx context.Context, clientID string, limit int) ([]Failure, error) {
	list := []Failure{}
	if clientID == "" || len(clientID) > maxKey || cut(clientID, maxKey) != clientID {
		return list, nil
	}
	err := s.db.With(ctx).Where("client_id = ?", clientID).Order("at DESC, id DESC").Limit(limit).Find(&list).Error
	if err != nil {
		return nil, storage.Err("list failures", err)
	}
	for i := range list {
		if len(list[i].Sealed) == 0 {
			continue
		}
		base, err := s.keys.Open(list[i].Sealed, place(list[i].ID))
		if err != nil {
			return nil, err
		}
		list[i].BaseString = string(base)
	}
	return list, nil
}

// Purge forgets the failures that are older than [Lifetime], at most limit,
// and returns how many.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	res := s.db.With(ctx).Exec(`DELETE FROM client_failures WHERE id IN (SELECT id FROM client_failures WHERE at <= @past LIMIT @limit)`,
		map[string]any{"past": s.db.Now().Add(-Lifetime), "limit": limit})
	return res.RowsAffected, storage.Err("purge failures", res.Error)
}
