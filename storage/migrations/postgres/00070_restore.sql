-- +goose Up
-- What happened to the installation as a whole: what was answered before it
-- was restored from a backup counts no more, and one that was exported to
-- another database is served there.
ALTER TABLE installation ADD COLUMN restored_at TIMESTAMPTZ;
ALTER TABLE installation ADD COLUMN moved_at TIMESTAMPTZ;

-- The oldest release that can serve this schema, as its newest migration. A
-- migration that takes away what older releases need raises it.
CREATE TABLE schema_support (
	id     BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
	oldest BIGINT NOT NULL
);
INSERT INTO schema_support (id, oldest) VALUES (1, 70);

-- +goose Down
DROP TABLE schema_support;
ALTER TABLE installation DROP COLUMN moved_at;
ALTER TABLE installation DROP COLUMN restored_at;
