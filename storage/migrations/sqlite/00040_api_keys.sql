-- +goose Up
-- Keys by which programs of an administrator use the administration's API.
CREATE TABLE api_keys (
	id            TEXT     NOT NULL PRIMARY KEY,
	hash          BLOB     NOT NULL UNIQUE,
	prefix        TEXT     NOT NULL,           -- the first characters, to tell keys apart
	name          TEXT     NOT NULL,
	scopes        TEXT     NOT NULL,           -- JSON list
	account_id    TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	account_epoch INTEGER  NOT NULL,
	created_at    DATETIME NOT NULL,
	created_by    TEXT     NOT NULL,
	expires_at    DATETIME NOT NULL,
	used_at       DATETIME,                    -- within an hour
	revoked_at    DATETIME
);
CREATE INDEX api_keys_account_id ON api_keys (account_id);
CREATE INDEX api_keys_expires_at ON api_keys (expires_at);

-- +goose Down
DROP TABLE api_keys;
