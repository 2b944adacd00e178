-- +goose Up
-- The epoch of the client that pushed the request: a disapproval raises the
-- client's, and ends the request with it. NULL is what a release of before
-- this column keeps, for its minute.
ALTER TABLE pushed_requests ADD COLUMN client_epoch INTEGER;

-- +goose Down
ALTER TABLE pushed_requests DROP COLUMN client_epoch;
