package storage

import (
	"context"

	"countersign/storage/seal"
)

// keyPlace and keyText are sealed when a database is first used, to tell its
// key-encryption key from others later.
const (
	keyPlace = "installation.key_check"
	keyText  = "countersign"
)

// KeyError reports a key-encryption key that this database was not made with.
type KeyError struct{}

func (*KeyError) Error() string {
	return "the key-encryption key is not the one that this database was made with: start with that one " +
		"(COUNTERSIGN_SECRET, COUNTERSIGN_SECRET_FILE, or the file named secret in the data folder of the database); nothing was changed"
}

// CheckKey returns a [KeyError] unless the database was made with these keys.
// The first call on a new database makes it theirs, with its one row of
// installation; of several at once one does.
func (db *DB) CheckKey(ctx context.Context, keys *seal.Keys) error {
	const doing = "check the key-encryption key"
	check, err := db.keyCheck(ctx)
	if err == nil && check == nil {
		err = db.With(ctx).Exec(`INSERT INTO installation (id, key_check, created_at) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING`,
			keys.Seal([]byte(keyText), keyPlace), db.Now()).Error
		if err == nil {
			check, err = db.keyCheck(ctx)
		}
	}
	if err != nil {
		return Err(doing, err)
	}
	if text, err := keys.Open(check, keyPlace); err != nil || string(text) != keyText {
		return &KeyError{}
	}
	return nil
}

// keyCheck returns nil when the database is new.
func (db *DB) keyCheck(ctx context.Context) ([]byte, error) {
	var row struct{ KeyCheck []byte }
	err := db.With(ctx).Raw(`SELECT key_check FROM installation WHERE id = 1`).Scan(&row).Error
	return row.KeyCheck, err
}
