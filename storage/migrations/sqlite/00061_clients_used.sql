-- +goose Up
-- The list of clients by when they were last used, those that never were first.
CREATE INDEX clients_used ON clients (COALESCE(used_at, ''), id);
CREATE INDEX clients_type_used ON clients (type, COALESCE(used_at, ''), id);
CREATE INDEX clients_status_used ON clients (status, COALESCE(used_at, ''), id);
CREATE INDEX clients_type_status_used ON clients (type, status, COALESCE(used_at, ''), id);

-- +goose Down
DROP INDEX clients_type_status_used;
DROP INDEX clients_status_used;
DROP INDEX clients_type_used;
DROP INDEX clients_used;
