-- +goose Up
-- What a clients file says of a client that belongs to it: the file's name and
-- the client's handle there, the decision that the file makes about it (empty
-- for none), and the secret that it gave last.
ALTER TABLE clients ADD COLUMN managed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN managed_handle TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN managed_status TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN managed_secret TEXT; -- JSON, as in the list of secrets
CREATE UNIQUE INDEX clients_managed ON clients (managed_by, managed_handle) WHERE managed_by <> '';

-- +goose Down
DROP INDEX clients_managed;
ALTER TABLE clients DROP COLUMN managed_secret;
ALTER TABLE clients DROP COLUMN managed_status;
ALTER TABLE clients DROP COLUMN managed_handle;
ALTER TABLE clients DROP COLUMN managed_by;
