-- +goose Up
-- Requests that may come twice and shall be done once.
CREATE TABLE idempotency_keys (
	hash         BYTEA       NOT NULL PRIMARY KEY, -- of the caller and the key that it chose
	fingerprint  BYTEA       NOT NULL,             -- of the request
	claim        TEXT        NOT NULL,             -- who is doing it
	locked_until TIMESTAMPTZ NOT NULL,             -- then another may, unless it was done
	answer       BYTEA,                            -- sealed; NULL until it was done
	created_at   TIMESTAMPTZ NOT NULL,
	expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- +goose Down
DROP TABLE idempotency_keys;
