package account

import (
	"context"
	"errors"
	"time"
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
	made, err := s.reserve(ctx, []limit{
		{s.throttleKey("code of account", accountID), guessFree, guessWindow},
		{s.throttleKey("code of network", addressPrefix(ip)), guessNetworkFree, guessWindow},
	})
	if err != nil {
		return err
	}
	right, err := judge(ctx)
	if right || err != nil {
		return errors.Join(err, s.release(ctx, made))
	}
	return nil
}
