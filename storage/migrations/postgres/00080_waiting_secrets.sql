-- +goose Up
-- Secrets that an administrator made for an approved client under four eyes,
-- until another one confirms them. They stand beside the client's own, so that no
-- statement that believes a secret reads them, of this release or an older one.
CREATE TABLE waiting_secrets (
	client_id  TEXT        NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
	id         TEXT        NOT NULL UNIQUE,
	secret     TEXT        NOT NULL,             -- JSON, as in clients.secrets
	overlap    BIGINT      NOT NULL,             -- seconds that the secrets before stay valid
	created_at TIMESTAMPTZ NOT NULL,
	created_by TEXT        NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL              -- when it ceases to wait
);
CREATE INDEX waiting_secrets_expires_at ON waiting_secrets (expires_at);

-- +goose Down
DROP TABLE waiting_secrets;
