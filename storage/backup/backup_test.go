package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/backup"
	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

var by = audit.Actor{Name: "tester", Via: audit.ViaCLI}

// site is a database with its address, so that it can be closed and opened.
type site struct {
	*testing.T
	url  string
	keys *seal.Keys
}

// eachSite runs a test on a new installation of each dialect.
func eachSite(t *testing.T, test func(s *site)) {
	t.Helper()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		s.open(func(db *storage.DB) { s.must(db.CheckKey(t.Context(), s.keys)) })
		test(s)
	})
}

func newSite(t *testing.T, url string) *site {
	t.Helper()
	s := &site{t, url, storagetest.Keys(t)}
	s.open(func(db *storage.DB) { s.must(db.Migrate(t.Context())) })
	return s
}

// open opens the database for as long as fn runs.
func (s *site) open(fn func(*storage.DB)) {
	s.Helper()
	db, err := storage.Open(s.Context(), storage.Config{URL: s.url})
	s.must(err)
	defer func() { s.must(db.Close()) }()
	fn(db)
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) exec(statement string, args ...any) {
	s.Helper()
	s.open(func(db *storage.DB) { s.must(db.With(s.Context()).Exec(statement, args...).Error) })
}

// value reads one value as text.
func (s *site) value(query string) (v string) {
	s.Helper()
	s.open(func(db *storage.DB) { s.must(db.With(s.Context()).Raw(query).Scan(&v).Error) })
	return v
}

func (s *site) writer() backup.Writer {
	return backup.Writer{Keys: s.keys, Origin: backup.Origin{Issuer: "https://id.example.org", Program: "test"}, Dir: s.TempDir()}
}

// backup returns a backup of the database.
func (s *site) backup() []byte {
	s.Helper()
	var b bytes.Buffer
	s.open(func(db *storage.DB) {
		_, err := s.writer().Backup(s.Context(), db, &b)
		s.must(err)
	})
	return b.Bytes()
}

// export exports the database.
func (s *site) export() ([]byte, backup.Header) {
	s.Helper()
	var b bytes.Buffer
	h, err := s.writer().Export(s.Context(), s.url, time.Now().UTC().Truncate(time.Microsecond), &b, func() error { return nil }) //nolint:forbidigo // what the file says is real time
	s.must(err)
	return b.Bytes(), h
}

func (s *site) read(file []byte) *backup.File {
	s.Helper()
	f, err := backup.Open(s.Context(), bytes.NewReader(file), s.keys, s.TempDir())
	s.must(err)
	s.Cleanup(f.Close)
	return f
}

func (s *site) target() backup.Target { return backup.Target{URL: s.url, Replace: true} }

// fill puts a row into every table, with every column set, and one with all
// that may be NULL left so, as far as there may be two.
func (s *site) fill() {
	s.Helper()
	s.must(storage.Exclusive(s.Context(), s.url, func(c storage.Conn) error {
		tables, err := c.Tables(s.Context())
		s.must(err)
		s.must(c.Empty(s.Context(), tables))
		for _, t := range tables {
			for i := range 2 {
				s.insert(c, t, i)
			}
		}
		return nil
	}))
}

// single are the tables that have one row at most.
var single = []string{"installation", "subject_salt"}

// insert inserts the row number i, whose values tell table, column and row.
func (s *site) insert(c storage.Conn, t storage.Table, i int) {
	s.Helper()
	if i > 0 && slices.Contains(single, t.Name) {
		return
	}
	var names, marks []string
	var args []any
	for _, column := range t.Columns {
		if i > 0 && s.optional(c, t.Name, column.Name) {
			continue
		}
		names, marks, args = append(names, `"`+column.Name+`"`), append(marks, "?"), append(args, s.sample(t, column, i))
	}
	_, err := c.ExecContext(s.Context(), c.Rebind(`INSERT INTO "`+t.Name+`" (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`), args...)
	if err != nil {
		s.Fatalf("table %s, row %d: %v", t.Name, i, err)
	}
}

func (s *site) optional(c storage.Conn, table, column string) bool {
	s.Helper()
	query := `SELECT "notnull" = 0 FROM pragma_table_info(?) WHERE name = ?`
	if c.Dialect == storage.PostgreSQL {
		query = `SELECT is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ? AND column_name = ?`
	}
	var yes bool
	s.must(c.QueryRowContext(s.Context(), c.Rebind(query), table, column).Scan(&yes))
	return yes
}

