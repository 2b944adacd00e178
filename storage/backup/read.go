package backup

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/seal"
)

// File is a file that was read and found good. Its content lies in a private
// folder until [File.Close].
type File struct {
	Header Header

	stage stage
	keys  *seal.Keys
}

// Open reads a file into a folder within dir and checks all of it: that it was
// written with this key-encryption key, that nothing of it changed, that this
// release knows its schema, and that its content is whole. The content is
// brought up to date. Nothing else is touched. What is wrong with the file is
// a [FileError].
func Open(ctx context.Context, r io.Reader, keys *seal.Keys, dir string) (*File, error) {
	buffered := bufio.NewReader(r)
	h, err := readHeader(buffered, keys)
	if err != nil {
		return nil, err
	}
	s, err := newStage(dir)
	if err != nil {
		return nil, err
	}
	f := &File{h, s, keys}
	if err := f.unpack(ctx, buffered); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close removes the content.
func (f *File) Close() { f.stage.remove() }

func (f *File) unpack(ctx context.Context, r io.Reader) error {
	if err := decompress(r, f.Header, f.stage.path()); err != nil {
		return err
	}
	err := storage.Exclusive(ctx, f.stage.url(), func(c storage.Conn) error {
		if err := f.stage.check(ctx, c); err != nil {
			return err
		}
		tables, err := c.Tables(ctx)
		if err != nil {
			return err
		}
		rows, err := count(ctx, c, f.Header.Kind.kept(tables))
		if err == nil && !maps.Equal(rows, f.Header.Rows) {
			err = unusable(anotherCopy, "the file is damaged: it does not have the rows that its header says")
		}
		return err
	})
	if err != nil {
		return err
	}
	return f.stage.open(ctx, func(db *storage.DB) error {
		if err := f.update(ctx, db); err != nil {
			return err
		}
		return db.CheckKey(ctx, f.keys)
	})
}

// update brings the content's schema up to date.
func (*File) update(ctx context.Context, db *storage.DB) error {
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	err := db.CheckSameSchema(ctx)
	if e, ok := errors.AsType[*storage.SchemaError](err); ok {
		return unusable("use that release, or a newer one. Nothing was changed", "the file has schema %d and this program knows %d at most: a newer release wrote it", e.Database, e.Program)
	}
	return err
}

// ErrNotEmpty reports that the database has an installation already.
var ErrNotEmpty = errors.New("the database is not empty")

// WentOnError reports that the database is of the installation that an export is
// of, and has gone on since.
type WentOnError struct{ ExportedAt time.Time }

func (e *WentOnError) Error() string {
	return "the database is of the same installation as the export of " + e.ExportedAt.UTC().Format("2006-01-02 15:04:05 UTC") +
		", and has gone on since: what was revoked, used up or disapproved meanwhile would work again"
}

// Target is a database that a file goes into.
type Target struct {
	URL string
	// Replace lets an installation that is there go.
	Replace bool
}

// Restored is what a restore brought back and what it left out.
type Restored struct {
	At           time.Time `json:"restored_at"`
	Clients      int64     `json:"clients"`
	Accounts     int64     `json:"accounts"`
	KeptClients  bool      `json:"kept_approvals"`
	KeptAccounts bool      `json:"kept_accounts"`
}

// Restore puts the content into the database, as it may be after what nobody
// knows any more: see [Policy]. It happens as a whole, or not at all.
// [ErrNotEmpty] and [storage.ErrInUse] say that nothing was changed.
func (f *File) Restore(ctx context.Context, to Target, by audit.Actor, p Policy) (Restored, error) {
	done := Restored{KeptClients: p.KeepApprovals, KeptAccounts: p.KeepAccounts}
	err := f.stage.open(ctx, func(db *storage.DB) error {
		done.At = db.Now()
		return nil
	})
	if err != nil {
		return done, err
	}
	err = storage.Exclusive(ctx, f.stage.url(), func(c storage.Conn) error { return p.apply(ctx, c, f.Header, done.At) })
	if err != nil {
		return done, err
	}
	if err := f.record(ctx, by, "installation.restore", map[string]any{
		"backup_of": f.Header.CreatedAt, "keep_approvals": p.KeepApprovals, "keep_accounts": p.KeepAccounts,
	}); err != nil {
		return done, err
	}
	rows, err := f.put(ctx, to)
	done.Clients, done.Accounts = rows["clients"], rows["accounts"]
	return done, err
}

// Import puts the content of an export into the database as it is, so that it
// goes on there. It happens as a whole, or not at all. [WentOnError] refuses to
// put a database back in time.
func (f *File) Import(ctx context.Context, to Target, by audit.Actor) (map[string]int64, error) {
	if f.Header.Kind != Export {
		return nil, unusable("countersign restore FILE, which brings back nothing that was taken back since",
			"this file is a backup, and not an export: what was revoked after it was written would work again")
	}
	err := storage.Exclusive(ctx, f.stage.url(), func(c storage.Conn) error {
		_, err := c.ExecContext(ctx, `UPDATE installation SET moved_at = NULL`)
		return storage.Err("open the installation again", err)
	})
	if err != nil {
		return nil, err
	}
	if err := f.record(ctx, by, "installation.import", map[string]any{"exported_at": f.Header.CreatedAt, "from": f.Header.Database}); err != nil {
		return nil, err
	}
	return f.put(ctx, to)
}

// record keeps in the audit record what is done with the content.
func (f *File) record(ctx context.Context, by audit.Actor, action string, after map[string]any) error {
	return f.stage.open(ctx, func(db *storage.DB) error {
		return db.InTx(ctx, func(ctx context.Context) error {
			return audit.New(db).Record(ctx, by, audit.Change{
				Action: action, TargetType: "installation", TargetID: "1", TargetName: f.Header.Issuer, After: after,
			})
		})
	})
}

// put replaces what the target holds by the content.
func (f *File) put(ctx context.Context, to Target) (rows map[string]int64, err error) {
	if err := prepare(ctx, to); err != nil {
		return nil, err
	}
	err = f.stage.open(ctx, func(db *storage.DB) error {
		return db.Snapshot(ctx, func(from storage.Conn) error {
			return storage.Exclusive(ctx, to.URL, func(c storage.Conn) error {
				if f.Header.Kind == Export {
					if err := f.checkWentOn(ctx, from, c); err != nil {
						return err
					}
				}
				rows, err = replace(ctx, from, c, to.Replace)
				return err
			})
		})
	})
	return rows, err
}

// history is what tells installations apart, and whether one is served elsewhere.
type history struct {
	created time.Time
	moved   sql.NullTime
}

// histories returns that of the database, none for an empty one.
func histories(ctx context.Context, c storage.Conn) (found []history, err error) {
	rows, err := c.QueryContext(ctx, `SELECT created_at, moved_at FROM installation`)
	if err != nil {
		return nil, storage.Err("read the installation", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var h history
		if err := rows.Scan(&h.created, &h.moved); err != nil {
			return nil, storage.Err("read the installation", err)
		}
		found = append(found, h)
	}
	return found, storage.Err("read the installation", rows.Err())
}

// checkWentOn fails when the database that is to be replaced knows what the
// export does not: it is of the same installation, and is open, or was closed
// after the export was written.
func (f *File) checkWentOn(ctx context.Context, from, to storage.Conn) error {
	here, err := histories(ctx, to)
	if err != nil || len(here) == 0 {
		return err
	}
	file, err := histories(ctx, from)
	if err != nil || len(file) == 0 || !file[0].created.Equal(here[0].created) {
		return err
	}
	if !here[0].moved.Valid || here[0].moved.Time.After(f.Header.CreatedAt) {
		return &WentOnError{f.Header.CreatedAt}
	}
	return nil
}

// prepare makes the target's schema, or brings it up to date, once it is known
// that what is there may go and that nobody uses it.
func prepare(ctx context.Context, to Target) error {
	err := withTarget(ctx, to, func(db *storage.DB) error { return mayGo(ctx, db, to.Replace) })
	if err == nil {
		err = storage.Exclusive(ctx, to.URL, func(storage.Conn) error { return nil })
	}
	if err != nil {
		return err
	}
	return withTarget(ctx, to, func(db *storage.DB) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		return db.CheckSameSchema(ctx)
	})
}

func withTarget(ctx context.Context, to Target, fn func(*storage.DB) error) (err error) {
	db, err := storage.Open(ctx, storage.Config{URL: to.URL, MaxConns: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db)
}

// mayGo is [ErrNotEmpty] when the database has an installation that is not to
// be replaced.
func mayGo(ctx context.Context, db *storage.DB, willing bool) error { //nolint:revive // it is what the person asked for
	list, err := db.Migrations(ctx)
	if err != nil || list[0].AppliedAt.IsZero() {
		return err
	}
	var n int64
	err = db.With(ctx).Raw(`SELECT count(*) FROM installation`).Scan(&n).Error
	if err == nil && n > 0 && !willing {
		return ErrNotEmpty
	}
	return storage.Err("look at the database", err)
}

func replace(ctx context.Context, from, to storage.Conn, willing bool) (map[string]int64, error) { //nolint:revive // it is what the person asked for
	tables, err := sameTables(ctx, from, to)
	if err != nil {
		return nil, err
	}
	var n int64
	if err := to.QueryRowContext(ctx, `SELECT count(*) FROM installation`).Scan(&n); err != nil {
		return nil, storage.Err("look at the database", err)
	}
	if n > 0 && !willing {
		return nil, ErrNotEmpty
	}
	if err := to.Empty(ctx, tables); err != nil {
		return nil, err
	}
	rows, err := transfer(ctx, from, to, tables)
	if err != nil {
		return nil, err
	}
	there, err := count(ctx, to, tables)
	if err == nil && !maps.Equal(rows, there) {
		err = fmt.Errorf("the database does not hold what was written to it: %v instead of %v rows", there, rows)
	}
	return rows, err
}

// Reopen lets a database that was exported serve again. It is for an export
// that was never imported.
func Reopen(ctx context.Context, db *storage.DB, by audit.Actor) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		res := db.With(ctx).Exec(`UPDATE installation SET moved_at = NULL WHERE moved_at IS NOT NULL`)
		if res.Error != nil || res.RowsAffected == 0 {
			return storage.Err("open the database again", errors.Join(res.Error, notMoved(res.RowsAffected)))
		}
		return audit.New(db).Record(ctx, by, audit.Change{Action: "installation.reopen", TargetType: "installation", TargetID: "1"})
	})
}

func notMoved(rows int64) error {
	if rows > 0 {
		return nil
	}
	return storage.ErrNotFound
}
