-- +goose Up
-- Requests that may come twice and shall be done once.
CREATE TABLE idempotency_keys (
	hash         BLOB     NOT NULL PRIMARY KEY, -- of the caller and the key that it chose
	fingerprint  BLOB     NOT NULL,             -- of the request
	claim        TEXT     NOT NULL,             -- who is doing it
	locked_until DATETIME NOT NULL,             -- then another may, unless it was done
	answer       BLOB,                          -- sealed; NULL until it was done
	created_at   DATETIME NOT NULL,
	expires_at   DATETIME NOT NULL
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- +goose Down
DROP TABLE idempotency_keys;