// chosen are columns that only some values fit.
var chosen = map[string][2]any{
	"installation.id":        {int64(1), nil},
	"subject_salt.id":        {int64(1), nil},
	"clients.type":           {"oauth1", "oidc"},
	"clients.status":         {"approved", "pending"},
	"clients.secrets":        {`[{"id":"s","value":"QQ=="}]`, `[]`},
	"installation.key_check": {nil, nil},
}

func (s *site) sample(t storage.Table, c storage.Column, i int) any { //nolint:ireturn // a value of any column
	name := t.Name + "." + c.Name
	if name == "installation.key_check" {
		return s.keys.Seal([]byte("countersign"), "installation.key_check")
	}
	if v, ok := chosen[name]; ok {
		return v[i]
	}
	owner, refers := map[string]string{
		"client_id": "clients", "account_id": "accounts", "grant_id": "grants", "session_id": "sessions",
	}[c.Name]
	text := fmt.Sprintf("%s %d ü\u2028'\"\\", name, i)
	if refers {
		text = fmt.Sprintf("%s.id %d ü\u2028'\"\\", owner, i)
	}
	switch c.Kind {
	case storage.Bytes:
		return append([]byte{0, 255, byte(i)}, name...)
	case storage.Time:
		return time.Date(2026, 2, 3, 4, 5, 6+i, 123456000, time.UTC)
	case storage.Int:
		return int64(1)<<40 + int64(i)
	case storage.Bool:
		return i == 0
	default:
		return text
	}
}

// contents returns all rows of all tables.
func (s *site) contents() map[string][]string {
	s.Helper()
	all := map[string][]string{}
	s.open(func(db *storage.DB) {
		s.must(db.Snapshot(s.Context(), func(c storage.Conn) error {
			tables, err := c.Tables(s.Context())
			s.must(err)
			for _, t := range tables {
				slices.SortFunc(t.Columns, func(a, b storage.Column) int { return strings.Compare(a.Name, b.Name) })
				rows, err := c.Read(s.Context(), t)
				s.must(err)
				all[t.Name] = []string{}
				for rows.Next() {
					values, err := rows.Values()
					s.must(err)
					all[t.Name] = append(all[t.Name], fmt.Sprintf("%#v", values))
				}
				s.must(rows.Err())
				rows.Close()
				slices.Sort(all[t.Name])
			}
			return nil
		}))
	})
	return all
}

// TestEveryTableIsClassified fails when a migration brings a table of which it
// was not decided whether its records survive a restore.
func TestEveryTableIsClassified(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.must(storage.Exclusive(s.Context(), s.url, func(c storage.Conn) error {
			tables, err := c.Tables(s.Context())
			s.must(err)
			names := make([]string, len(tables))
			for i, t := range tables {
				names[i] = t.Name
			}
			slices.Sort(names)
			known := slices.Sorted(slices.Values(slices.Concat(backup.Lasting, backup.Ended)))
			if !slices.Equal(names, known) {
				s.Errorf("the schema has %v; the lists lasting and ended in tables.go have %v: decide what a restore does to the records of each", names, known)
			}
			return nil
		}))
	})
}

// TestMove moves an installation with a row in every table from each database
// to the other and back: not a byte is lost.
func TestMove(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.fill()
		there := storagetest.PostgresURL(s.T)
		if strings.HasPrefix(s.url, "postgres") {
			there = storagetest.SQLiteURL(s.T)
		}
		other := newSite(s.T, there)
		s.exec(`UPDATE installation SET moved_at = NULL`)
		before := s.contents()
		file, h := s.export()
		for table, rows := range before {
			if len(rows) == 0 || h.Rows[table] != int64(len(rows)) {
				s.Errorf("table %s has %d rows, of which %d were exported", table, len(rows), h.Rows[table])
			}
		}
		s.open(func(db *storage.DB) {
			if _, ok := errors.AsType[*storage.MovedError](db.CheckHere(s.Context())); !ok {
				s.Error("the source is not closed")
			}
		})
		_, err := s.read(file).Import(s.Context(), backup.Target{URL: there}, by)
		s.must(err)
		after := other.contents()
		if n := len(after["audit_events"]) - len(before["audit_events"]); n != 1 {
			s.Errorf("the import left %d audit events; want 1", n)
		}
		after["audit_events"] = slices.DeleteFunc(after["audit_events"], func(row string) bool { return strings.Contains(row, "installation.import") })
		compare(s, before, after)
		_, err = s.read(file).Import(s.Context(), backup.Target{URL: there}, by)
		if !errors.Is(err, backup.ErrNotEmpty) {
			s.Errorf("a second import: %v; want ErrNotEmpty", err)
		}
		other.exec(`UPDATE installation SET moved_at = NULL`)
		file, _ = other.export()
		_, err = s.read(file).Import(s.Context(), s.target(), by)
		s.must(err)
		back := s.contents()
		back["audit_events"] = slices.DeleteFunc(back["audit_events"], func(row string) bool { return strings.Contains(row, "installation.import") })
		compare(s, before, back)
	})
}

