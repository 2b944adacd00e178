-- +goose Up
CREATE TABLE device_codes (
	hash          BYTEA    NOT NULL PRIMARY KEY,
	user_hash     BYTEA    NOT NULL UNIQUE,      -- of the code that a person types
	client_id     TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	client_epoch  BIGINT   NOT NULL,
	grant_id      TEXT     REFERENCES grants (id) ON DELETE CASCADE, -- NULL until somebody allowed it
	scope         TEXT     NOT NULL,             -- asked for, space-separated
	ip            TEXT     NOT NULL,             -- where the device asks from
	network       TEXT     NOT NULL,             -- of that address, which bounds how many codes there are
	poll_interval BIGINT   NOT NULL,             -- seconds
	polled_at     TIMESTAMPTZ,
	created_at    TIMESTAMPTZ NOT NULL,
	expires_at    TIMESTAMPTZ NOT NULL,
	denied_at     TIMESTAMPTZ,
	spent_at      TIMESTAMPTZ
);
CREATE INDEX device_codes_client ON device_codes (client_id, network);
CREATE INDEX device_codes_grant_id ON device_codes (grant_id);
CREATE INDEX device_codes_abandoned ON device_codes (expires_at) WHERE spent_at IS NULL;

-- +goose Down
DROP TABLE device_codes;
