package storage_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/storage"
	"countersign/storage/storagetest"
)

func sqliteURL(path string) string { return (&url.URL{Scheme: "sqlite", Path: path}).String() }

func TestOpenSQLiteAtAnyPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "with space.db", "a?b.db", "a#b.db", "100%.db", "a%20b.db", "ü&=;+.db", "_pragma=x.db", "'\".db"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db := storagetest.OpenURL(t, sqliteURL(filepath.Join(dir, name)))
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatalf("the database is elsewhere: %v", err)
			}
			if info.Mode().Perm() != 0o600 || info.Size() == 0 {
				t.Errorf("the file has mode %v and %d bytes; want 0600 and a schema", info.Mode(), info.Size())
			}
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				info, err := f.Info()
				if err != nil || !strings.HasPrefix(f.Name(), name) || info.Mode().Perm() != 0o600 {
					t.Errorf("%s beside the database: %v, %v; want mode 0600", f.Name(), info, err)
				}
			}
		})
	}
}

// secret is the password of every URL.
const secret = "hunter2"

func TestOpenRefusesWithARemedy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, url string
		want      []string
	}{
		{"nothing", "", []string{"sqlite:///path/to/file"}},
		{"a path", "/var/lib/countersign.db", []string{"no scheme", "sqlite:///path/to/file"}},
		{"keywords", "host=h password=" + secret, []string{"postgres://user@host/name"}},
		{"another database", "mysql://u:" + secret + "@h/d", []string{`"mysql"`, "postgres://user@host/name"}},
		{"relative SQLite path", "sqlite:data.db", []string{"absolute path"}},
		{"SQLite path as host", "sqlite://data.db", []string{"absolute path"}},
		{"SQLite parameters", "sqlite:///data.db?_pragma=x", []string{"%3F"}},
		{"SQLite folder", "sqlite:///", []string{"absolute path"}},
		{"missing folder", sqliteURL(filepath.Join(dir, "no", "x.db")), []string{filepath.Join(dir, "no"), "does not exist", "create it"}},
		{"a folder", sqliteURL(dir), []string{dir, "is a directory"}},
		{"a text file", sqliteURL(text), []string{text, "is not a SQLite database", "nothing was changed"}},
		{"hash in the password", "postgres://u:" + secret + "#x@h/d", []string{"%23"}},
		{"slash in the password", "postgres://u:1/" + secret + "@h/d", []string{"%2F"}},
		{"unknown TLS mode", "postgres://u:" + secret + "@h/d?sslmode=maybe", []string{"sslmode"}},
		{"password as a parameter", "postgres://h/d?sslmode=maybe&password=" + secret, []string{"sslmode"}},
		{"unknown host", "postgres://u:" + secret + "@no.such.host.invalid/d", []string{"no.such.host.invalid", "cannot be reached", "check that it runs"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := storage.Open(t.Context(), storage.Config{URL: tt.url})
			checkRefusal(t, err, tt.want...)
		})
	}
	if got, err := os.ReadFile(text); err != nil || !bytes.HasPrefix(got, []byte("no database")) {
		t.Errorf("the text file was changed: %v", err)
	}
}

// checkRefusal wants one line that has the words and not the secret.
func checkRefusal(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("opened")
	}
	message := err.Error()
	if strings.Contains(message, secret) || strings.Contains(message, "\n") || len(message) > 400 {
		t.Errorf("message is not one line without secrets: %s", message)
	}
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Errorf("message %q lacks %q", message, word)
		}
	}
}

func TestOpenUnreachablePostgres(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = storage.Open(t.Context(), storage.Config{URL: "postgres://u:hunter2@" + addr + "/d"})
	checkRefusal(t, err, addr, "connection refused", "check that it runs")
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("%v is not ErrUnavailable", err)
	}
}

