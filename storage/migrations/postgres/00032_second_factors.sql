-- +goose Up
-- What an account signs in with beside its password.
CREATE TABLE totp_authenticators (
	account_id TEXT     NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	sealed     BYTEA    NOT NULL,             -- its secret
	last_step  BIGINT   NOT NULL,             -- the time step of the last code: none before it counts any more
	created_at TIMESTAMPTZ NOT NULL,
	used_at    TIMESTAMPTZ
);

CREATE TABLE recovery_codes (
	hash       BYTEA    NOT NULL PRIMARY KEY, -- keyed, of account and code
	account_id TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	created_at TIMESTAMPTZ NOT NULL,
	used_at    TIMESTAMPTZ
);
CREATE INDEX recovery_codes_account_id ON recovery_codes (account_id);

CREATE TABLE passkeys (
	id         TEXT     NOT NULL PRIMARY KEY, -- the credential's identifier, base64url
	account_id TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	name       TEXT     NOT NULL,             -- what its owner calls it
	credential TEXT     NOT NULL,             -- JSON: its public key and what the authenticator said of itself
	sign_count BIGINT   NOT NULL,             -- of the authenticator, 0 where it does not count
	created_at TIMESTAMPTZ NOT NULL,
	used_at    TIMESTAMPTZ
);
CREATE INDEX passkeys_account_id ON passkeys (account_id);

-- +goose Down
DROP TABLE passkeys;
DROP TABLE recovery_codes;
DROP TABLE totp_authenticators;
