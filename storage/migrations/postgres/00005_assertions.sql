-- +goose Up
CREATE TABLE used_jtis (
	hash       BYTEA    NOT NULL PRIMARY KEY, -- keyed hash of the client and its assertion's jti
	expires_at TIMESTAMPTZ NOT NULL              -- when the assertion is of no use any more
);
CREATE INDEX used_jtis_expires_at ON used_jtis (expires_at);

CREATE TABLE pushed_requests (
	hash       BYTEA  NOT NULL PRIMARY KEY,    -- of the reference
	client_id  TEXT  NOT NULL,
	request    TEXT  NOT NULL,                -- JSON object: the validated parameters
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,              -- nobody can begin with it from here
	used_at    TIMESTAMPTZ,                       -- when it was answered
	used_by    TEXT  NOT NULL DEFAULT ''      -- the interaction that was
);
CREATE INDEX pushed_requests_expires_at ON pushed_requests (expires_at);

-- +goose Down
DROP TABLE pushed_requests;
DROP TABLE used_jtis;
