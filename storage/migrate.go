package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrationLock is the advisory lock that PostgreSQL servers migrate under.
const migrationLock = 0x636f756e74657273 // "counters"

// Migration is one numbered step of the schema.
type Migration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	// AppliedAt is zero while the migration is pending.
	AppliedAt time.Time `json:"applied_at,omitzero"`
}

// SchemaError reports a database whose schema this program cannot serve.
type SchemaError struct {
	// Database and Program are the newest migration of each.
	Database, Program int64
	// Oldest is what the newest migration of a program has to be for it to
	// serve the database; 0 when the database does not say.
	Oldest int64
}

func (e *SchemaError) Error() string {
	if e.Database > e.Program {
		return fmt.Sprintf("the database has schema %d and this program knows %d at most: it was migrated by a newer release; "+
			"run that release, or restore the backup made before the upgrade; nothing was changed", e.Database, e.Program)
	}
	return fmt.Sprintf("the database has schema %d and this program needs %d: run `countersign migrate up`", e.Database, e.Program)
}

// Migrate brings the schema up to date, one transaction a migration, under a
// lock that holds back other processes. It leaves alone a schema that is up to
// date, and one that is newer and still serves this program, as
// [DB.CheckSchema] has it.
func (db *DB) Migrate(ctx context.Context) error {
	current, newest, err := db.versions(ctx)
	if err != nil || current == newest {
		return err
	}
	if current > newest {
		return db.checkNewer(ctx, current, newest)
	}
	conns, unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return Err("lock the database for migration", err)
	}
	defer unlock()
	if current, newest, err = db.versions(ctx); err != nil {
		return err
	}
	if current > newest {
		return db.checkNewer(ctx, current, newest)
	}
	dialect := goose.DialectSQLite3
	if db.Dialect() == PostgreSQL {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, conns, db.migrations())
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return Err("migrate the database", up(ctx, p))
}

const (
	// migrationWait is how long a migration waits for a table that requests
	// use. Whoever comes after it waits behind it, so that is short; it is also
	// shorter than PostgreSQL takes to find a deadlock, which could end a
	// request instead.
	migrationWait = "300ms"
	// migrationTries bounds how often it tries again.
	migrationTries = 100
	migrationPause = 200 * time.Millisecond
)

// up applies the migrations. One that found a table in use has left nothing
// behind, and is tried again.
func up(ctx context.Context, p *goose.Provider) (err error) {
	for range migrationTries {
		if _, err = p.Up(ctx); !inUse(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(migrationPause):
		}
	}
	return err
}

// inUse reports whether PostgreSQL refused to wait for a lock any longer.
func inUse(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "55P03" || e.Code == "40P01") // lock_not_available, deadlock_detected
}

// lockMigrations waits until no other process migrates and returns the
// connections to migrate with: a migration may take longer than a statement
// of the server.
func (db *DB) lockMigrations(ctx context.Context) (conns *sql.DB, unlock func(), err error) {
	if db.Dialect() == SQLite {
		unlock, err = lockFile(ctx, db.target.path+".migrating")
		return db.conns, unlock, err
	}
	cfg := db.target.unbounded()
	cfg.RuntimeParams["lock_timeout"] = migrationWait
	conns = openPostgres(cfg, 2) // one holds the lock, one migrates
	conn, err := conns.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, conns.Close())
	}
	if _, err = conn.ExecContext(ctx, `SET lock_timeout = 0`); err == nil {
		_, err = conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock))
	}
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close(), conns.Close())
	}
	return conns, func() {
		_ = conn.Close()  // gives the connection back,
		_ = conns.Close() // which ends it, and with it the lock
	}, nil
}

// CheckSchema returns a [SchemaError] unless this program can serve the schema:
// it is this program's, or that of a newer release which took nothing away that
// this one needs.
func (db *DB) CheckSchema(ctx context.Context) error {
	current, newest, err := db.versions(ctx)
	switch {
	case err != nil || current == newest:
		return err
	case current > newest:
		return db.checkNewer(ctx, current, newest)
	default:
		return &SchemaError{Database: current, Program: newest}
	}
}

// CheckSameSchema returns a [SchemaError] unless the schema is exactly this
// program's, which alone knows what every table and column of it means.
func (db *DB) CheckSameSchema(ctx context.Context) error {
	current, newest, err := db.versions(ctx)
	if err == nil && current != newest {
		return &SchemaError{Database: current, Program: newest}
	}
	return err
}

// checkNewer refuses a newer schema that does not serve this program any more.
func (db *DB) checkNewer(ctx context.Context, current, newest int64) error {
	oldest, err := db.oldest(ctx)
	if err == nil && (oldest == 0 || oldest > newest) {
		return &SchemaError{Database: current, Program: newest, Oldest: oldest}
	}
	return err
}

// oldest reads which programs the schema serves; 0 when it does not say.
func (db *DB) oldest(ctx context.Context) (oldest int64, err error) {
	err = db.With(ctx).Raw(`SELECT oldest FROM schema_support WHERE id = 1`).Scan(&oldest).Error
	return oldest, Err("read which releases the schema serves", err)
}

// Migrations lists the migrations of this program in order.
func (db *DB) Migrations(ctx context.Context) ([]Migration, error) {
	applied, err := db.applied(ctx)
	if err != nil {
		return nil, err
	}
	list, err := db.known()
	for i := range list {
		list[i].AppliedAt = applied[list[i].Version]
	}
	return list, err
}

// versions returns the newest migration of the database and of this program.
func (db *DB) versions(ctx context.Context) (current, newest int64, err error) {
	applied, err := db.applied(ctx)
	if err != nil {
		return 0, 0, err
	}
	for version := range applied {
		current = max(current, version)
	}
	list, err := db.known()
	if err != nil {
		return 0, 0, err
	}
	return current, list[len(list)-1].Version, nil
}

// known lists the migrations of this program.
func (db *DB) known() ([]Migration, error) {
	names, err := fs.Glob(db.migrations(), "*.sql") // in order
	if err != nil {
		return nil, err
	}
	list := make([]Migration, len(names))
	for i, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		list[i] = Migration{Version: version, Name: name}
	}
	return list, nil
}

// applied reads goose's table of versions, if there is one. It changes
// nothing, which goose's own way to ask would.
func (db *DB) applied(ctx context.Context) (map[int64]time.Time, error) {
	const doing = "read the schema's version"
	exists := `SELECT count(*) FROM sqlite_schema WHERE name = 'goose_db_version'`
	if db.Dialect() == PostgreSQL {
		exists = `SELECT count(*) FROM pg_class WHERE oid = to_regclass('goose_db_version')`
	}
	var n int
	if err := db.With(ctx).Raw(exists).Scan(&n).Error; err != nil || n == 0 {
		return nil, Err(doing, err)
	}
	var rows []struct {
		VersionID int64
		Tstamp    time.Time
	}
	if err := db.With(ctx).Raw(`SELECT version_id, tstamp FROM goose_db_version WHERE version_id > 0`).Scan(&rows).Error; err != nil {
		return nil, Err(doing, err)
	}
	applied := make(map[int64]time.Time, len(rows))
	for _, r := range rows {
		applied[r.VersionID] = r.Tstamp.UTC()
	}
	return applied, nil
}

func (db *DB) migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations/"+string(db.Dialect()))
	if err != nil {
		panic(err) // the path is well-formed
	}
	return files
}
