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

// A challenge says itself, under a keyed hash, what it is for and until when it
// may be met, so that none is kept but those that were: 16 random bytes, the
// time in seconds, the hash.
const (
	challengeRandom = 16
	challengeHead   = challengeRandom + 8
	challengeSize   = challengeHead + 32
)

// NewChallenge makes a challenge that may be met once, for the purpose, until
// then. The purpose names whoever may meet it.
func (s *Store) NewChallenge(purpose string, until time.Time) []byte {
	challenge := make([]byte, challengeHead, challengeSize)
	_, _ = rand.Read(challenge[:challengeRandom]) // never fails
	binary.BigEndian.PutUint64(challenge[challengeRandom:], uint64(max(0, until.Unix())))
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
	until := time.Unix(int64(binary.BigEndian.Uint64(challenge[challengeRandom:challengeHead])), 0) //nolint:gosec // it was written from one
	if !until.After(s.db.Now()) {
		return fmt.Errorf("use challenge: %w", storage.ErrNotFound)
	}
	return s.use(ctx, "challenge\x00"+hex.EncodeToString(challenge), until)
}
