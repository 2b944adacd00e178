package account

import (
	"context"
	"errors"
	"time"

	"countersign/storage"
)

const (
	guessFree        = 5
	guessNetworkFree = 20 // an office or a school may share one address
	guessDevicesFree = 50 // of all devices that are known to one account
	guessWindow      = time.Hour
)

// Guess lets somebody who is signed in try a short code, which judge looks at.
// Wrong ones are counted by account, whatever session they come from, and by
// network, in counters like those of sign-in: after five in an hour each has
// to wait longer than the one before, which is a [*ThrottledError]. An attempt
// is counted before judge is called and given back if it was right, or was not
// decided.
func (s *Store) Guess(ctx context.Context, accountID, ip string, judge func(context.Context) (right bool, err error)) error {
	made, err := s.reserve(ctx, s.guessLimits(accountID, ip))
	if err != nil {
		return err
	}
	right, err := judge(ctx)
	if right || err != nil {
		return errors.Join(err, s.release(ctx, made))
	}
	return nil
}

func (s *Store) guessLimits(accountID, ip string) []limit {
	return []limit{
		{s.throttleKey("code of account", accountID), guessFree, guessWindow},
		{s.throttleKey("code of network", addressPrefix(ip)), guessNetworkFree, guessWindow},
	}
}

// GuessRight is [Store.Guess] with a code that is known to be right, with what
// follows from that as one: while a counter delays, nothing does. It leaves the
// counters as they are, but takes its turn at them, so that of many guesses at
// the same time no more are let through than of as many one after another.
func (s *Store) GuessRight(ctx context.Context, accountID, ip string, then storage.Part) error {
	limits := s.guessLimits(accountID, ip)
	if err := s.look(ctx, limits); err != nil {
		return err
	}
	passed, err := s.pass(ctx, limits, then)
	switch {
	case err != nil:
		return storage.Err("pass a right guess", err)
	case !passed:
		return s.delayed(ctx, limits)
	default:
		return nil
	}
}

// passing are the statements that take a turn at the two counters of a guess
// and change neither.
var passing = map[storage.Dialect]string{
	storage.PostgreSQL: passStatement(storage.PostgreSQL),
	storage.SQLite:     passStatement(storage.SQLite),
}

func passStatement(d storage.Dialect) string {
	return insertAttempt(d, 0, 2) + `
		ON CONFLICT (key) DO UPDATE SET failures = t.failures WHERE t.blocked_until <= @now RETURNING 1`
}

// pass does what follows from a right guess if none of its counters delays, and
// reports whether it did.
func (s *Store) pass(ctx context.Context, limits []limit, then storage.Part) (passed bool, err error) {
	args, take := attemptArgs(limits, s.db.Now()), passing[s.db.Dialect()]
	if s.db.Dialect() == storage.PostgreSQL {
		turns, err := storage.Select[int64](ctx, s.db,
			`WITH turn AS (`+take+`)`+then.After(`2 = (SELECT count(*) FROM turn)`, args)+` SELECT 1 FROM turn`, args)
		return len(turns) == len(limits), err
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		turns, err := storage.Select[int64](ctx, s.db, take, args)
		if passed = len(turns) == len(limits); err != nil || !passed {
			return err
		}
		return s.db.ExecPart(ctx, then)
	})
	return passed && err == nil, err
}
