package backup

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"fmt"
	"time"

	"countersign/storage"
)

// Policy says what of a backup comes back as it was. Nobody knows what was
// taken back after it: clients that were disapproved, accounts that were
// disabled, passwords, secrets and factors that were replaced. The zero value
// brings none of that back, and the members say that nothing of their kind was
// taken back.
//
// Whatever the policy, these end: every session, grant, token, code, pending
// request, consent, recovery code, API key and initial access token, and every
// key that signs or decrypts.
type Policy struct {
	// KeepApprovals leaves clients approved, with their secrets and
	// registration access tokens.
	KeepApprovals bool
	// KeepAccounts leaves accounts enabled, with their passwords, passkeys and
	// authenticators.
	KeepAccounts bool
}

// step is a statement with its arguments by name.
type step struct {
	doing     string
	statement string
}

// always ends what no policy brings back. Epochs and versions become ones that
// cannot have been reached since the backup, so that nothing that was sealed or
// read then is taken for current: they count changes, and here they are
// microseconds.
var always = []step{
	{"close the set-up", `UPDATE installation SET restored_at = @at, moved_at = NULL, bootstrapped_at = COALESCE(bootstrapped_at, @at),
		setup_hash = NULL, setup_expires_at = NULL`},
	{"end the accounts' epochs", `UPDATE accounts SET epoch = MAX(epoch + 1, @micros), version = MAX(version + 1, @micros), updated_at = @at`},
	{"end the clients' epochs", `UPDATE clients SET epoch = MAX(epoch + 1, @micros), version = MAX(version + 1, @micros), updated_at = @at`},
	{"end the recovery codes", `DELETE FROM recovery_codes`},
	{"end the codes of authenticators", `UPDATE totp_authenticators SET last_step = MAX(last_step, @step)`},
	{"revoke the API keys", `UPDATE api_keys SET revoked_at = COALESCE(revoked_at, @at)`},
	{"revoke the initial access tokens", `UPDATE initial_access_tokens SET revoked_at = COALESCE(revoked_at, @at)`},
}

// clients take back approvals, and what clients prove themselves with. A client
// of a clients file becomes disapproved, because a file approves one that is
// pending. One that was pending stays one that expires; the others do not.
var clients = []step{
	{"end the secrets of clients", `UPDATE clients SET secrets = (SELECT json_group_array(json_set(value, '$.expires_at',
		MIN(COALESCE(json_extract(value, '$.expires_at'), @stamp), @stamp))) FROM json_each(clients.secrets))`},
	{"end the registration access tokens", `DELETE FROM client_registrations WHERE client_id NOT IN (SELECT id FROM clients WHERE status = 'pending')`},
	{"end the registration access tokens", `UPDATE client_registrations SET hash = randomblob(32)`},
	{"take back the approvals", `UPDATE clients SET status = CASE WHEN managed_by = '' THEN 'pending' ELSE 'disapproved' END,
		status_reason = @reason, status_at = @at, status_by = 'restore' WHERE status = 'approved'`},
}

// accounts disables accounts, and takes what they sign in with.
var accounts = []step{
	{"disable the accounts", `UPDATE accounts SET disabled_at = COALESCE(disabled_at, @at), password_hash = @nobody, permissions = '[]'`},
	{"end the passkeys", `DELETE FROM passkeys`},
	{"end the authenticators", `DELETE FROM totp_authenticators`},
}

// apply does to the content of a backup what the policy says.
func (p Policy) apply(ctx context.Context, c storage.Conn, h Header, at time.Time) error {
	var steps []step
	for _, table := range ended {
		steps = append(steps, step{"end the " + table, `DELETE FROM "` + table + `"`})
	}
	steps = append(steps, always...)
	if !p.KeepApprovals {
		steps = append(steps, clients...)
	}
	if !p.KeepAccounts {
		steps = append(steps, accounts...)
	}
	args := []any{
		sql.Named("at", at), sql.Named("micros", at.UnixMicro()), sql.Named("stamp", at.Format(time.RFC3339Nano)),
		sql.Named("step", at.Unix()/30+1), sql.Named("nobody", nobody()),
		sql.Named("reason", fmt.Sprintf("Restored from the backup of %s: an administrator has to approve it again.", h.CreatedAt.UTC().Format("2006-01-02 15:04 UTC"))),
	}
	for _, s := range steps {
		if _, err := c.ExecContext(ctx, s.statement, args...); err != nil {
			return storage.Err(s.doing, err)
		}
	}
	return nil
}

// nobody returns what looks like the hash of a password (argon2id, RFC 9106)
// and is that of none which anybody knows.
func nobody() string {
	random := make([]byte, 16+32)
	_, _ = rand.Read(random) // never fails
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=19456,t=2,p=1$%s$%s", encode(random[:16]), encode(random[16:]))
}
