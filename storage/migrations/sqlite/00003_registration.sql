-- +goose Up
CREATE TABLE initial_access_tokens (
	id         TEXT     NOT NULL PRIMARY KEY,
	hash       BLOB     NOT NULL UNIQUE,
	name       TEXT     NOT NULL,
	approve    BOOLEAN  NOT NULL,              -- what is registered with it is approved at once
	uses_left  INTEGER  NOT NULL,
	created_at DATETIME NOT NULL,
	created_by TEXT     NOT NULL,
	expires_at DATETIME NOT NULL,
	revoked_at DATETIME
);
CREATE INDEX initial_access_tokens_expires_at ON initial_access_tokens (expires_at);

-- What a client that registered itself may manage itself with.
CREATE TABLE client_registrations (
	client_id        TEXT     NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
	hash             BLOB     NOT NULL UNIQUE,   -- of the registration access token
	initial_token_id TEXT     NOT NULL DEFAULT '', -- empty for an open registration
	created_at       DATETIME NOT NULL
);
CREATE INDEX client_registrations_created_at ON client_registrations (created_at);

-- What an approved client wants to become, until an administrator decides.
CREATE TABLE client_revisions (
	client_id  TEXT     NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
	id         TEXT     NOT NULL UNIQUE,         -- another for every change: what was looked at is what is approved
	name       TEXT     NOT NULL,
	metadata   TEXT     NOT NULL,                -- JSON object, RFC 7591 member names
	created_at DATETIME NOT NULL,
	created_by TEXT     NOT NULL
);

-- +goose Down
DROP TABLE client_revisions;
DROP TABLE client_registrations;
DROP TABLE initial_access_tokens;
