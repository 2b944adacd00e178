-- +goose Up
-- A request of OAuth Core 1.0 as it was before its revision A: it has no
-- verifier, and its callback is empty until somebody opens the authorization page.
ALTER TABLE temporary_credentials ADD COLUMN without_verifier BOOLEAN NOT NULL DEFAULT false;

-- What clients were last refused, for administrators.
CREATE TABLE client_failures (
	id          TEXT NOT NULL PRIMARY KEY,
	client_id   TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	at          TIMESTAMPTZ NOT NULL,
	endpoint    TEXT NOT NULL, -- its path, under the issuer's
	code        TEXT NOT NULL, -- in the words of the protocol
	cause       TEXT NOT NULL,
	remedy      TEXT NOT NULL,
	request_id  TEXT NOT NULL, -- that the log knows it by
	address     TEXT NOT NULL, -- of the network
	base_string BYTEA           -- sealed; NULL where nothing was signed
);
CREATE INDEX client_failures_client_id ON client_failures (client_id, at);
CREATE INDEX client_failures_at ON client_failures (at);

-- +goose Down
DROP TABLE client_failures;
ALTER TABLE temporary_credentials DROP COLUMN without_verifier;
