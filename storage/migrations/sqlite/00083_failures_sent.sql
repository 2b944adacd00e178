-- +goose Up
-- The address that a client asked to be answered at and has not registered:
-- whoever administers it can add it. Empty where another thing was refused.
ALTER TABLE client_failures ADD COLUMN redirect_uri TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE client_failures DROP COLUMN redirect_uri;
