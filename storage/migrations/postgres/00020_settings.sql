-- +goose Up
-- The orders in which the Settings application lists clients, by what it
-- filters by: a page costs the same however many clients there are.
DROP INDEX clients_name;
DROP INDEX clients_status;
CREATE INDEX clients_name ON clients ((LOWER(name) COLLATE "C"), id);
CREATE INDEX clients_type_name ON clients (type, (LOWER(name) COLLATE "C"), id);
CREATE INDEX clients_status_name ON clients (status, (LOWER(name) COLLATE "C"), id);
CREATE INDEX clients_type_status_name ON clients (type, status, (LOWER(name) COLLATE "C"), id);
CREATE INDEX clients_created ON clients (created_at, id);
CREATE INDEX clients_type_created ON clients (type, created_at, id);
CREATE INDEX clients_status_created ON clients (status, created_at, id);
CREATE INDEX clients_type_status_created ON clients (type, status, created_at, id);
CREATE INDEX client_revisions_created ON client_revisions (created_at, client_id);

-- What a form made that was sent once or more often: the same client, and for
-- some minutes the secret that its page shows.
CREATE TABLE client_submissions (
	hash       BYTEA    NOT NULL PRIMARY KEY, -- of the form's token
	account_id TEXT     NOT NULL,             -- who sent it
	client_id  TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	secret     BYTEA,                         -- sealed; NULL once it is over
	created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX client_submissions_client_id ON client_submissions (client_id);
CREATE INDEX client_submissions_created_at ON client_submissions (created_at);

-- +goose Down
DROP TABLE client_submissions;
DROP INDEX client_revisions_created;
DROP INDEX clients_type_status_created;
DROP INDEX clients_status_created;
DROP INDEX clients_type_created;
DROP INDEX clients_created;
DROP INDEX clients_type_status_name;
DROP INDEX clients_status_name;
DROP INDEX clients_type_name;
DROP INDEX clients_name;
CREATE INDEX clients_name ON clients (name);
CREATE INDEX clients_status ON clients (status);
