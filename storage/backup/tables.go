package backup

import (
	"context"
	"fmt"
	"slices"

	"countersign/storage"
)

// Every table is in one of two lists. A test walks the schema and fails when
// one is in neither, or in both.
var (
	// lasting are the tables that a backup has.
	lasting = []string{
		"account_activities", "accounts", "api_keys", "application_uses", "audit_events", "client_registrations",
		"client_revisions", "clients", "initial_access_tokens", "installation", "passkeys", "recovery_codes",
		"sign_in_throttles", "subject_salt", "totp_authenticators",
	}
	// ended are those whose records end with a restore, because they may have
	// been used up, revoked, withdrawn or replaced after the backup: it has none
	// of them. An export has all. Logos are among them because a server fetches
	// those again that it lacks.
	ended = []string{
		"access_tokens", "approval_links", "approval_notices", "authorization_codes", "client_failures", "client_logos", "client_submissions", "consents", "device_codes",
		"grants", "idempotency_keys", "interactions", "logout_deliveries", "pushed_requests", "refresh_tokens",
		"secret_notices", "secret_uses", "session_clients", "sessions", "signing_keys", "temporary_credentials", "token_credentials", "tryouts", "used_jtis", "waiting_secrets",
	}
)

// kept returns the tables that a file of the kind has.
func (k Kind) kept(tables []storage.Table) []storage.Table {
	if k == Export {
		return tables
	}
	return slices.DeleteFunc(slices.Clone(tables), func(t storage.Table) bool { return slices.Contains(ended, t.Name) })
}

// transfer copies the rows of the tables and returns how many each had.
func transfer(ctx context.Context, from, to storage.Conn, tables []storage.Table) (map[string]int64, error) {
	rows := map[string]int64{}
	for _, t := range tables {
		n, err := transferTable(ctx, from, to, t)
		if err != nil {
			return nil, err
		}
		rows[t.Name] = n
	}
	return rows, nil
}

func transferTable(ctx context.Context, from, to storage.Conn, t storage.Table) (int64, error) {
	rows, err := from.Read(ctx, t)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	return to.Insert(ctx, t, rows)
}

// count counts the rows of the tables.
func count(ctx context.Context, c storage.Conn, tables []storage.Table) (map[string]int64, error) {
	rows := map[string]int64{}
	for _, t := range tables {
		var n int64
		if err := c.QueryRowContext(ctx, `SELECT count(*) FROM "`+t.Name+`"`).Scan(&n); err != nil {
			return nil, storage.Err("count the rows of "+t.Name, err)
		}
		rows[t.Name] = n
	}
	return rows, nil
}

// sameTables fails when two databases do not have the same tables and columns.
func sameTables(ctx context.Context, a, b storage.Conn) ([]storage.Table, error) {
	one, err := a.Tables(ctx)
	if err != nil {
		return nil, err
	}
	other, err := b.Tables(ctx)
	if err != nil {
		return nil, err
	}
	columns := map[string][]storage.Column{}
	for _, t := range other {
		columns[t.Name] = byName(t.Columns)
	}
	for _, t := range one {
		if !slices.Equal(byName(t.Columns), columns[t.Name]) {
			return nil, fmt.Errorf("table %s is not the same in both databases: somebody changed a schema by hand", t.Name)
		}
	}
	if len(one) != len(other) {
		return nil, fmt.Errorf("the databases have %d and %d tables: somebody changed a schema by hand", len(one), len(other))
	}
	return one, nil
}

func byName(columns []storage.Column) []storage.Column {
	return slices.SortedFunc(slices.Values(columns), func(a, b storage.Column) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}
