-- +goose Up
-- When each secret of a client was last used, to within some minutes. It is
-- written behind, beside the client, whose row the requests read.
CREATE TABLE secret_uses (
	client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	secret_id TEXT NOT NULL,
	used_at   DATETIME NOT NULL,
	PRIMARY KEY (client_id, secret_id)
);

-- +goose Down
DROP TABLE secret_uses;