// An old export does not put a database back in time that went on from it, nor
// one that was opened again (AP-15).
func TestOldExportOverWhatWentOn(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.fill()
		s.exec(`UPDATE installation SET moved_at = NULL`)
		s.exec(`UPDATE grants SET revoked_at = NULL`)
		old, _ := s.export()
		refused := func(over *site, file []byte) {
			t.Helper()
			over.exec(`UPDATE clients SET status = 'disapproved'`)
			over.exec(`UPDATE grants SET revoked_at = ?`, time.Now().UTC()) //nolint:forbidigo // what the file says is real time
			before := over.contents()
			_, err := s.read(file).Import(s.Context(), over.target(), by)
			if _, ok := errors.AsType[*backup.WentOnError](err); !ok {
				s.Errorf("an old export over what went on: %v; want WentOnError", err)
			}
			compare(over, before, over.contents())
		}
		other := newSite(s.T, storagetest.SQLiteURL(s.T))
		_, err := s.read(old).Import(s.Context(), other.target(), by)
		s.must(err)
		refused(other, old) // it went on, and is open
		back, _ := other.export()
		refused(other, old) // it went on, and is closed
		s.open(func(db *storage.DB) { s.must(backup.Reopen(s.Context(), db, by)) })
		refused(s, old)  // the source itself went on
		refused(s, back) // and is not what went on elsewhere

		third := newSite(s.T, storagetest.SQLiteURL(s.T))
		third.fill()
		third.exec(`UPDATE installation SET created_at = ?, moved_at = NULL`, time.Now().UTC()) //nolint:forbidigo // what the file says is real time
		_, err = s.read(back).Import(s.Context(), third.target(), by)
		s.must(err) // another installation goes, as is asked for
	})
}

func compare(s *site, before, after map[string][]string) {
	s.Helper()
	for _, table := range slices.Sorted(maps.Keys(before)) {
		if !slices.Equal(before[table], after[table]) {
			s.Errorf("table %s was\n%s\nand is\n%s", table, strings.Join(before[table], "\n"), strings.Join(after[table], "\n"))
		}
	}
}

// TestRestoreEndsEverything restores a backup of a database with a row in every
// table and looks at what may be used again (AP-14).
func TestRestoreEndsEverything(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.fill()
		file := s.read(s.backup())
		for _, table := range backup.Ended {
			if _, ok := file.Header.Rows[table]; ok {
				s.Errorf("the backup has table %s, whose records end", table)
			}
		}
		done, err := file.Restore(s.Context(), s.target(), by, backup.Policy{})
		s.must(err)
		got := s.contents()
		for _, table := range append(slices.Clone(backup.Ended), "passkeys", "totp_authenticators", "recovery_codes") {
			if len(got[table]) > 0 {
				s.Errorf("table %s has %v after a restore", table, got[table])
			}
		}
		for what, query := range map[string]string{
			"approved clients":                   `SELECT count(*) FROM clients WHERE status = 'approved'`,
			"enabled accounts":                   `SELECT count(*) FROM accounts WHERE disabled_at IS NULL`,
			"old passwords":                      `SELECT count(*) FROM accounts WHERE password_hash NOT LIKE '$argon2id$v=19$%'`,
			"live API keys":                      `SELECT count(*) FROM api_keys WHERE revoked_at IS NULL`,
			"live initial tokens":                `SELECT count(*) FROM initial_access_tokens WHERE revoked_at IS NULL`,
			"registrations, of who was approved": `SELECT count(*) FROM client_registrations WHERE client_id LIKE 'clients.id 0%'`,
			"an open set-up":                     `SELECT count(*) FROM installation WHERE bootstrapped_at IS NULL OR setup_hash IS NOT NULL OR restored_at IS NULL OR moved_at IS NOT NULL`,
			"epochs of before":                   `SELECT count(*) FROM clients c, accounts a WHERE c.epoch < 1700000000000000 OR a.epoch < 1700000000000000`,
			"versions of before":                 `SELECT count(*) FROM clients c, accounts a WHERE c.version < 1700000000000000 OR a.version < 1700000000000000`,
			"secrets without end":                `SELECT count(*) FROM clients WHERE secrets LIKE '%"id"%' AND secrets NOT LIKE '%"expires_at":"20%'`,
			"a missing audit event":              `SELECT 1 - count(*) FROM audit_events WHERE action = 'installation.restore'`,
		} {
			if n := s.value(query); n != "0" {
				s.Errorf("%s: %s; want none", what, n)
			}
		}
		if done.Clients != 2 || done.Accounts != 2 {
			s.Errorf("restored %+v; want 2 clients and 2 accounts", done)
		}
	})
}

