package replay

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"countersign/storage"
)

// A challenge says itself, under a keyed hash, what it is for, since when it is
// there and until when it may be met, so that none is kept but those that were:
// 16 random bytes, the two times in microseconds, the hash.
const (
	challengeRandom = 16
	challengeTime   = 8
	challengeHead   = challengeRandom + 2*challengeTime
	challengeSize   = challengeHead + 32
)

// NewChallenge makes a challenge that may be met once, for the purpose, until
// then. The purpose names whoever may meet it.
func (s *Store) NewChallenge(purpose string, until time.Time) []byte {
	challenge := make([]byte, challengeHead, challengeSize)
	_, _ = rand.Read(challenge[:challengeRandom]) // never fails
	for i, at := range []time.Time{s.db.Now(), until} {
		binary.BigEndian.PutUint64(challenge[challengeRandom+i*challengeTime:], uint64(max(0, at.UnixMicro())))
	}
	return append(challenge, s.challengeHash(purpose, challenge)...)
}

func (s *Store) challengeHash(purpose string, head []byte) []byte {
	return s.keys.Hash("challenge\x00" + purpose + "\x00" + hex.EncodeToString(head))
}

// UseChallenge uses a challenge up. One that is not ours, is for another
// purpose, or is too old is [storage.ErrNotFound]; of all that bring the same
// one, on whichever replica, all but one get [ErrUsed].
func (s *Store) UseChallenge(ctx context.Context, purpose string, challenge []byte) error {
	if len(challenge) != challengeSize || !hmac.Equal(challenge[challengeHead:], s.challengeHash(purpose, challenge[:challengeHead])) {
		return fmt.Errorf("use challenge: %w", storage.ErrNotFound)
	}
	w := Window{timeAt(challenge[challengeRandom:]), timeAt(challenge[challengeRandom+challengeTime:])}
	if !w.Until.After(s.db.Now()) {
		return fmt.Errorf("use challenge: %w", storage.ErrNotFound)
	}
	return s.use(ctx, "challenge\x00"+hex.EncodeToString(challenge), w)
}

func timeAt(b []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b))) //nolint:gosec // it was written from one
}
