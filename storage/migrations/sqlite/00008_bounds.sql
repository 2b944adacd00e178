-- +goose Up
-- When the client was first seen to be used; NULL means not yet. What was
-- there before this column counts as used.
ALTER TABLE clients ADD COLUMN used_at DATETIME;
UPDATE clients SET used_at = updated_at;
CREATE INDEX clients_unused ON clients (updated_at) WHERE used_at IS NULL;

-- Where a request was pushed from, which bounds how many of a public client wait.
ALTER TABLE pushed_requests ADD COLUMN network TEXT NOT NULL DEFAULT '';
CREATE INDEX pushed_requests_waiting ON pushed_requests (client_id, network, expires_at) WHERE used_at IS NULL;

-- A client that is removed is told of it: what it takes to reach it is kept
-- with what it is owed.
ALTER TABLE logout_deliveries RENAME TO logout_deliveries_before;
CREATE TABLE logout_deliveries (
	session_id TEXT NOT NULL,     -- the sid claim; the session may be gone
	client_id  TEXT NOT NULL,     -- the client may be gone
	subject    TEXT NOT NULL,
	uri        TEXT NOT NULL,     -- where the client took logout tokens, and
	algorithm  TEXT NOT NULL,     -- what it had them signed with
	encrypted  BOOLEAN NOT NULL,  -- and whether encrypted
	dismissed  BOOLEAN NOT NULL,  -- the disapproval or removal of the client is what it tells of
	attempts   INTEGER NOT NULL,
	next_at    DATETIME NOT NULL, -- not to be tried before
	created_at DATETIME NOT NULL,
	PRIMARY KEY (session_id, client_id)
);
INSERT INTO logout_deliveries (session_id, client_id, subject, uri, algorithm, encrypted, dismissed, attempts, next_at, created_at)
SELECT d.session_id, d.client_id, d.subject, COALESCE(json_extract(c.metadata, '$.backchannel_logout_uri'), ''),
	COALESCE(json_extract(c.metadata, '$.id_token_signed_response_alg'), ''), false, d.disapproved, d.attempts, d.next_at, d.created_at
FROM logout_deliveries_before d JOIN clients c ON c.id = d.client_id;
DROP TABLE logout_deliveries_before;
CREATE INDEX logout_deliveries_client_id ON logout_deliveries (client_id);
CREATE INDEX logout_deliveries_next_at ON logout_deliveries (next_at);
CREATE INDEX logout_deliveries_created_at ON logout_deliveries (created_at);

-- +goose Down
ALTER TABLE logout_deliveries RENAME TO logout_deliveries_after;
CREATE TABLE logout_deliveries (
	session_id  TEXT    NOT NULL,
	client_id   TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	subject     TEXT    NOT NULL,
	disapproved BOOLEAN NOT NULL,
	attempts    INTEGER NOT NULL,
	next_at     DATETIME NOT NULL,
	created_at  DATETIME NOT NULL,
	PRIMARY KEY (session_id, client_id)
);
INSERT INTO logout_deliveries (session_id, client_id, subject, disapproved, attempts, next_at, created_at)
SELECT d.session_id, d.client_id, d.subject, d.dismissed, d.attempts, d.next_at, d.created_at
FROM logout_deliveries_after d JOIN clients c ON c.id = d.client_id;
DROP TABLE logout_deliveries_after;
CREATE INDEX logout_deliveries_client_id ON logout_deliveries (client_id);
CREATE INDEX logout_deliveries_next_at ON logout_deliveries (next_at);
CREATE INDEX logout_deliveries_created_at ON logout_deliveries (created_at);
DROP INDEX pushed_requests_waiting;
ALTER TABLE pushed_requests DROP COLUMN network;
DROP INDEX clients_unused;
ALTER TABLE clients DROP COLUMN used_at;
