package storage_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm/schema"

	"countersign/clientstore" //nolint:depguard // every record is held against the schema here
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/apikey"
	"countersign/storage/audit"
	"countersign/storage/failure"
	"countersign/storage/grant"
	"countersign/storage/interaction"
	"countersign/storage/keyset"
	"countersign/storage/pushed"
	"countersign/storage/session"
	"countersign/storage/storagetest"
	"countersign/storage/tryout"
)

// records are the types that gorm reads and writes whole.
var records = []any{
	account.Account{},
	apikey.Key{},
	account.Activity{},
	account.Passkey{},
	audit.Event{},
	clientstore.Client{},
	failure.Failure{},
	clientstore.InitialToken{},
	&clientstore.Revision{},
	&clientstore.WaitingSecret{},
	grant.Consent{},
	grant.Grant{},
	interaction.Interaction{},
	keyset.Key{},
	pushed.Request{},
	session.Session{},
	tryout.Tryout{},
}

// tables are those that only statements of our own read and write.
var tables = map[string]string{
	"access_tokens":         "hash grant_id scope audience created_at expires_at revoked_at",
	"approval_links":        "hash client_id version revision_id created_at expires_at used_at secret_id",
	"approval_notices":      "client_id channel version revision_id attempts next_at created_at",
	"application_uses":      "account_id client_id used_at",
	"authorization_codes":   "hash grant_id redirect_uri redirect_uri_sent code_challenge code_challenge_method created_at expires_at spent_at",
	"client_logos":          "client_id uri digest fetched_at failed_at reason attempts next_at picture",
	"client_registrations":  "client_id hash initial_token_id created_at",
	"client_submissions":    "hash account_id client_id secret created_at",
	"device_codes":          "hash user_hash client_id client_epoch grant_id scope ip network poll_interval polled_at created_at expires_at denied_at spent_at opened_in denied_by",
	"idempotency_keys":      "hash fingerprint claim locked_until answer created_at expires_at",
	"installation":          "id key_check created_at bootstrapped_at setup_hash setup_expires_at command_line_at restored_at moved_at",
	"secret_notices":        "client_id channel secret_id attempts next_at created_at",
	"secret_uses":           "client_id secret_id used_at",
	"schema_support":        "id oldest",
	"subject_salt":          "id salt created_at",
	"logout_deliveries":     "session_id client_id subject uri algorithm encrypted dismissed attempts next_at created_at",
	"recovery_codes":        "hash account_id created_at used_at",
	"totp_authenticators":   "account_id sealed last_step created_at used_at",
	"refresh_tokens":        "hash grant_id parent_hash created_at expires_at used_at",
	"session_clients":       "session_id client_id subject created_at",
	"sign_in_throttles":     "key failures blocked_until expires_at",
	"used_jtis":             "hash expires_at",
	"temporary_credentials": "hash client_id client_epoch sealed callback grant_id verifier_hash guesses created_at expires_at denied_at spent_at without_verifier",
	"token_credentials":     "hash grant_id sealed created_at expires_at",
}

// sameType names the types of the dialects alike.
var sameType = map[string]string{
	"TEXT": "text", "BLOB": "bytes", "DATETIME": "time", "INTEGER": "int", "BOOLEAN": "bool",
	"text": "text", "bytea": "bytes", "timestamp with time zone": "time", "bigint": "int", "boolean": "bool",
}

// column is one column as the database describes it.
type column struct {
	TableName, Name, Type string
	Required              bool
}

func readColumns(t *testing.T, db *storage.DB) map[string]map[string]column {
	t.Helper()
	query := `SELECT m.name AS table_name, c.name, c.type, c."notnull" AS required
		FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if db.Dialect() == storage.PostgreSQL {
		query = `SELECT table_name, column_name AS name, data_type AS type, is_nullable = 'NO' AS required
			FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	var list []column
	if err := db.With(t.Context()).Raw(query).Scan(&list).Error; err != nil {
		t.Fatal(err)
	}
	tables := map[string]map[string]column{}
	for _, c := range list {
		if strings.HasPrefix(c.TableName, "goose_") {
			continue
		}
		if tables[c.TableName] == nil {
			tables[c.TableName] = map[string]column{}
		}
		known, ok := sameType[c.Type]
		if !ok {
			t.Errorf("%s.%s has type %s, which the other dialect has no name for", c.TableName, c.Name, c.Type)
		}
		c.Type = known
		tables[c.TableName][c.Name] = c
	}
	return tables
}

// wanted returns the columns of every table as the program uses them, with
// their type where a record tells it.
func wanted(t *testing.T) map[string]map[string]string {
	t.Helper()
	want := map[string]map[string]string{}
	for table, columns := range tables {
		want[table] = map[string]string{}
		for name := range strings.FieldsSeq(columns) {
			want[table][name] = ""
		}
	}
	for _, record := range records {
		s, err := schema.Parse(record, &sync.Map{}, schema.NamingStrategy{})
		if err != nil {
			t.Fatal(err)
		}
		want[s.Table] = map[string]string{}
		for _, name := range s.DBNames {
			want[s.Table][name] = columnType(s.FieldsByDBName[name])
		}
	}
	return want
}

func columnType(f *schema.Field) string {
	switch {
	case f.Serializer != nil:
		return "text"
	case f.DataType == schema.String:
		return "text"
	default:
		return string(f.DataType)
	}
}

// TestRecordsMatchTheSchema finds a column that only a record or only a
// migration has.
func TestRecordsMatchTheSchema(t *testing.T) {
	t.Parallel()
	want := wanted(t)
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		got := readColumns(t, db)
		compareKeys(t, "tables", got, want)
		for table := range want {
			compareKeys(t, table, got[table], want[table])
			for name, kind := range want[table] {
				if c, ok := got[table][name]; ok && kind != "" && c.Type != kind {
					t.Errorf("%s.%s has type %s in the database and %s in its record", table, name, c.Type, kind)
				}
			}
		}
	})
}

// TestDialectsHaveTheSameSchema compares what the two migrations made.
func TestDialectsHaveTheSameSchema(t *testing.T) {
	t.Parallel()
	sqlite, postgres := storagetest.Open(t), storagetest.OpenPostgres(t)
	a, b := readColumns(t, sqlite), readColumns(t, postgres)
	compareKeys(t, "tables", a, b)
	for table := range a {
		compareKeys(t, table, a[table], b[table])
		for name := range a[table] {
			if a[table][name] != b[table][name] {
				t.Errorf("%s.%s is %v on SQLite and %v on PostgreSQL", table, name, a[table][name], b[table][name])
			}
		}
	}
	compareKeys(t, "indexes", readIndexes(t, sqlite), readIndexes(t, postgres))
}

// readIndexes returns the indexes that migrations name themselves.
func readIndexes(t *testing.T, db *storage.DB) map[string]bool {
	t.Helper()
	query := `SELECT tbl_name || '.' || name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL`
	if db.Dialect() == storage.PostgreSQL {
		query = `SELECT tablename || '.' || indexname FROM pg_indexes WHERE schemaname = current_schema()
			AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key'`
	}
	var names []string
	if err := db.With(t.Context()).Raw(query).Scan(&names).Error; err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

func compareKeys[A, B any](t *testing.T, what string, got map[string]A, want map[string]B) {
	t.Helper()
	g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))
	if !slices.Equal(g, w) {
		t.Errorf("%s: have %v; want %v", what, g, w)
	}
}
