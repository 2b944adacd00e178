-- +goose Up
CREATE TABLE used_jtis (
	hash       BLOB     NOT NULL PRIMARY KEY, -- keyed hash of the client and its assertion's jti
	expires_at DATETIME NOT NULL              -- when the assertion is of no use any more
);
CREATE INDEX used_jtis_expires_at ON used_jtis (expires_at);

-- +goose Down
DROP TABLE used_jtis;
