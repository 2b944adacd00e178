package account

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/storage"
)

// An attempt touches its counters with one statement: the rows are locked in
// the order of the counters and only as long as that takes. Which counters an
// attempt has is constant, so that there are few statements.

// counting are the statements that count attempts, by dialect and by the free
// attempts of their counters.
var counting sync.Map

type countingKey struct {
	dialect storage.Dialect
	free    [2]int64
}

// countStatement counts an attempt on counters with so many free attempts. It
// leaves a row alone while its counter delays. Of attempts that race, each sees
// the one before: the database counts, so it must find the delay of a count
// that is not known here, one WHEN for each there is, the longest first.
func countStatement(d storage.Dialect, limits []limit) string {
	key := countingKey{dialect: d}
	for i, l := range limits {
		key.free[i] = l.free
	}
	if known, ok := counting.Load(key); ok {
		return known.(string) //nolint:forcetypeassert // nothing else is stored
	}
	var beyond, when strings.Builder
	for i, l := range limits {
		fmt.Fprintf(&beyond, " WHEN t.key = @key%d THEN t.failures + 1 - %d", i, l.free)
	}
	for n := steps - 1; n >= 0; n-- {
		fmt.Fprintf(&when, " WHEN CASE%s END >= %d THEN @until%d", beyond.String(), n, n)
	}
	text := insertAttempt(d, 1, len(limits)) + `
		ON CONFLICT (key) DO UPDATE SET
			failures = CASE WHEN t.expires_at <= @now THEN 1 ELSE t.failures + 1 END,
			blocked_until = CASE WHEN t.expires_at <= @now THEN @unblocked` + when.String() + ` ELSE t.blocked_until END,
			expires_at = excluded.expires_at
		WHERE t.blocked_until <= @now RETURNING key, failures`
	counting.Store(key, text)
	return text
}

// insertAttempt inserts counters with so many failures, in the order in which
// they are locked. On PostgreSQL it inserts none, and locks none, while one of
// them delays; on SQLite, whose writers wait for one another whatever they
// write, who wants to count has looked before.
func insertAttempt(d storage.Dialect, failures, counters int) string {
	const into = `INSERT INTO sign_in_throttles AS t (failures, key, blocked_until, expires_at) `
	row := "(%d, @key%d, @unblocked, @expires%d)"
	if d == storage.PostgreSQL {
		row = "(%d, @key%d::bytea, @unblocked::timestamptz, @expires%d::timestamptz)"
	}
	rows := make([]string, counters)
	for i := range rows {
		rows[i] = fmt.Sprintf(row, failures, i, i)
	}
	values := `VALUES ` + strings.Join(rows, ", ")
	if d != storage.PostgreSQL {
		return into + values
	}
	return into + `SELECT failures, key, blocked_until, expires_at FROM (` + values + `) v (failures, key, blocked_until, expires_at)
		WHERE NOT EXISTS (` + blockedOf(counters) + `)`
}

// steps is how many delays there are, of which the last is the longest.
var steps = func() int {
	n := 0
	for (limit{}).delay(int64(n)) < maxDelay {
		n++
	}
	return n + 1
}()

// count counts an attempt on those of its counters that do not delay, and
// returns these, in the order of the limits.
func (s *Store) count(ctx context.Context, limits []limit) ([]reservation, error) {
	now := s.db.Now()
	args := attemptArgs(limits, now)
	for n := range steps {
		args["until"+strconv.Itoa(n)] = now.Add(limit{}.delay(int64(n)))
	}
	counted, err := storage.Select[throttle](ctx, s.db, countStatement(s.db.Dialect(), limits), args)
	if err != nil {
		return nil, storage.Err("count sign-in", err)
	}
	var made []reservation
	for _, l := range limits {
		for _, row := range counted {
			if bytes.Equal(row.Key, l.key) {
				made = append(made, reservation{l, now, row.Failures})
			}
		}
	}
	return made, nil
}

// attemptArgs are what [insertAttempt] takes.
func attemptArgs(limits []limit, now time.Time) map[string]any {
	args := map[string]any{"now": now, "unblocked": unblocked}
	for i, l := range limits {
		n := strconv.Itoa(i)
		args["key"+n], args["expires"+n] = l.key, now.Add(l.window)
	}
	return args
}

// giveBack takes an attempt off counters that was not wrong, or was not looked
// at, with the delay that it caused. A counter that is gone comes back empty
// and expired, which is the same.
func (s *Store) giveBack(ctx context.Context, made []reservation) error {
	if len(made) == 0 {
		return nil
	}
	args := map[string]any{"now": s.db.Now(), "unblocked": unblocked}
	for i, r := range made {
		n := strconv.Itoa(i)
		args["key"+n], args["caused"+n] = r.key, r.at.Add(r.delay(r.failures))
	}
	_, err := s.db.Exec(ctx, givingBack[len(made)-1], args)
	return storage.Err("give sign-in back", err)
}

// givingBack are the statements that give one or two counters back.
var givingBack = [2]string{giveBackStatement(1), giveBackStatement(2)}

func giveBackStatement(counters int) string {
	rows := make([]string, counters)
	var when strings.Builder
	for i := range rows {
		rows[i] = fmt.Sprintf("(0, @key%d, @unblocked, @now)", i)
		fmt.Fprintf(&when, " WHEN t.key = @key%d AND t.blocked_until = @caused%d THEN @unblocked", i, i)
	}
	return `INSERT INTO sign_in_throttles AS t (failures, key, blocked_until, expires_at) VALUES ` + strings.Join(rows, ", ") + `
		ON CONFLICT (key) DO UPDATE SET failures = t.failures - 1,
			blocked_until = CASE` + when.String() + ` ELSE t.blocked_until END WHERE t.failures > 0`
}

// release gives an attempt back that was not evaluated, on all its counters.
// The one who tried may be gone; the counters are for everyone.
func (s *Store) release(ctx context.Context, made []reservation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	return s.giveBack(ctx, made)
}

// releasePatience is how long giving back may take after the one who tried is
// gone.
const releasePatience = 5 * time.Second

// blockedOf reads which of one or two counters delay.
func blockedOf(counters int) string {
	const text = `SELECT key, failures, blocked_until, expires_at FROM sign_in_throttles WHERE blocked_until > @now AND key IN (@key0`
	if counters == 1 {
		return text + `)`
	}
	return text + `, @key1)`
}
