-- +goose Up
-- When an application last got or renewed access for an account, as far as the
-- tokens that told so are gone.
CREATE TABLE application_uses (
	account_id TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	client_id  TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	used_at    TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (account_id, client_id)
);
CREATE INDEX application_uses_client_id ON application_uses (client_id);

-- +goose Down
DROP TABLE application_uses;
