-- +goose Up
-- What pairwise subject identifiers are derived with: made once, for good.
CREATE TABLE subject_salt (
	id         INTEGER  NOT NULL PRIMARY KEY CHECK (id = 1),
	salt       BLOB     NOT NULL, -- sealed
	created_at DATETIME NOT NULL
);

-- +goose Down
DROP TABLE subject_salt;