func TestOpenRefusedByPostgres(t *testing.T) {
	t.Parallel()
	base, err := url.Parse(storagetest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("unknown database", func(t *testing.T) {
		t.Parallel()
		u := *base
		u.Path = "/no_such_database"
		_, err := storage.Open(t.Context(), storage.Config{URL: u.String()})
		checkRefusal(t, err, `"no_such_database" does not exist`, "createdb no_such_database")
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		t.Parallel()
		admin := storagetest.OpenURL(t, base.String())
		if err := admin.With(t.Context()).Exec(`DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN PASSWORD 'right'`).Error; err != nil {
			t.Fatal(err)
		}
		defer admin.With(t.Context()).Exec(`DROP ROLE guarded`)
		u := *base
		u.User = url.UserPassword("guarded", "hunter2")
		_, err := storage.Open(t.Context(), storage.Config{URL: u.String()})
		checkRefusal(t, err, "password authentication failed", "check the user and the password")
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	})
	t.Run("another encoding", func(t *testing.T) {
		t.Parallel()
		admin := storagetest.OpenURL(t, base.String())
		name := strings.TrimPrefix(base.Path, "/") + "_latin1"
		if err := admin.With(t.Context()).Exec(`CREATE DATABASE ` + name + ` TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`).Error; err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := admin.With(t.Context()).Exec(`DROP DATABASE ` + name).Error; err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		})
		u := *base
		u.Path = "/" + name
		_, err := storage.Open(t.Context(), storage.Config{URL: u.String()})
		checkRefusal(t, err, "LATIN1", "--encoding=UTF8")
	})
}

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	base := storagetest.PostgresURL(t)
	show := func(t *testing.T, db *storage.DB, setting string) string {
		t.Helper()
		var value string
		if err := db.With(t.Context()).Raw(`SELECT current_setting(?)`, setting).Scan(&value).Error; err != nil {
			t.Fatal(err)
		}
		return value
	}
	t.Run("by default", func(t *testing.T) {
		t.Parallel()
		db := storagetest.OpenURL(t, base)
		for setting, want := range map[string]string{
			"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "15s",
			"TimeZone": "UTC", "application_name": "countersign", "enable_hashjoin": "off", "enable_mergejoin": "off",
		} {
			if got := show(t, db, setting); got != want {
				t.Errorf("%s is %s; want %s", setting, got, want)
			}
		}
	})
	t.Run("from the URL", func(t *testing.T) {
		t.Parallel()
		db := storagetest.OpenURL(t, base+"&statement_timeout=3s&application_name=other")
		if got := show(t, db, "statement_timeout") + " " + show(t, db, "application_name"); got != "3s other" {
			t.Errorf("settings are %s; want those of the URL", got)
		}
	})
	t.Run("warnings", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		db, err := storage.Open(t.Context(), storage.Config{URL: base + "&synchronous_commit=off", Log: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if !strings.Contains(out.String(), "setting=synchronous_commit") {
			t.Errorf("no warning of synchronous_commit=off: %s", out.String())
		}
	})
}

// TestDamagedSQLite overwrites pages of a database.
func TestDamagedSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "damaged.db")
	raw := sqliteURL(path)
	db, err := storage.Open(t.Context(), storage.Config{URL: raw})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Migrate(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(file[100:], bytes.Repeat([]byte{0xff}, 2000)) // behind the header: the schema's page
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = storage.Open(t.Context(), storage.Config{URL: raw})
	checkRefusal(t, err, path, "is damaged", "restore a backup")
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("%v is not ErrUnavailable", err)
	}
}

// TestExplainSQLite takes errors from the driver itself.
func TestExplainSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	tests := []struct {
		name, query string
		statements  []string
		want        []string
	}{
		{"read-only", "mode=ro", []string{"INSERT INTO t VALUES (1)"}, []string{"cannot be written to", "must be able to write"}},
		{"full", "", []string{"PRAGMA max_page_count=2", "INSERT INTO t VALUES (zeroblob(100000))"}, []string{"disk is full", "make room"}},
		{"locked", "", []string{"PRAGMA busy_timeout=1", "UPDATE t SET x = 2"}, []string{"locked by another program", "end what holds it"}},
	}
	holder, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close() }()
	holder.SetMaxOpenConns(1)
	exec := func(db *sql.DB, statements ...string) (err error) {
		for _, stmt := range statements {
			if _, err = db.ExecContext(t.Context(), stmt); err != nil {
				return err
			}
		}
		return nil
	}
	if err := exec(holder, "CREATE TABLE t (x)"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		db, err := sql.Open("sqlite", "file:"+path+"?"+tt.query)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if tt.name == "locked" {
			if err := exec(holder, "BEGIN EXCLUSIVE"); err != nil {
				t.Fatal(err)
			}
		}
		err = storage.Explain(sqliteURL(path), exec(db, tt.statements...))
		checkRefusal(t, err, append(tt.want, path)...)
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: %v is not ErrUnavailable", tt.name, err)
		}
		_ = db.Close() // nothing to lose
	}
}

func TestSQLiteFileThatOthersMayRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "open.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	db, err := storage.Open(t.Context(), storage.Config{URL: sqliteURL(path), Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if !strings.Contains(out.String(), "chmod 600") {
		t.Errorf("no warning: %s", out.String())
	}
}

