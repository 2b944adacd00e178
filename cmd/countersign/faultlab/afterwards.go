package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strconv"
	"strings"
)

// query counts rows that there must not be.
type query struct{ invariant, finds, statement string }

// holding are the grants that hold: what was spent while its client was being
// disapproved, or its account disabled, yields nothing, as it should.
const holding = `WITH holding AS (SELECT g.id FROM grants g JOIN clients c ON c.id = g.client_id
	WHERE g.revoked_at IS NULL AND c.status = 'approved' AND c.epoch = g.client_epoch AND NOT EXISTS (SELECT 1 FROM accounts a
		WHERE a.id = g.account_id AND (a.disabled_at IS NOT NULL OR a.epoch <> g.account_epoch))) `

// queries look for half-done things (INV-09), forks (INV-04) and grants that
// are too wide (INV-15). What was revoked may have been cleared away.
var queries = []query{
	{"INV-04", "refresh tokens with two successors", `SELECT count(*) FROM (SELECT parent_hash FROM refresh_tokens WHERE parent_hash IS NOT NULL
		GROUP BY parent_hash HAVING count(*) > 1) forks`},
	{"INV-04", "grants with two refresh tokens that are not used", `SELECT count(*) FROM (SELECT grant_id FROM refresh_tokens WHERE used_at IS NULL
		GROUP BY grant_id HAVING count(*) > 1) forks`},
	{"INV-09", "spent codes that yielded nothing", `SELECT count(*) FROM authorization_codes c JOIN holding g ON g.id = c.grant_id
		WHERE c.spent_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.grant_id = g.id)`},
	{"INV-09", "tokens of a code that is not spent", `SELECT count(*) FROM authorization_codes c
		WHERE c.spent_at IS NULL AND EXISTS (SELECT 1 FROM access_tokens a WHERE a.grant_id = c.grant_id)`},
	{"INV-09", "refresh tokens of a code that is not spent", `SELECT count(*) FROM authorization_codes c
		WHERE c.spent_at IS NULL AND EXISTS (SELECT 1 FROM refresh_tokens a WHERE a.grant_id = c.grant_id)`},
	{"INV-09", "spent device codes that yielded nothing", `SELECT count(*) FROM device_codes c JOIN holding g ON g.id = c.grant_id
		WHERE c.spent_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.grant_id = g.id)`},
	{"INV-09", "tokens of a device code that is not spent", `SELECT count(*) FROM device_codes c
		WHERE c.spent_at IS NULL AND EXISTS (SELECT 1 FROM access_tokens a WHERE a.grant_id = c.grant_id)`},
	{"INV-09", "spent temporary credentials that yielded nothing", `SELECT count(*) FROM temporary_credentials c JOIN holding g ON g.id = c.grant_id
		WHERE c.spent_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM token_credentials a WHERE a.grant_id = g.id)`},
	{"INV-09", "used refresh tokens without a successor", `SELECT count(*) FROM refresh_tokens r JOIN holding g ON g.id = r.grant_id
		WHERE r.used_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM refresh_tokens n WHERE n.parent_hash = r.hash)`},
	{"INV-09", "successors of a refresh token that is not used", `SELECT count(*) FROM refresh_tokens n JOIN refresh_tokens r ON r.hash = n.parent_hash WHERE r.used_at IS NULL`},
	{"INV-15", "access tokens with more than their grant has", `SELECT count(*) FROM access_tokens a JOIN grants g ON g.id = a.grant_id
		WHERE NOT string_to_array(a.scope, ' ') <@ string_to_array(g.scope, ' ')`},
	{"INV-15", "grants with more than their client may have", `SELECT count(*) FROM grants g JOIN clients c ON c.id = g.client_id
		WHERE c.type <> 'oauth1' AND NOT string_to_array(g.scope, ' ') <@ string_to_array(c.metadata::json ->> 'scope', ' ')`},
}

// examine reads what the run left in the database and in the logs, and writes
// it into the history.
func (l *lab) examine(ctx context.Context) error {
	db, err := l.records()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, q := range queries {
		if l.cfg.onSQLite && strings.Contains(q.statement, "string_to_array") {
			continue // only PostgreSQL compares lists
		}
		o := l.history.begin(-1, "sql", q.finds, "invariant", q.invariant)
		var rows int
		if err := db.QueryRowContext(ctx, holding+q.statement).Scan(&rows); err != nil {
			return errors.New(q.finds + ": " + err.Error())
		}
		o.Out["rows"], o.Result = strconv.Itoa(rows), OK
		l.history.done(o)
	}
	if err := l.readAudit(ctx, db); err != nil {
		return err
	}
	return l.readLogs()
}

// records opens the database of the replicas.
func (l *lab) records() (*sql.DB, error) {
	if l.cfg.onSQLite {
		return sql.Open("sqlite", "file:"+l.replicas[0].sqlitePath()+"?_pragma=busy_timeout(5000)")
	}
	return l.db.open("lab")
}

// readAudit copies the decisions of the audit record that came by the API.
func (l *lab) readAudit(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT replace(action, 'client.', ''), target_id, request_id FROM audit_events
		WHERE via = 'api' AND action IN ('client.approve', 'client.disapprove') ORDER BY id`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var action, target, request string
		if err := rows.Scan(&action, &target, &request); err != nil {
			return err
		}
		o := l.history.begin(-1, "audit", target, "action", action)
		o.Result, o.RequestID = OK, request
		l.history.done(o)
	}
	return rows.Err()
}

// readLogs looks for secrets and crashes in what the replicas printed.
func (l *lab) readLogs() error {
	secrets := l.vault.all()
	for _, r := range l.replicas {
		o := l.history.begin(-1, "canary", r.name)
		text, err := os.ReadFile(r.logs.Name())
		if err != nil {
			return err
		}
		o.Result, o.Out["found"] = OK, searchLog(string(text), secrets)
		l.history.done(o)
	}
	return nil
}

// searchLog tells which kind of secret a log holds, empty for none. It looks
// word by word, since the secrets are many.
func searchLog(log string, secrets map[string]string) string {
	for _, sign := range []string{"panic:", "DATA RACE", "goroutine 1 ["} {
		if strings.Contains(log, sign) {
			return "a crash: " + sign
		}
	}
	for _, word := range strings.FieldsFunc(log, func(c rune) bool { return !ofSecret(c) }) {
		if kind, ok := secrets[word]; ok {
			return kind
		}
	}
	return ""
}

// ofSecret reports whether a secret may hold the character.
func ofSecret(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-.", c)
}
