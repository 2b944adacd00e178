package clientstore

import (
	"context"
	"sync"
	"time"

	"countersign/storage"
	"countersign/storage/grant"
)

// maxRemembered bounds how many clients are remembered; some kilobytes each.
const maxRemembered = 4096

// memory holds clients as they were read last, so that a request whose client
// is still the same need not have it read and taken apart again. It decides
// nothing: the statement that a request makes anyway says which edition of the
// client the database holds at that moment, and what is remembered of another
// one is not used.
type memory struct {
	mu      sync.RWMutex
	clients map[string]Client
}

func (m *memory) recall(id string) (Client, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c, ok := m.clients[id]
	return c, ok
}

func (m *memory) knows(id string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.clients[id]
	return ok
}

// keep remembers a client as the database holds it, in the place of any other
// when there are too many.
func (m *memory) keep(c Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clients == nil {
		m.clients = map[string]Client{}
	}
	if _, known := m.clients[c.ID]; !known && len(m.clients) >= maxRemembered {
		for id := range m.clients {
			delete(m.clients, id)
			break
		}
	}
	m.clients[c.ID] = c
}

func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.clients, id)
}

// used tells that it was written down when the clients were used.
func (m *memory) used(ids []string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if c, ok := m.clients[id]; ok {
			c.UsedAt = &at
			m.clients[id] = c
		}
	}
}

// sameEdition reports whether both are what one change of the client made of
// it. Every change raises the version and sets the time; one that did not last
// may have had the version of one that did.
func (c *Client) sameEdition(other *Client) bool {
	return c.Version == other.Version && c.UpdatedAt.Equal(other.UpdatedAt)
}

// Edition tells this state of the client from what other changes made of it.
func (c *Client) Edition() grant.Edition {
	return grant.Edition{Version: c.Version, UpdatedAt: c.UpdatedAt}
}

// editionColumns tell whether a client is still what is remembered.
const editionColumns = "client.id, client.version, client.updated_at, client.used_at"

// statement returns the statement that reads the client with the identifier,
// by the name of client, for [Store.complete]: all of it or, where it is
// remembered, what tells whether it is still the same. Each is put together
// once, under its name.
func (s *Store) statement(id, name string, with func(columns string) string) string {
	columns := storage.Columns("client", Client{})
	if s.memory.knows(id) {
		columns = editionColumns
	}
	return s.text(statementKey{name, columns == editionColumns}, func() string { return with(columns) })
}

// text returns the statement under the key, which is put together once.
func (s *Store) text(key statementKey, with func() string) string {
	if text, ok := s.statements.Load(key); ok {
		return text.(string) //nolint:forcetypeassert // nothing else is stored
	}
	text, _ := s.statements.LoadOrStore(key, with())
	return text.(string) //nolint:forcetypeassert // nothing else is stored
}

type statementKey struct {
	name       string
	remembered bool
}

// complete makes a client that was read by a [Store.statement] whole, and what it
// may be at this moment. It takes a statement of its own if the client was
// changed since it is remembered.
func (s *Store) complete(ctx context.Context, c *Client) error {
	if c.Type != "" { // it was read whole
		s.remember(ctx, *c)
	} else if err := s.recollect(ctx, c); err != nil {
		return err
	}
	s.effective(c)
	return nil
}

// recollect makes a client whole of which only the edition was read.
func (s *Store) recollect(ctx context.Context, c *Client) error {
	kept, ok := s.memory.recall(c.ID)
	if ok && kept.sameEdition(c) {
		kept.UsedAt = c.UsedAt
		*c = kept
		return nil
	}
	whole, err := s.read(ctx, c.ID)
	if err != nil {
		return err
	}
	*c = *whole
	s.remember(ctx, *c)
	return nil
}

// remember keeps a client that is in the database for everybody: what a
// transaction made of it may yet be undone.
func (s *Store) remember(ctx context.Context, c Client) {
	if !s.db.InTransaction(ctx) {
		s.memory.keep(c)
	}
}

// Recall returns the client as it was read last, whatever became of it since;
// nil when it is not remembered. Whoever acts on it has to have the database
// confirm its [Client.Edition] in the statement that yields something, and
// must not refuse anything because of it.
func (s *Store) Recall(id string) *Client {
	c, ok := s.memory.recall(id)
	if !ok {
		return nil
	}
	s.effective(&c)
	return &c
}

// Forget drops what is remembered of the client, because the database did not
// confirm it.
func (s *Store) Forget(id string) { s.memory.forget(id) }