// TestRestoreKeepsWhatItIsTold restores with both exceptions.
func TestRestoreKeepsWhatItIsTold(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.fill()
		s.exec(`UPDATE accounts SET disabled_at = NULL`)
		before := s.contents()
		_, err := s.read(s.backup()).Restore(s.Context(), s.target(), by, backup.Policy{KeepApprovals: true, KeepAccounts: true})
		s.must(err)
		after := s.contents()
		for _, table := range []string{"passkeys", "client_registrations", "client_revisions", "subject_salt"} {
			if !slices.Equal(before[table], after[table]) {
				s.Errorf("table %s changed", table)
			}
		}
		for query, want := range map[string]string{
			`SELECT count(*) FROM clients WHERE status = 'approved'`:             "1",
			`SELECT count(*) FROM accounts WHERE disabled_at IS NULL`:            "2",
			`SELECT count(*) FROM accounts WHERE password_hash LIKE '$argon2%'`:  "0",
			`SELECT count(*) FROM clients WHERE secrets LIKE '%expires_at%'`:     "0",
			`SELECT count(*) FROM recovery_codes`:                                "0",
			`SELECT count(*) FROM api_keys WHERE revoked_at IS NULL`:             "0",
			`SELECT count(*) FROM totp_authenticators WHERE last_step < 1000000`: "0",
		} {
			if got := s.value(query); got != want {
				s.Errorf("%s = %s; want %s", query, got, want)
			}
		}
	})
}

// A client of a clients file that awaits approval is approved by the file: the
// restored one must not be.
func TestRestoredClientOfAFileStaysStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t, storagetest.SQLiteURL(t))
	s.fill()
	s.exec(`UPDATE clients SET managed_by = CASE WHEN status = 'approved' THEN 'f' ELSE '' END`)
	_, err := s.read(s.backup()).Restore(t.Context(), s.target(), by, backup.Policy{})
	s.must(err)
	if got := s.value(`SELECT status FROM clients WHERE managed_by = 'f'`); got != "disapproved" {
		t.Errorf("a client of a file is %s; want disapproved", got)
	}
}

// TestBackupIsOfOneMoment backs up while a writer keeps two tables in step.
func TestBackupIsOfOneMoment(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.fill()
		// A restore raises versions beyond what can have been, and these only by one.
		s.exec(`UPDATE accounts SET version = 3000000000000000`)
		s.exec(`UPDATE clients SET version = 3000000000000000`)
		db, err := storage.Open(s.Context(), storage.Config{URL: s.url})
		s.must(err)
		defer func() { s.must(db.Close()) }()
		ctx, stop := context.WithCancel(s.Context())
		var wg sync.WaitGroup
		written := make(chan struct{}, 1000)
		wg.Go(func() {
			for ctx.Err() == nil {
				err := db.InTx(s.Context(), func(ctx context.Context) error { //nolint:contextcheck // what is begun is finished
					return errors.Join(
						db.With(ctx).Exec(`UPDATE accounts SET version = version + 1 WHERE id LIKE 'accounts.id 0%'`).Error,
						db.With(ctx).Exec(`UPDATE clients SET version = version + 1 WHERE id LIKE 'clients.id 0%'`).Error)
				})
				if err != nil {
					s.Error(err)
					return
				}
				select {
				case written <- struct{}{}:
				default:
				}
			}
		})
		<-written
		var file bytes.Buffer
		_, err = s.writer().Backup(s.Context(), db, &file)
		s.must(err)
		n := len(written)
		stop()
		wg.Wait()
		if n < 3 {
			s.Errorf("%d writes happened during the backup: it held them back", n)
		}
		other := newSite(s.T, storagetest.SQLiteURL(s.T))
		_, err = other.read(file.Bytes()).Restore(s.Context(), other.target(), by, backup.Policy{KeepApprovals: true, KeepAccounts: true})
		s.must(err)
		a, c := other.value(`SELECT max(version) FROM accounts`), other.value(`SELECT max(version) FROM clients`)
		if a != c || a < "3000000000000002" {
			s.Errorf("accounts have version %s and clients %s: the tables are of different moments", a, c)
		}
	})
}

