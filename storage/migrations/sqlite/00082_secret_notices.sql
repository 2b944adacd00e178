-- +goose Up
-- Secrets that wait for another administrator and that nobody was told of yet, as
-- approval_notices has the clients. A table of its own, for a client may have a
-- change that waits beside them, and an older release knows nothing of them.
CREATE TABLE secret_notices (
	client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	channel    TEXT NOT NULL, -- webhook or mail
	secret_id  TEXT NOT NULL, -- as in waiting_secrets
	attempts   INTEGER NOT NULL,
	next_at    DATETIME NOT NULL, -- not to be tried before
	created_at DATETIME NOT NULL,
	PRIMARY KEY (client_id, channel)
);
CREATE INDEX secret_notices_next_at ON secret_notices (next_at);

-- The secret that a link leads to, empty for a client or a change.
ALTER TABLE approval_links ADD COLUMN secret_id TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE approval_links DROP COLUMN secret_id;
DROP TABLE secret_notices;
