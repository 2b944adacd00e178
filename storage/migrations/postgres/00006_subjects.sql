-- +goose Up
-- What pairwise subject identifiers are derived with: made once, for good.
CREATE TABLE subject_salt (
	id         BIGINT   NOT NULL PRIMARY KEY CHECK (id = 1),
	salt       BYTEA    NOT NULL, -- sealed
	created_at TIMESTAMPTZ NOT NULL
);

-- +goose Down
DROP TABLE subject_salt;
