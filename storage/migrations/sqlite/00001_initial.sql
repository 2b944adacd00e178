-- +goose Up
CREATE TABLE installation (
	id               INTEGER   NOT NULL PRIMARY KEY CHECK (id = 1),
	key_check        BLOB      NOT NULL, -- sealed with the key-encryption key; opens only with the right one
	created_at       DATETIME  NOT NULL,
	bootstrapped_at  DATETIME,           -- set with the first account, never cleared
	setup_hash       BLOB,               -- of the one-time set-up token
	setup_expires_at DATETIME
);

CREATE TABLE accounts (
	id                  TEXT     NOT NULL PRIMARY KEY,
	username            TEXT     NOT NULL,
	username_key        TEXT     NOT NULL UNIQUE, -- case-folded, NFKC
	password_hash       TEXT     NOT NULL,
	permissions         TEXT     NOT NULL,        -- JSON list
	claims              TEXT     NOT NULL,        -- JSON object of OpenID Connect standard claims
	epoch               INTEGER  NOT NULL DEFAULT 0,
	version             INTEGER  NOT NULL DEFAULT 1,
	created_at          DATETIME NOT NULL,
	updated_at          DATETIME NOT NULL,
	password_changed_at DATETIME NOT NULL,
	last_sign_in_at     DATETIME,
	disabled_at         DATETIME
);

CREATE TABLE sign_in_throttles (
	key           BLOB     NOT NULL PRIMARY KEY, -- keyed hash of what is counted
	failures      INTEGER  NOT NULL,
	blocked_until DATETIME NOT NULL,
	expires_at    DATETIME NOT NULL
);
CREATE INDEX sign_in_throttles_expires_at ON sign_in_throttles (expires_at);

