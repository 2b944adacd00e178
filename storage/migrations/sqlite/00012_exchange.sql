-- +goose Up
-- A grant that was exchanged from another one's token (RFC 8693) ends with that
-- one. It is no foreign key: a grant whose parent is gone is dead by itself.
ALTER TABLE grants ADD COLUMN parent_id TEXT;   -- the grant that it stems from
ALTER TABLE grants ADD COLUMN parent_hash BLOB; -- of the access token that it was exchanged for; NULL for credentials of OAuth 1.0a
CREATE INDEX grants_parent_id ON grants (parent_id) WHERE parent_id IS NOT NULL;

-- +goose Down
DELETE FROM grants WHERE parent_id IS NOT NULL; -- nothing else would end them with their parents
DROP INDEX grants_parent_id;
ALTER TABLE grants DROP COLUMN parent_hash;
ALTER TABLE grants DROP COLUMN parent_id;
