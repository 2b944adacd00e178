package storage

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

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
}

func (e *SchemaError) Error() string {
	if e.Database > e.Program {
		return fmt.Sprintf("the database has schema %d and this program knows %d at most: "+
			"it was migrated by a newer release; run that release, or restore the backup made before the upgrade", e.Database, e.Program)
	}
	return fmt.Sprintf("the database has schema %d and this program needs %d: run `countersign migrate up`", e.Database, e.Program)
}

// Migrate brings the schema up to date, one transaction a migration, under a
// lock that holds back other processes. It refuses a schema newer than its own
// with a [SchemaError].
func (db *DB) Migrate(ctx context.Context) error {
	unlock, err := db.lockMigrations()
	if err != nil {
		return err
	}
	defer unlock()
	p, err := db.migrator()
	if err != nil {
		return err
	}
	if err := db.checkNotNewer(ctx, p); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// CheckSchema returns a [SchemaError] unless the schema is this program's.
func (db *DB) CheckSchema(ctx context.Context) error {
	p, err := db.migrator()
	if err != nil {
		return err
	}
	current, newest, err := p.GetVersions(ctx)
	if err != nil {
		return Err("read the schema's version", err)
	}
	if current != newest {
		return &SchemaError{Database: current, Program: newest}
	}
	return nil
}

// Migrations lists the migrations of this program in order.
func (db *DB) Migrations(ctx context.Context) ([]Migration, error) {
	p, err := db.migrator()
	if err != nil {
		return nil, err
	}
	if err := db.checkNotNewer(ctx, p); err != nil {
		return nil, err
	}
	status, err := p.Status(ctx)
	if err != nil {
		return nil, Err("list migrations", err)
	}
	list := make([]Migration, len(status))
	for i, s := range status {
		list[i] = Migration{Version: s.Source.Version, Name: s.Source.Path, AppliedAt: s.AppliedAt}
	}
	return list, nil
}

func (db *DB) checkNotNewer(ctx context.Context, p *goose.Provider) error {
	current, newest, err := p.GetVersions(ctx)
	if err != nil {
		return Err("read the schema's version", err)
	}
	if current > newest {
		return &SchemaError{Database: current, Program: newest}
	}
	return nil
}

func (db *DB) migrator() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/"+string(db.dialect))
	if err != nil {
		return nil, err
	}
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption(nil)
	if db.dialect == PostgreSQL {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, err
		}
		dialect, opts = goose.DialectPostgres, append(opts, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, db.conns, files, opts...)
}

// Columns lists the columns of every table, as "table.column", in order. The
// test that holds the record types against the schema reads it.
func (db *DB) Columns(ctx context.Context) ([]string, error) {
	query := `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1`
	if db.dialect == PostgreSQL {
		query = `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1`
	}
	var columns []string
	err := db.With(ctx).Raw(query).Scan(&columns).Error
	return columns, Err("list columns", err)
}

// Vacuum gives the space of deleted rows back where the database does not do
// so by itself.
func (db *DB) Vacuum(ctx context.Context) error {
	if db.dialect != SQLite {
		return nil
	}
	_, err := db.conns.ExecContext(ctx, "PRAGMA incremental_vacuum")
	return Err("vacuum", err)
}
