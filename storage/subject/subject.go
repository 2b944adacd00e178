// Package subject derives what somebody is called towards clients: pairwise
// subject identifiers, which the clients of one sector know and no others
// (OpenID Connect Core 1.0, section 8.1), and the names of sessions.
package subject

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"countersign/storage"
	"countersign/storage/seal"
)

const (
	saltSize = 32
	place    = "subject_salt.salt"
)

// Identifiers derives subject identifiers. It asks no database: all of them
// follow from one salt.
type Identifiers struct{ salt []byte }

// Open returns the identifiers of the database. The first call on a new
// database makes its salt; of several at once one does. A salt that was sealed
// with another key-encryption key is [seal.ErrWrongKey].
func Open(ctx context.Context, db *storage.DB, keys *seal.Keys) (*Identifiers, error) {
	const doing = "open the salt of subject identifiers"
	fresh := make([]byte, saltSize)
	_, _ = rand.Read(fresh) // never fails
	err := db.With(ctx).Exec(`INSERT INTO subject_salt (id, salt, created_at) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING`,
		keys.Seal(fresh, place), db.Now()).Error
	if err != nil {
		return nil, storage.Err(doing, err)
	}
	var row struct{ Salt []byte }
	if err := db.With(ctx).Raw(`SELECT salt FROM subject_salt WHERE id = 1`).Scan(&row).Error; err != nil {
		return nil, storage.Err(doing, err)
	}
	salt, err := keys.Open(row.Salt, place)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return &Identifiers{salt}, nil
}

// Session returns what a session is called towards a client: the sid claim
// (OpenID Connect Back-Channel Logout 1.0, section 2.1). Every client knows it
// by another name, so that the session joins no subjects that are apart. No
// client's key holds a NUL.
func (i *Identifiers) Session(clientID, sessionID string) string {
	h := hmac.New(sha256.New, i.salt)
	_, _ = h.Write([]byte("sid\x00" + clientID + "\x00" + sessionID)) // never fails
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Pairwise returns the identifier of the account in the sector: always the
// same, another one in every other sector, and nothing that tells the account
// to who has not the salt. No sector holds a NUL.
func (i *Identifiers) Pairwise(sector, accountID string) string {
	h := hmac.New(sha256.New, i.salt)
	_, _ = h.Write([]byte(sector + "\x00" + accountID)) // never fails
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
