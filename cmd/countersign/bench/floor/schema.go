package main

// What is kept for people, in PostgreSQL.
var peopleSchema = []string{
	`CREATE TABLE floor_people (id text PRIMARY KEY, name text NOT NULL, email text NOT NULL)`,
	`CREATE TABLE floor_sessions (hash bytea PRIMARY KEY, account text NOT NULL REFERENCES floor_people (id), expires bigint NOT NULL)`,
	`CREATE TABLE floor_consents (account text NOT NULL REFERENCES floor_people (id), client text NOT NULL REFERENCES floor_clients (id),
		scope text NOT NULL, PRIMARY KEY (account, client))`,
	`CREATE TABLE floor_grants (id text PRIMARY KEY, account text NOT NULL REFERENCES floor_people (id), client text NOT NULL REFERENCES floor_clients (id),
		scope text NOT NULL, at bigint NOT NULL)`,
	`CREATE TABLE floor_codes (hash bytea PRIMARY KEY, grant_id text NOT NULL REFERENCES floor_grants (id), challenge text, nonce text, spent boolean NOT NULL)`,
	`CREATE TABLE floor_devices (hash bytea PRIMARY KEY, user_code text NOT NULL UNIQUE, client text NOT NULL REFERENCES floor_clients (id),
		scope text NOT NULL, address text NOT NULL, expires bigint NOT NULL, opened bytea, grant_id text REFERENCES floor_grants (id) DEFERRABLE INITIALLY DEFERRED,
		spent boolean NOT NULL)`,
	`CREATE TABLE floor_access (hash bytea PRIMARY KEY, grant_id text NOT NULL REFERENCES floor_grants (id), scope text NOT NULL, expires bigint NOT NULL)`,
	`CREATE TABLE floor_refresh (hash bytea PRIMARY KEY, grant_id text NOT NULL REFERENCES floor_grants (id), scope text NOT NULL, spent boolean NOT NULL)`,
	`CREATE TABLE floor_notes (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, account text NOT NULL REFERENCES floor_people (id),
		address text NOT NULL, at bigint NOT NULL)`,
	`CREATE TABLE floor_counters (id text PRIMARY KEY, attempts integer NOT NULL)`,
}

const (
	insertPerson = `WITH p AS (INSERT INTO floor_people VALUES ($1, 'Bench', $1 || '@example.org') RETURNING id),
		c AS (INSERT INTO floor_consents SELECT p.id, c.id, 'openid profile email offline_access' FROM p, floor_clients c)
		INSERT INTO floor_sessions SELECT $2, p.id, $3 FROM p`
	selectPerson = `SELECT p.id, p.name, p.email, k.scope FROM floor_sessions s JOIN floor_people p ON p.id = s.account
		JOIN floor_clients c ON c.id = $2 JOIN floor_consents k ON k.account = p.id AND k.client = c.id WHERE s.hash = $1`
	insertCode = `WITH g AS (INSERT INTO floor_grants VALUES ($2, $3, $4, $5, $6) RETURNING id)
		INSERT INTO floor_codes SELECT $1, g.id, $7, $8, false FROM g`
	selectAccess = `SELECT t.scope, p.id, p.name, p.email FROM floor_access t JOIN floor_grants g ON g.id = t.grant_id
		JOIN floor_people p ON p.id = g.account WHERE t.hash = $1 AND t.expires > $2`
	insertDevice = `INSERT INTO floor_devices (hash, user_code, client, scope, address, expires, spent)
		SELECT $1, $2, c.id, $4, $5, $6, false FROM floor_clients c WHERE c.id = $3`
	selectVisit = `SELECT p.id, p.name, p.email, d.client, d.scope, d.address, d.grant_id, COALESCE(k.scope, '')
		FROM floor_sessions s JOIN floor_people p ON p.id = s.account
		JOIN floor_devices d ON d.user_code = $2 JOIN floor_clients c ON c.id = d.client
		LEFT JOIN floor_consents k ON k.account = p.id AND k.client = c.id WHERE s.hash = $1`
	// The account's turn and its network's, and the note that the code was opened.
	openDevice = `WITH t AS (INSERT INTO floor_counters VALUES ($1, 0), ($2, 0) ON CONFLICT (id) DO UPDATE SET attempts = floor_counters.attempts
		WHERE false)
		UPDATE floor_devices SET opened = $4 WHERE user_code = $3`
	allowDevice = `WITH g AS (INSERT INTO floor_grants VALUES ($2, $3, $4, $5, $6) RETURNING id),
		k AS (INSERT INTO floor_consents VALUES ($3, $4, $5) ON CONFLICT (account, client) DO UPDATE SET scope = EXCLUDED.scope),
		n AS (INSERT INTO floor_notes (account, address, at) VALUES ($3, $7, $6))
		UPDATE floor_devices SET grant_id = g.id FROM g WHERE user_code = $1 AND grant_id IS NULL`

	readCode = `SELECT c.secret, g.id, g.account, g.scope, k.challenge, k.nonce FROM floor_clients c
		LEFT JOIN floor_codes k ON k.hash = $2 LEFT JOIN floor_grants g ON g.id = k.grant_id AND g.client = c.id WHERE c.id = $1`
	readRefresh = `SELECT c.secret, g.id, g.account, t.scope, NULL, NULL FROM floor_clients c
		LEFT JOIN floor_refresh t ON t.hash = $2 LEFT JOIN floor_grants g ON g.id = t.grant_id AND g.client = c.id WHERE c.id = $1`
	readDevice = `SELECT c.secret, g.id, g.account, g.scope, NULL, NULL FROM floor_clients c
		LEFT JOIN floor_devices d ON d.hash = $2 LEFT JOIN floor_grants g ON g.id = d.grant_id AND g.client = c.id WHERE c.id = $1`
	spendCode    = `WITH s AS (UPDATE floor_codes SET spent = true WHERE hash = $1 AND NOT spent RETURNING 1), ` + insertBoth
	spendRefresh = `WITH s AS (UPDATE floor_refresh SET spent = true WHERE hash = $1 AND NOT spent RETURNING 1), ` + insertBoth
	spendDevice  = `WITH s AS (UPDATE floor_devices SET spent = true WHERE hash = $1 AND NOT spent RETURNING 1), ` + insertBoth
	insertBoth   = `a AS (INSERT INTO floor_access SELECT $2::bytea, $4::text, $5::text, $6::bigint FROM s)
		INSERT INTO floor_refresh SELECT $3::bytea, $4::text, $5::text, false FROM s`
)
