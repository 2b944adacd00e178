package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// Origin is what a file says of where it comes from.
type Origin struct {
	Issuer  string
	Program string
}

// Writer writes files.
type Writer struct {
	Keys   *seal.Keys
	Origin Origin
	// Dir is where the content is put together; it needs room for twice the
	// database. Nobody else can read what is there.
	Dir string
}

// Backup writes a backup of the database as it is at one moment. Servers go on
// writing.
func (w Writer) Backup(ctx context.Context, db *storage.DB, to io.Writer) (Header, error) {
	if err := db.CheckSameSchema(ctx); err != nil {
		return Header{}, err
	}
	var h Header
	err := db.Snapshot(ctx, func(from storage.Conn) (err error) {
		h, err = w.write(ctx, from, Backup, db.Now(), to)
		return err
	})
	return h, err
}

// Export writes all of the database into a file and marks the database as one
// that is served elsewhere from now on; it serves no more. finish makes the
// file last before the mark does. The database has to be closed, here and
// everywhere: [storage.ErrInUse] says that it is not. Exporting it again is
// another copy of the same.
func (w Writer) Export(ctx context.Context, raw string, at time.Time, to io.Writer, finish func() error) (Header, error) {
	var h Header
	err := storage.Exclusive(ctx, raw, func(from storage.Conn) (err error) {
		if h, err = w.write(ctx, from, Export, at, to); err != nil {
			return err
		}
		if err := finish(); err != nil {
			return err
		}
		_, err = from.ExecContext(ctx, from.Rebind(`UPDATE installation SET moved_at = COALESCE(moved_at, ?)`), at)
		return storage.Err("mark the database as moved", err)
	})
	return h, err
}

// write puts the tables into a SQLite database and that into a file.
func (w Writer) write(ctx context.Context, from storage.Conn, kind Kind, at time.Time, to io.Writer) (h Header, err error) {
	s, err := newStage(w.Dir)
	if err != nil {
		return h, err
	}
	defer s.remove()
	h = Header{Kind: kind, CreatedAt: at, Issuer: w.Origin.Issuer, Program: w.Origin.Program, Database: string(from.Dialect)}
	if h.Schema, err = s.create(ctx); err != nil {
		return h, err
	}
	err = storage.Exclusive(ctx, s.url(), func(stage storage.Conn) error {
		tables, err := sameTables(ctx, from, stage)
		if err == nil {
			h.Rows, err = transfer(ctx, from, stage, kind.kept(tables))
		}
		if err == nil {
			err = s.check(ctx, stage)
		}
		return err
	})
	if err != nil {
		return h, err
	}
	packed, err := os.Create(filepath.Join(s.dir, "content.gz"))
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, packed.Close()) }()
	if h.Size, h.SHA256, err = compress(packed, s.path()); err != nil {
		return h, err
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return h, err
	}
	return h, writeFile(to, h, w.Keys, packed)
}

// stage is a private folder with a SQLite database that is the content of a
// file.
type stage struct{ dir string }

func newStage(parent string) (stage, error) {
	dir, err := os.MkdirTemp(parent, ".countersign-") // with mode 0700
	if err != nil {
		return stage{}, fmt.Errorf("make a folder for the content: %w", err)
	}
	dir, err = filepath.Abs(dir)
	return stage{dir}, err
}

func (s stage) remove() { _ = os.RemoveAll(s.dir) } // nobody else can read what is left

func (s stage) path() string { return filepath.Join(s.dir, "content.db") }

func (s stage) url() string { return (&url.URL{Scheme: "sqlite", Path: s.path()}).String() }

// create makes the database with the schema of this program, whose newest
// migration it returns, or brings one that is there up to date.
func (s stage) create(ctx context.Context) (schema int64, err error) {
	err = s.open(ctx, func(db *storage.DB) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		list, err := db.Migrations(ctx)
		if err == nil {
			schema = list[len(list)-1].Version
		}
		return err
	})
	return schema, err
}

// open opens the database for as long as fn runs.
func (s stage) open(ctx context.Context, fn func(*storage.DB) error) (err error) {
	db, err := storage.Open(ctx, storage.Config{URL: s.url()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db)
}

// check fails when SQLite finds a fault in the database, or a row that refers
// to one that is not there.
func (stage) check(ctx context.Context, c storage.Conn) error {
	var verdict string
	if err := c.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return storage.Err("check the content", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("check the content: %s", verdict)
	}
	var orphans int64
	if err := c.QueryRowContext(ctx, `SELECT count(*) FROM pragma_foreign_key_check`).Scan(&orphans); err != nil {
		return storage.Err("check the content", err)
	}
	if orphans > 0 {
		return fmt.Errorf("check the content: %d rows refer to others that are not there", orphans)
	}
	return nil
}
