-- +goose Up
-- What a client asked for that only an administrator gives.
ALTER TABLE clients ADD COLUMN requested TEXT NOT NULL DEFAULT '{}'; -- JSON object

-- +goose Down
ALTER TABLE clients DROP COLUMN requested;
