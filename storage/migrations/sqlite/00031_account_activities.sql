-- +goose Up
-- What an account's owner may want to know happened, beside the changes that
-- the audit record has. It is bounded by number and by age.
CREATE TABLE account_activities (
	id          TEXT     NOT NULL PRIMARY KEY, -- UUIDv7: sorts by time
	account_id  TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	at          DATETIME NOT NULL,
	kind        TEXT     NOT NULL,
	methods     TEXT     NOT NULL,             -- of a sign-in: its amr, space-separated
	failures    INTEGER  NOT NULL,             -- of a sign-in: wrong passwords before it
	client_name TEXT     NOT NULL,             -- of a consent
	ip          TEXT     NOT NULL,
	user_agent  TEXT     NOT NULL
);
CREATE INDEX account_activities_account_id ON account_activities (account_id, id);
CREATE INDEX account_activities_at ON account_activities (at);

-- +goose Down
DROP TABLE account_activities;
