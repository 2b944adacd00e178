-- +goose Up
-- The pictures of approved clients, made of what is at their logo_uri, and what
-- became of the last attempt to fetch it. Pages show these and no other.
CREATE TABLE client_logos (
	client_id  TEXT        NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
	uri        TEXT        NOT NULL,              -- the logo_uri that this is about
	digest     TEXT        NOT NULL DEFAULT '',   -- SHA-256 of the picture in hex, empty while there is none
	fetched_at TIMESTAMPTZ,                       -- when the picture was last what is at the address
	failed_at  TIMESTAMPTZ,                       -- when the last attempt failed, NULL when it did not
	reason     TEXT        NOT NULL DEFAULT '',   -- why it failed
	attempts   BIGINT      NOT NULL DEFAULT 0,    -- begun since the last one that succeeded
	next_at    TIMESTAMPTZ NOT NULL,
	picture    BYTEA                              -- PNG; last, so that the rest is read without it
);
CREATE INDEX client_logos_next ON client_logos (next_at);
CREATE INDEX client_logos_digest ON client_logos (digest) WHERE digest <> '';
-- What changed since the pictures were last looked after.
CREATE INDEX clients_updated ON clients (updated_at);

-- +goose Down
DROP INDEX clients_updated;
DROP TABLE client_logos;
