-- +goose Up
-- When the client of `countersign login` was registered, which happens once: an
-- administrator who removes it has it gone for good.
ALTER TABLE installation ADD COLUMN command_line_at DATETIME;

-- +goose Down
ALTER TABLE installation DROP COLUMN command_line_at;