CREATE TABLE sessions (
	id            TEXT     NOT NULL PRIMARY KEY, -- the sid claim
	hash          BLOB     NOT NULL UNIQUE,      -- of the cookie's value
	account_id    TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	account_epoch INTEGER  NOT NULL,
	auth_time     DATETIME NOT NULL,
	acr           TEXT     NOT NULL,
	amr           TEXT     NOT NULL,             -- JSON list
	ip            TEXT     NOT NULL,
	user_agent    TEXT     NOT NULL,
	created_at    DATETIME NOT NULL,
	last_seen_at  DATETIME NOT NULL,
	expires_at    DATETIME NOT NULL,             -- absolute
	ended_at      DATETIME
);
CREATE INDEX sessions_account_id ON sessions (account_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE interactions (
	id               TEXT     NOT NULL PRIMARY KEY,
	client_id        TEXT     NOT NULL,
	resume_path      TEXT     NOT NULL,          -- of the door that waits
	request          TEXT     NOT NULL,          -- JSON object: the validated parameters
	browser_hash     BLOB,                       -- of the browser cookie; NULL until a browser claims it
	session_id       TEXT     NOT NULL DEFAULT '',
	authenticated_at DATETIME,                   -- when the resource owner signed in for this request
	consented_by     TEXT     NOT NULL DEFAULT '', -- account that consented
	consented_scope  TEXT     NOT NULL DEFAULT '',
	denied_at        DATETIME,
	answered_at      DATETIME, -- first; a later answer must follow within a minute
	created_at       DATETIME NOT NULL,
	expires_at       DATETIME NOT NULL
);
CREATE INDEX interactions_expires_at ON interactions (expires_at);

CREATE TABLE clients (
	id              TEXT     NOT NULL PRIMARY KEY, -- the client key
	type            TEXT     NOT NULL CHECK (type IN ('oauth1', 'oauth2', 'oidc')),
	name            TEXT     NOT NULL,
	status          TEXT     NOT NULL CHECK (status IN ('pending', 'approved', 'disapproved')),
	status_reason   TEXT     NOT NULL DEFAULT '',
	epoch           INTEGER  NOT NULL DEFAULT 0,   -- raised by every disapproval; what was issued under a lower one is dead
	version         INTEGER  NOT NULL DEFAULT 1,   -- raised by every edit
	metadata        TEXT     NOT NULL,             -- JSON object, RFC 7591 member names
	secrets         TEXT     NOT NULL,             -- JSON list
	consent_digest  TEXT     NOT NULL,             -- of what a resource owner consented to trust
	created_at      DATETIME NOT NULL,
	created_by      TEXT     NOT NULL,             -- account, or the door it came by
	updated_at      DATETIME NOT NULL,
	status_at       DATETIME NOT NULL,
	status_by       TEXT     NOT NULL DEFAULT ''
);
CREATE INDEX clients_name ON clients (name);
CREATE INDEX clients_status ON clients (status);

CREATE TABLE consents (
	account_id TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	client_id  TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	scope      TEXT     NOT NULL,                -- space-separated
	digest     TEXT     NOT NULL,                -- the client's consent_digest at that time
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	PRIMARY KEY (account_id, client_id)
);
CREATE INDEX consents_client_id ON consents (client_id);

CREATE TABLE grants (
	id            TEXT     NOT NULL PRIMARY KEY,
	kind          TEXT     NOT NULL,             -- the grant type that made it
	client_id     TEXT     NOT NULL,
	client_epoch  INTEGER  NOT NULL,
	account_id    TEXT     NOT NULL DEFAULT '',  -- empty when the client acts for itself
	account_epoch INTEGER  NOT NULL DEFAULT 0,
	session_id    TEXT     NOT NULL DEFAULT '',
	subject       TEXT     NOT NULL,             -- the sub claim the client sees
	scope         TEXT     NOT NULL,             -- granted, space-separated
	audience      TEXT     NOT NULL DEFAULT '',  -- granted, space-separated
	claims        TEXT     NOT NULL DEFAULT '',  -- the claims request parameter (OIDC Core 5.5)
	nonce         TEXT     NOT NULL DEFAULT '',
	acr           TEXT     NOT NULL DEFAULT '',
	amr           TEXT     NOT NULL DEFAULT '',  -- space-separated
	auth_time     DATETIME,
	offline       BOOLEAN  NOT NULL,             -- outlives the session
	confirmation  TEXT     NOT NULL DEFAULT '',  -- the cnf claim of a sender-constrained grant
	created_at    DATETIME NOT NULL,
	expires_at    DATETIME NOT NULL,             -- nothing of this grant outlives it
	revoked_at    DATETIME
);
CREATE INDEX grants_account_client ON grants (account_id, client_id);
CREATE INDEX grants_client_id ON grants (client_id);
CREATE INDEX grants_session_id ON grants (session_id);
CREATE INDEX grants_expires_at ON grants (expires_at);

CREATE TABLE authorization_codes (
	hash                  BLOB     NOT NULL PRIMARY KEY,
	grant_id              TEXT     NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
	redirect_uri          TEXT     NOT NULL,     -- where the code went
	redirect_uri_sent     BOOLEAN  NOT NULL,     -- whether the request named it
	code_challenge        TEXT     NOT NULL,
	code_challenge_method TEXT     NOT NULL,
	created_at            DATETIME NOT NULL,
	expires_at            DATETIME NOT NULL,
	spent_at              DATETIME
);
CREATE INDEX authorization_codes_grant_id ON authorization_codes (grant_id);
CREATE INDEX authorization_codes_abandoned ON authorization_codes (expires_at) WHERE spent_at IS NULL;

CREATE TABLE access_tokens (
	hash       BLOB     NOT NULL PRIMARY KEY,
	grant_id   TEXT     NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
	scope      TEXT     NOT NULL,
	audience   TEXT     NOT NULL DEFAULT '',
	created_at DATETIME NOT NULL,
	expires_at DATETIME NOT NULL,
	revoked_at DATETIME
);
CREATE INDEX access_tokens_grant_id ON access_tokens (grant_id);
CREATE INDEX access_tokens_expires_at ON access_tokens (expires_at);

CREATE TABLE refresh_tokens (
	hash        BLOB     NOT NULL PRIMARY KEY,
	grant_id    TEXT     NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
	parent_hash BLOB     UNIQUE,                 -- the token this one replaced: a family is a path, never a fork
	created_at  DATETIME NOT NULL,
	expires_at  DATETIME NOT NULL,               -- when unused
	used_at     DATETIME
);
CREATE INDEX refresh_tokens_grant_id ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_expires_at ON refresh_tokens (expires_at);

CREATE TABLE signing_keys (
	id          TEXT     NOT NULL PRIMARY KEY,   -- the kid
	algorithm   TEXT     NOT NULL,
	public_key  TEXT     NOT NULL,               -- JWK
	private_key BLOB     NOT NULL,               -- sealed PKCS #8
	created_at  DATETIME NOT NULL,               -- published from here
	active_at   DATETIME NOT NULL,               -- signs from here
	retired_at  DATETIME,                        -- signs no more
	expires_at  DATETIME                         -- published no more
);
-- The newest key of an algorithm is the one that has no end yet: there is one.
CREATE UNIQUE INDEX signing_keys_newest ON signing_keys (algorithm) WHERE retired_at IS NULL;
CREATE INDEX signing_keys_expires_at ON signing_keys (expires_at);

CREATE TABLE audit_events (
	id          TEXT     NOT NULL PRIMARY KEY,   -- UUIDv7: sorts by time
	at          DATETIME NOT NULL,
	actor_id    TEXT     NOT NULL,
	actor_name  TEXT     NOT NULL,
	via         TEXT     NOT NULL,
	action      TEXT     NOT NULL,
	target_type TEXT     NOT NULL,
	target_id   TEXT     NOT NULL,
	target_name TEXT     NOT NULL,
	before      TEXT     NOT NULL,               -- JSON, without secrets
	after       TEXT     NOT NULL,               -- JSON, without secrets
	ip          TEXT     NOT NULL,
	request_id  TEXT     NOT NULL
);
CREATE INDEX audit_events_target ON audit_events (target_type, target_id, id);
-- The record is append-only, for whoever uses this schema.
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN
	SELECT RAISE(ABORT, 'audit_events is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN
	SELECT RAISE(ABORT, 'audit_events is append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_events;
DROP TABLE signing_keys;
DROP TABLE refresh_tokens;
DROP TABLE access_tokens;
DROP TABLE authorization_codes;
DROP TABLE grants;
DROP TABLE consents;
DROP TABLE clients;
DROP TABLE interactions;
DROP TABLE sessions;
DROP TABLE sign_in_throttles;
DROP TABLE accounts;
DROP TABLE installation;
