-- +goose Up
-- Tests that administrators run with a client, for as long as they run.
CREATE TABLE tryouts (
	id           TEXT        NOT NULL PRIMARY KEY, -- random, the end of the redirect URI that is lent
	client_id    TEXT        NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	account_id   TEXT        NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, -- who runs it
	browser_hash BYTEA       NOT NULL,             -- of the browser in which it runs
	redirect_uri TEXT        NOT NULL,             -- lent to the client until it is closed
	document     BYTEA       NOT NULL,             -- sealed: what was sent, what came back
	version      BIGINT      NOT NULL,             -- raised by every step
	created_at   TIMESTAMPTZ NOT NULL,
	expires_at   TIMESTAMPTZ NOT NULL,
	closed_at    TIMESTAMPTZ                       -- when the last answer came
);
CREATE INDEX tryouts_expires_at ON tryouts (expires_at);
CREATE INDEX tryouts_client_id ON tryouts (client_id);
CREATE INDEX tryouts_account_id ON tryouts (account_id);

-- +goose Down
DROP TABLE tryouts;