// TestRefusedFiles reads files that were changed anywhere, cut, or written with
// another key.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, storagetest.SQLiteURL(t))
	s.fill()
	good := s.backup()
	head := bytes.IndexByte(good, '{')
	for name, change := range map[string]func([]byte) []byte{
		"other":           func([]byte) []byte { return []byte("SQLite format 3\x00") },
		"empty":           func([]byte) []byte { return nil },
		"cut in header":   func(b []byte) []byte { return b[:head+10] },
		"cut in content":  func(b []byte) []byte { return b[:len(b)-10] },
		"longer":          func(b []byte) []byte { return append(b, 0) },
		"kind changed":    func(b []byte) []byte { return bytes.Replace(b, []byte(`"backup"`), []byte(`"export"`), 1) },
		"header changed":  func(b []byte) []byte { return bytes.Replace(b, []byte("id.example"), []byte("xd.example"), 1) },
		"content changed": func(b []byte) []byte { b[len(b)-100] ^= 1; return b },
	} {
		_, err := backup.Open(t.Context(), bytes.NewReader(change(bytes.Clone(good))), s.keys, t.TempDir())
		if e, ok := errors.AsType[*backup.FileError](err); !ok || e.Fix == "" {
			t.Errorf("%s: %v; want a FileError with a remedy", name, err)
		}
	}
	kek := make([]byte, seal.KeySize)
	_, _ = rand.Read(kek) // never fails
	other, err := seal.New(kek)
	s.must(err)
	if _, err := backup.Open(t.Context(), bytes.NewReader(good), other, t.TempDir()); err == nil || !strings.Contains(err.Error(), "another key-encryption key") {
		t.Errorf("with another key: %v", err)
	}
	if _, err := s.read(good).Import(t.Context(), s.target(), by); err == nil || !strings.Contains(err.Error(), "is a backup") {
		t.Errorf("import of a backup: %v", err)
	}
}

// TestNothingIsTouched restores into databases that must stay as they are.
func TestNothingIsTouched(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.fill()
		file := s.backup()
		before := s.contents()
		_, err := s.read(file).Restore(s.Context(), backup.Target{URL: s.url}, by, backup.Policy{})
		if !errors.Is(err, backup.ErrNotEmpty) {
			s.Errorf("onto an installation: %v; want ErrNotEmpty", err)
		}
		s.open(func(db *storage.DB) {
			s.must(db.Ping(s.Context()))
			_, err := s.read(file).Restore(s.Context(), s.target(), by, backup.Policy{})
			if !errors.Is(err, storage.ErrInUse) {
				s.Errorf("while it is open: %v; want ErrInUse", err)
			}
			_, err = s.writer().Export(s.Context(), s.url, db.Now(), &bytes.Buffer{}, func() error { return nil })
			if !errors.Is(err, storage.ErrInUse) {
				s.Errorf("export while it is open: %v; want ErrInUse", err)
			}
		})
		_, err = s.writer().Export(s.Context(), s.url, time.Now(), &bytes.Buffer{}, func() error { return errors.New("disk full") }) //nolint:forbidigo // what the file says is real time
		if err == nil {
			s.Error("an export that could not be kept succeeded")
		}
		compare(s, before, s.contents())
	})
}

func TestReopen(t *testing.T) {
	t.Parallel()
	eachSite(t, func(s *site) {
		s.open(func(db *storage.DB) {
			if err := backup.Reopen(s.Context(), db, by); !errors.Is(err, storage.ErrNotFound) {
				s.Errorf("Reopen() of an open database = %v; want ErrNotFound", err)
			}
		})
		s.export()
		s.open(func(db *storage.DB) {
			s.must(backup.Reopen(s.Context(), db, by))
			s.must(db.CheckHere(s.Context()))
		})
	})
}
