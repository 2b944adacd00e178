-- +goose Up
-- What the approval of a client is narrowed to: the most scope, grant types and
-- response types that it gets of those it is registered with (empty for all of
-- them), how long it holds (NULL for ever), and the accounts that may use it
-- (none for everybody). The registration stays what its owner made it.
ALTER TABLE clients ADD COLUMN approved_scope TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN approved_grant_types TEXT NOT NULL DEFAULT '[]';    -- JSON
ALTER TABLE clients ADD COLUMN approved_response_types TEXT NOT NULL DEFAULT '[]'; -- JSON
ALTER TABLE clients ADD COLUMN approved_until DATETIME;
ALTER TABLE clients ADD COLUMN approved_test_accounts TEXT NOT NULL DEFAULT '[]';  -- JSON
CREATE INDEX clients_approved_until ON clients (approved_until) WHERE approved_until IS NOT NULL;

-- The accounts that made a client or a revision what waits for approval, under
-- four_eyes nobody's to approve, and what became of the revision before.
ALTER TABLE clients ADD COLUMN authors TEXT NOT NULL DEFAULT '[]'; -- JSON
ALTER TABLE clients ADD COLUMN rejection TEXT; -- JSON
ALTER TABLE client_revisions ADD COLUMN authors TEXT NOT NULL DEFAULT '[]'; -- JSON
ALTER TABLE client_revisions ADD COLUMN administered BOOLEAN NOT NULL DEFAULT false; -- an administrator's edit

-- +goose Down
ALTER TABLE client_revisions DROP COLUMN administered;
ALTER TABLE client_revisions DROP COLUMN authors;
ALTER TABLE clients DROP COLUMN rejection;
ALTER TABLE clients DROP COLUMN authors;
DROP INDEX clients_approved_until;
ALTER TABLE clients DROP COLUMN approved_test_accounts;
ALTER TABLE clients DROP COLUMN approved_until;
ALTER TABLE clients DROP COLUMN approved_response_types;
ALTER TABLE clients DROP COLUMN approved_grant_types;
ALTER TABLE clients DROP COLUMN approved_scope;
