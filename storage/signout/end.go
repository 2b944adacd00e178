// Package signout ends sessions, and keeps what their end still owes: a logout
// token for every application that somebody used in one (OpenID Connect
// Back-Channel Logout 1.0). What is owed is written in the transaction that
// ends the session, so that no crash between the two can lose it.
package signout

import (
	"context"

	"countersign/storage"
)

// uri is the address that a client takes logout tokens at.
var uri = map[storage.Dialect]string{
	storage.SQLite:     `COALESCE(json_extract(c.metadata, '$.backchannel_logout_uri'), '')`,
	storage.PostgreSQL: `COALESCE(` + storage.WithoutNUL("c.metadata") + `::json ->> 'backchannel_logout_uri', '')`,
}

// algorithm is what a client has its ID tokens signed with.
var algorithm = map[storage.Dialect]string{
	storage.SQLite:     `COALESCE(json_extract(c.metadata, '$.id_token_signed_response_alg'), '')`,
	storage.PostgreSQL: `COALESCE(` + storage.WithoutNUL("c.metadata") + `::json ->> 'id_token_signed_response_alg', '')`,
}

// encrypted is whether a client has its ID tokens encrypted.
var encrypted = map[storage.Dialect]string{
	storage.SQLite:     `COALESCE(json_extract(c.metadata, '$.id_token_encrypted_response_alg') IS NOT NULL, false)`,
	storage.PostgreSQL: `((` + storage.WithoutNUL("c.metadata") + `::json ->> 'id_token_encrypted_response_alg') IS NOT NULL)`,
}

// standing is true of a client that may work at the moment of the statement,
// which it takes as @now.
var standing = `(` + storage.Approved("c") + `)`

// owe writes down the logout tokens for rows of session, client and subject.
// One that is owed already stays one, and is due to a client that is dismissed
// when that is why.
func owe(ctx context.Context, db *storage.DB, rows string, args map[string]any) error {
	args["now"] = db.Now()
	return db.With(ctx).Exec(`
		INSERT INTO logout_deliveries (session_id, client_id, subject, uri, algorithm, encrypted, dismissed, attempts, next_at, created_at)
		SELECT o.session_id, o.client_id, o.subject, `+uri[db.Dialect()]+`, `+algorithm[db.Dialect()]+`, `+encrypted[db.Dialect()]+`, @dismissed, 0, @now, @now
		FROM (`+rows+`) o JOIN clients c ON c.id = o.client_id
		WHERE (`+standing+` OR @dismissed) AND `+uri[db.Dialect()]+` <> ''
		ON CONFLICT (session_id, client_id) DO UPDATE SET dismissed = excluded.dismissed`, args).Error
}

// Sessions ends the sessions for which the condition holds, unless they have
// ended, and owes their clients a logout token. It returns how many it ended.
func Sessions(ctx context.Context, db *storage.DB, condition string, args ...any) (int, error) {
	var ended []string
	err := db.InTx(ctx, func(ctx context.Context) error {
		err := db.With(ctx).Raw(`UPDATE sessions SET ended_at = ? WHERE `+condition+` AND ended_at IS NULL RETURNING id`, append([]any{db.Now()}, args...)...).
			Scan(&ended).Error
		if err != nil || len(ended) == 0 {
			return storage.Err("end session", err)
		}
		// A statement of its own: it sees the client whose grant the one above
		// had to wait for.
		err = owe(ctx, db, `SELECT session_id, client_id, subject FROM session_clients WHERE session_id IN @sessions`,
			map[string]any{"sessions": ended, "dismissed": false})
		return storage.Err("tell applications of the session's end", err)
	})
	return len(ended), err
}

// offline selects the grants with which a client may still act for somebody
// who is not there, or could until its approval ended just now.
const offline = `SELECT DISTINCT g.session_id, g.client_id, g.subject FROM grants g
	JOIN accounts a ON a.id = g.account_id AND a.epoch = g.account_epoch AND a.disabled_at IS NULL
	JOIN clients k ON k.id = g.client_id AND k.epoch = g.client_epoch AND k.status = 'approved'
	WHERE g.offline AND g.session_id <> '' AND g.revoked_at IS NULL AND g.expires_at > @now
		AND ' ' || g.scope || ' ' LIKE '% openid %' AND `

// Account ends every session of an account that is disabled, removed or has
// another password, and tells also those applications that may act for it in
// its absence. It belongs into the transaction of that change, before it.
func Account(ctx context.Context, db *storage.DB, accountID string) error {
	_, err := Sessions(ctx, db, "account_id = ?", accountID)
	if err != nil {
		return err
	}
	err = owe(ctx, db, offline+`g.account_id = @account`, map[string]any{"account": accountID, "dismissed": false})
	return storage.Err("tell applications of the account's end", err)
}

// Client tells a client that is being disapproved or removed that the people
// who use it are signed out of it. It belongs into the transaction of that
// change, before it.
func Client(ctx context.Context, db *storage.DB, clientID string) error {
	err := owe(ctx, db, offline+`g.client_id = @client
		UNION SELECT u.session_id, u.client_id, u.subject FROM session_clients u
		JOIN sessions s ON s.id = u.session_id AND s.ended_at IS NULL WHERE u.client_id = @client`,
		map[string]any{"client": clientID, "dismissed": true})
	if err == nil {
		err = db.With(ctx).Exec(`DELETE FROM session_clients WHERE client_id = ?`, clientID).Error
	}
	return storage.Err("tell the client of its end", err)
}

// Connection tells a client that an account takes its access away that the
// person is signed out of it: for the sessions it was used in, and for those
// whose access outlived them. It belongs into the transaction of that change,
// before it.
func (s *Store) Connection(ctx context.Context, accountID, clientID string) error {
	args := map[string]any{"account": accountID, "client": clientID, "dismissed": false}
	err := owe(ctx, s.db, offline+`g.account_id = @account AND g.client_id = @client
		UNION SELECT u.session_id, u.client_id, u.subject FROM session_clients u
		JOIN sessions s ON s.id = u.session_id AND s.ended_at IS NULL WHERE u.client_id = @client AND s.account_id = @account`, args)
	if err == nil {
		err = s.db.With(ctx).Exec(`DELETE FROM session_clients WHERE client_id = @client
			AND session_id IN (SELECT id FROM sessions WHERE account_id = @account)`, args).Error
	}
	return storage.Err("tell the application that its access ends", err)
}
