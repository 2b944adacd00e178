-- +goose Up
-- Who has opened a device's code, and who refused it: to others it is no code.
ALTER TABLE device_codes ADD COLUMN opened_in TEXT NOT NULL DEFAULT ''; -- the session in which it was opened last
ALTER TABLE device_codes ADD COLUMN denied_by TEXT NOT NULL DEFAULT ''; -- the account that refused it

-- +goose Down
ALTER TABLE device_codes DROP COLUMN denied_by;
ALTER TABLE device_codes DROP COLUMN opened_in;
