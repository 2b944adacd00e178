package account

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/storage"
)

// Sign-in is throttled by counters in the database, which all replicas share.
// From an unknown device two count: the account's (by folded username, whether
// it exists or not) and the address's. From a device in which the account
// signed in before, only that device's own counts. An attempt is counted
// before its password is looked at and given back if it was right, so that no
// number of parallel guesses gets more of them evaluated.
//
// After a success
//   - from a known device, that device's counter is gone; the strangers' one
//     stays, or every sign-in of the owner would give them five more guesses;
//   - from an unknown device, the account's counter is gone, because whoever
//     mistyped knew the password after all; the address gets back this one
//     attempt and no more, because others may share it, and because a guesser
//     may own an account.
//
// Nothing is ever locked: delays end after [maxDelay] at most.

// throttle is a counter.
type throttle struct {
	Key          []byte `gorm:"primaryKey"`
	Failures     int64
	BlockedUntil time.Time
	ExpiresAt    time.Time
}

// TableName names the table.
func (throttle) TableName() string { return "sign_in_throttles" }

// maxDelay is the longest that an attempt has to wait for the one before.
const maxDelay = 15 * time.Minute

// unblocked is until when a counter delays that does not. It is not the present
// moment: of two attempts the earlier one may be counted later, and replicas'
// clocks differ.
var unblocked = time.Unix(0, 0).UTC()

// limit is how a counter counts.
type limit struct {
	key    []byte
	free   int64         // attempts before the first delay
	window time.Duration // without attempts, after which counting starts anew
}

const (
	accountFree = 5
	deviceFree  = 5
	addressFree = 50 // an office or a school may share one address

	accountWindow = 24 * time.Hour
	addressWindow = time.Hour
)

// delay is how long to wait after so many attempts: nothing, then 2 s, 4 s and
// so on.
func (l limit) delay(failures int64) time.Duration {
	if failures < l.free {
		return 0
	}
	return min(time.Second<<min(failures-l.free+1, 20), maxDelay)
}

// limits returns the counters of an attempt, in the order in which they are
// locked: the address's last, which attempts on many accounts share.
func (s *Store) limits(in SignIn, accountID, device string) []limit {
	if device != "" {
		return []limit{{s.throttleKey("device", accountID, device), deviceFree, accountWindow}}
	}
	return []limit{
		{s.throttleKey("account", usernameKey(in.Username)), accountFree, accountWindow},
		{s.throttleKey("address", addressPrefix(in.IP)), addressFree, addressWindow},
	}
}

func (s *Store) throttleKey(part ...string) []byte {
	return s.cfg.Keys.Hash("sign-in throttle|" + strings.Join(part, "|"))
}

// addressPrefix is what one attacker has of addresses at least: a /24 of IPv4,
// a /64 of IPv6. What is no address shares one counter.
func addressPrefix(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		if pair, err := netip.ParseAddrPort(ip); err == nil {
			addr = pair.Addr()
		}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

// reservation is an attempt that was counted.
type reservation struct {
	limit
	at       time.Time
	failures int64 // with this attempt
}

// reserve counts an attempt on all its counters or on none. It fails with
// [*ThrottledError] while one of them delays.
func (s *Store) reserve(ctx context.Context, limits []limit) ([]reservation, error) {
	if err := s.look(ctx, limits); err != nil {
		return nil, err
	}
	made, err := s.count(ctx, limits)
	if err != nil || len(made) == len(limits) {
		return made, err
	}
	if err := s.release(ctx, made); err != nil {
		return nil, err
	}
	return nil, s.delayed(ctx, limits)
}

// look keeps a flood of refused attempts from queueing to write. What counts
// them on PostgreSQL does so by itself: see [insertAttempt].
func (s *Store) look(ctx context.Context, limits []limit) error {
	if s.db.Dialect() == storage.PostgreSQL {
		return nil
	}
	return s.throttled(ctx, limits)
}

// delayed is the [*ThrottledError] of an attempt that one of the counters did
// not let pass.
func (s *Store) delayed(ctx context.Context, limits []limit) error {
	if err := s.throttled(ctx, limits); err != nil {
		return err
	}
	return &ThrottledError{RetryAfter: time.Second} // the delay ended just now
}

// throttled returns a [*ThrottledError] when one of the counters delays.
func (s *Store) throttled(ctx context.Context, limits []limit) error {
	now := s.db.Now()
	args := map[string]any{"now": now}
	for i, l := range limits {
		args["key"+strconv.Itoa(i)] = l.key
	}
	blocked, err := storage.Select[throttle](ctx, s.db, blockedOf(len(limits)), args)
	if err != nil {
		return storage.Err("read sign-in throttle", err)
	}
	if len(blocked) == 0 {
		return nil
	}
	last := slices.MaxFunc(blocked, func(a, b throttle) int { return a.BlockedUntil.Compare(b.BlockedUntil) })
	return &ThrottledError{RetryAfter: min(last.BlockedUntil.Sub(now), maxDelay)}
}

// settle tells the counters of a success: see the rules above. The first
// counter is the account's or the device's own, the second the address's.
func (s *Store) settle(ctx context.Context, made []reservation) error {
	err := s.db.With(ctx).Where("key = ?", made[0].key).Delete(&throttle{}).Error
	if err != nil {
		return storage.Err("reset sign-in throttle", err)
	}
	return s.giveBack(ctx, made[1:])
}

// Purge deletes throttles that no longer count and activities that are too old,
// at most limit of each.
func (s *Store) Purge(ctx context.Context, limit int) (int64, error) {
	old, err := s.purgeActivities(ctx, limit)
	if err != nil {
		return old, err
	}
	res := s.db.With(ctx).Exec("DELETE FROM sign_in_throttles WHERE key IN"+
		" (SELECT key FROM sign_in_throttles WHERE expires_at <= ? LIMIT ?)", s.db.Now(), limit)
	return old + res.RowsAffected, storage.Err("purge sign-in throttles", res.Error)
}
