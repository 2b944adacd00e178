package storagetest

import (
	"context"
	"errors"
	"strings"
	"sync"

	"countersign/storage"
)

// ErrInjected is what a statement fails with that [FailStatements] picked.
var ErrInjected = errors.New("statement failed because the test said so")

// FailStatements makes every statement fail that match accepts: SQL with
// placeholders, or BEGIN, COMMIT, ROLLBACK or PING. A nil match accepts all.
// The function that it returns makes the database work again.
func FailStatements(db *storage.DB, match func(statement string) bool) (restore func()) {
	db.SetHook(func(_ context.Context, statement string) error {
		if match == nil || match(statement) {
			return ErrInjected
		}
		return nil
	})
	return func() { db.SetHook(nil) }
}

// Containing is a match for [FailStatements]: statements with the fragment,
// however it is cased.
func Containing(fragment string) func(string) bool {
	fragment = strings.ToLower(fragment)
	return func(statement string) bool { return strings.Contains(strings.ToLower(statement), fragment) }
}

// Counter counts statements as round trips that a server waits for: on
// PostgreSQL every one of them, BEGIN and COMMIT included; on SQLite, where
// only commits cost, a transaction is one.
type Counter struct {
	sqlite bool

	mu         sync.Mutex
	inTx       bool
	statements []string
}

// CountStatements counts the statements on db from now on. Count one thing at
// a time: it does not tell transactions apart that run beside one another.
func CountStatements(db *storage.DB) *Counter {
	c := &Counter{sqlite: db.Dialect() == storage.SQLite}
	db.SetHook(func(_ context.Context, statement string) error {
		c.add(statement)
		return nil
	})
	return c
}

func (c *Counter) add(statement string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sqlite {
		c.statements = append(c.statements, statement)
		return
	}
	switch statement {
	case "BEGIN":
		c.inTx = true
		c.statements = append(c.statements, statement)
	case "COMMIT", "ROLLBACK":
		c.inTx = false
	default:
		if !c.inTx {
			c.statements = append(c.statements, statement)
		}
	}
}

// Reset starts counting anew.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements = nil
}

// Count returns how many statements there were.
func (c *Counter) Count() int { return len(c.Statements()) }

// Statements returns what was counted, in order.
func (c *Counter) Statements() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.statements...)
}
