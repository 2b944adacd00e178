-- +goose Up
-- The applications that somebody used in a session: whom its end concerns.
CREATE TABLE session_clients (
	session_id TEXT     NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	client_id  TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	subject    TEXT     NOT NULL, -- the sub claim the client sees
	created_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (session_id, client_id)
);
CREATE INDEX session_clients_client_id ON session_clients (client_id);

-- The logout tokens that are owed (OpenID Connect Back-Channel Logout 1.0),
-- written with what they tell of and deleted when they have arrived.
CREATE TABLE logout_deliveries (
	session_id  TEXT     NOT NULL, -- the sid claim; the session may be gone
	client_id   TEXT     NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	subject     TEXT     NOT NULL,
	disapproved BOOLEAN  NOT NULL, -- the disapproval of the client is what it tells of
	attempts    BIGINT  NOT NULL,
	next_at     TIMESTAMPTZ NOT NULL, -- not to be tried before
	created_at  TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (session_id, client_id)
);
CREATE INDEX logout_deliveries_client_id ON logout_deliveries (client_id);
CREATE INDEX logout_deliveries_next_at ON logout_deliveries (next_at);
CREATE INDEX logout_deliveries_created_at ON logout_deliveries (created_at);

-- +goose Down
DROP TABLE logout_deliveries;
DROP TABLE session_clients;
