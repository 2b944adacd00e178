-- +goose Up
-- Temporary credentials of OAuth 1.0a (RFC 5849, section 2.1).
CREATE TABLE temporary_credentials (
	hash          BYTEA    NOT NULL PRIMARY KEY,                         -- of the token
	client_id     TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	client_epoch  BIGINT   NOT NULL,
	sealed        BYTEA    NOT NULL,                                     -- the token and its secret
	callback      TEXT     NOT NULL,                                     -- a URI, or oob
	grant_id      TEXT     REFERENCES grants (id) ON DELETE CASCADE,     -- what the resource owner allowed
	verifier_hash BYTEA,
	guesses       BIGINT   NOT NULL DEFAULT 0,                           -- wrong verifiers
	created_at    TIMESTAMPTZ NOT NULL,
	expires_at    TIMESTAMPTZ NOT NULL,
	denied_at     TIMESTAMPTZ,
	spent_at      TIMESTAMPTZ
);
CREATE INDEX temporary_credentials_expires_at ON temporary_credentials (expires_at);
CREATE INDEX temporary_credentials_client_id ON temporary_credentials (client_id, expires_at);
CREATE INDEX temporary_credentials_grant_id ON temporary_credentials (grant_id);

-- Token credentials of OAuth 1.0a (RFC 5849, section 2.3).
CREATE TABLE token_credentials (
	hash       BYTEA    NOT NULL PRIMARY KEY,                            -- of the token
	grant_id   TEXT     NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
	sealed     BYTEA    NOT NULL,                                        -- its secret
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX token_credentials_grant_id ON token_credentials (grant_id);
CREATE INDEX token_credentials_expires_at ON token_credentials (expires_at);

-- +goose Down
DROP TABLE token_credentials;
DROP TABLE temporary_credentials;