func TestTimesRoundTrip(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		base := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		times := []time.Time{
			base, base.Add(time.Microsecond), base.Add(10 * time.Microsecond), base.Add(100 * time.Millisecond),
			base.Add(999999 * time.Microsecond), base.Add(time.Second), base.In(time.FixedZone("east", 3*3600)).Add(time.Minute),
		}
		for i, at := range times {
			err := db.With(t.Context()).Exec(`INSERT INTO sign_in_throttles (failures, key, blocked_until, expires_at) VALUES (?, ?, ?, ?)`,
				i, []byte{byte(i)}, at, at).Error
			if err != nil {
				t.Fatal(err)
			}
		}
		var got []time.Time // sorted by the database
		if err := db.With(t.Context()).Raw(`SELECT expires_at FROM sign_in_throttles ORDER BY expires_at`).Scan(&got).Error; err != nil {
			t.Fatal(err)
		}
		for i, at := range times {
			if got[i] != at.UTC() { // the location, too
				t.Errorf("time %d is %v; want %v", i, got[i], at.UTC())
			}
			var n int
			if err := db.With(t.Context()).Raw(`SELECT count(*) FROM sign_in_throttles WHERE expires_at <= ?`, at).Scan(&n).Error; err != nil || n != i+1 {
				t.Errorf("%d times up to %v, %v; want %d", n, at, err, i+1)
			}
		}
		if now := db.Now(); now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
			t.Errorf("Now() = %v; want UTC and whole microseconds", now)
		}
	})
}

func TestErr(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		consent := func(client string) error {
			return storage.Err("consent", db.With(t.Context()).Exec(
				`INSERT INTO consents (account_id, client_id, scope, digest, created_at, updated_at) VALUES ('a', ?, '', '', ?, ?)`,
				client, db.Now(), db.Now()).Error)
		}
		insert := func(id int) error {
			return storage.Err("insert", db.With(t.Context()).Exec(
				`INSERT INTO installation (id, key_check, created_at) VALUES (?, 'x', ?)`, id, db.Now()).Error)
		}
		var n int
		if err := insert(1); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct{ err, want error }{
			"no error":                {storage.Err("do", nil), nil},
			"the same key":            {insert(1), storage.ErrConflict},
			"a check":                 {insert(2), storage.ErrUnavailable},
			"no such parent":          {consent("c"), storage.ErrNotFound},
			"no such record":          {storage.Err("do", db.With(t.Context()).Table("clients").Where("id = ?", "x").Take(&map[string]any{}).Error), storage.ErrNotFound},
			"no such column":          {storage.Err("do", db.With(t.Context()).Raw(`SELECT "no_such_column" FROM clients`).Scan(&n).Error), storage.ErrUnavailable},
			"restated already":        {storage.Err("more", storage.Err("do", storage.ErrConflict)), storage.ErrConflict},
			"restated as unavailable": {storage.Err("more", fmt.Errorf("x: %w", storage.ErrUnavailable)), storage.ErrUnavailable},
		} {
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("%s: %v; want %v", name, tt.err, tt.want)
			}
		}
	})
}

func TestQuoting(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		var rows []struct{ ID string }
		err := db.With(t.Context()).Table("clients").Select("clients.id").Where(map[string]any{"clients.id": "x"}).
			Joins("JOIN consents ON consents.client_id = clients.id").Group("clients.id").Order("clients.id").Find(&rows).Error
		if err != nil {
			t.Error(err)
		}
	})
}

func TestPing(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		storagetest.FailStatements(db, nil)
		if err := db.Ping(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Ping() = %v; want ErrUnavailable", err)
		}
		if err := db.Vacuum(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// One round failed once in ten before new files were locked.
func TestOpenANewFileFromSeveralServersAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 20 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := openAndClose(t, filepath.Join(dir, fmt.Sprint(round))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// A process that came between a new file's first page and its write-ahead log
// was told that the file is locked.
func TestOpenAFileThatAnotherServerIsStillMaking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 50 {
		path := filepath.Join(dir, fmt.Sprint(round))
		first := make(chan error, 1)
		go func() { first <- openAndClose(t, path) }()
		for info, err := os.Stat(path); err != nil || info.Size() == 0; info, err = os.Stat(path) {
			runtime.Gosched()
		}
		if err := errors.Join(openAndClose(t, path), <-first); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func openAndClose(t *testing.T, path string) error {
	t.Helper()
	db, err := storage.Open(t.Context(), storage.Config{URL: sqliteURL(path)})
	if err != nil {
		return err
	}
	return db.Close()
}
