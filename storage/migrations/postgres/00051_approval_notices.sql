-- +goose Up
-- Who waits for an administrator's decision that nobody was told of yet, one
-- notice for each way to tell it. It is gone when it was told, or given up.
CREATE TABLE approval_notices (
	client_id   TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	channel     TEXT NOT NULL, -- webhook or mail
	version     BIGINT NOT NULL, -- of the client, as it came to wait
	revision_id TEXT NOT NULL, -- empty for a client that is pending
	attempts    BIGINT NOT NULL,
	next_at     TIMESTAMPTZ NOT NULL, -- not to be tried before
	created_at  TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (client_id, channel)
);
CREATE INDEX approval_notices_next_at ON approval_notices (next_at);

-- The links that notices lead to the approval page with. Each is good once, for
-- what it was made for, and for nobody who may not configure the server.
CREATE TABLE approval_links (
	hash        BYTEA NOT NULL PRIMARY KEY,
	client_id   TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	version     BIGINT NOT NULL,
	revision_id TEXT NOT NULL,
	created_at  TIMESTAMPTZ NOT NULL,
	expires_at  TIMESTAMPTZ NOT NULL,
	used_at     TIMESTAMPTZ
);
CREATE INDEX approval_links_client_id ON approval_links (client_id);
CREATE INDEX approval_links_expires_at ON approval_links (expires_at);

-- +goose Down
DROP TABLE approval_links;
DROP TABLE approval_notices;
