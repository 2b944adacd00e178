-- +goose Up
-- JSON that escapes a NUL: PostgreSQL keeps it as text and refuses to read any
-- member of it, so that such a client could not be disapproved. It becomes U+FFFD,
-- as what is no UTF-8 does. An escaped backslash, behind which u0000 is letters,
-- is out of the way meanwhile; no JSON has the character that takes its place.
UPDATE clients SET metadata = replace(replace(replace(metadata, '\\', chr(1)), '\u0000', '\ufffd'), chr(1), '\\')
WHERE strpos(metadata, '\u0000') > 0;
UPDATE clients SET rejection = replace(replace(replace(rejection, '\\', chr(1)), '\u0000', '\ufffd'), chr(1), '\\')
WHERE strpos(rejection, '\u0000') > 0;
UPDATE client_revisions SET metadata = replace(replace(replace(metadata, '\\', chr(1)), '\u0000', '\ufffd'), chr(1), '\\')
WHERE strpos(metadata, '\u0000') > 0;

-- +goose Down
SELECT 1; -- what was repaired stays so
