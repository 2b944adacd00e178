package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// oldestPostgres is the oldest major version that is tested.
const oldestPostgres = 15

const postgresConnectTimeout = 5 * time.Second

// postgresDefaults are the parameters of a connection that the URL may set
// otherwise: nothing waits for ever on a statement, a lock, or on us, and rows
// are joined one by one, each found by an index. A request's statement is about
// a handful of rows; that PostgreSQL goes through all of an index to join them
// comes of statistics that are behind, and it keeps such a plan. See
// docs/decisions/0073-outgrown-plans.md.
var postgresDefaults = map[string]string{
	"application_name":                    "countersign",
	"statement_timeout":                   "10s",
	"lock_timeout":                        "5s",
	"idle_in_transaction_session_timeout": "15s",
	"timezone":                            "UTC",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
}

func parsePostgresURL(raw string, u *url.URL) (target, error) {
	if u.User == nil && strings.Contains(raw, "@") {
		return target{}, errors.New("the database URL cannot be parsed: in a user or password, write other characters than " +
			"letters and digits percent-encoded (/ is %2F, ? is %3F)")
	}
	shown := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() // neither password nor parameters, one of which may be it
	cfg, err := pgx.ParseConfig(raw)
	if err != nil {
		cause := "its parameters are not understood"
		if inner := errors.Unwrap(err); inner != nil { // the outer one quotes the URL
			cause = inner.Error()
		}
		return target{}, fmt.Errorf("database URL %s cannot be used: %s; the parameters are those of libpq, such as sslmode=verify-full", shown, cause)
	}
	given := maps.Clone(cfg.RuntimeParams)
	maps.Copy(cfg.RuntimeParams, postgresDefaults)
	maps.Copy(cfg.RuntimeParams, given)
	if !u.Query().Has("connect_timeout") {
		cfg.ConnectTimeout = postgresConnectTimeout
	}
	return target{dialect: PostgreSQL, pg: cfg, shown: shown}, nil
}

func openPostgres(cfg *pgx.ConnConfig, conns int) *sql.DB {
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(readTimesAsUTC))
	limit(db, conns)
	return db
}

// readTimesAsUTC makes times come back as they went in, and not in the zone of
// this machine.
func readTimesAsUTC(_ context.Context, c *pgx.Conn) error {
	c.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// explainPostgres leaves out the driver's own text where it may quote the URL.
func (t target) explainPostgres(err error) (cause, remedy string) {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Sprintf("refused the connection: %s (SQLSTATE %s)", pg.Message, pg.Code), t.remedy(pg.Code)
	}
	remedy = "check that it runs and that the URL names its host and port"
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return "cannot be reached: " + op.Error(), remedy
	}
	if conn, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = conn.Unwrap()
	}
	first, _, _ := strings.Cut(err.Error(), "\n") // one line for each way that was tried
	return "cannot be reached: " + first, remedy
}

func (t target) remedy(code string) string {
	switch {
	case code == "28P01" || code == "28000":
		return "check the user and the password in the URL, and the server's pg_hba.conf"
	case code == "3D000":
		return fmt.Sprintf("create it with `createdb %s`, or correct the name at the end of the URL", t.pg.Database)
	case code == "53300":
		return "raise the server's max_connections, or lower COUNTERSIGN_DATABASE_MAX_CONNS"
	case code == "08P01":
		return "a connection pooler in between has to pass on startup parameters " +
			"(PgBouncer: name them in ignore_startup_parameters, and set them with ALTER ROLE)"
	case strings.HasPrefix(code, "57P"):
		return "it is starting or stopping: try again in a moment"
	default:
		return "see the server's log"
	}
}

// checkPostgres refuses a server on which this program cannot keep its
// promises and warns of settings that lose what was answered.
func (db *DB) checkPostgres(ctx context.Context, log *slog.Logger) error {
	var version int
	var encoding, fsync, commits, pages string
	var standby bool
	err := db.conns.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		pg_is_in_recovery(), current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')`).
		Scan(&version, &encoding, &standby, &fsync, &commits, &pages)
	if err == nil {
		_, err = db.FollowClock(ctx)
	}
	if err != nil {
		return db.target.explain(err)
	}
	shown := db.target.shown
	switch {
	case version/10000 < oldestPostgres:
		return fmt.Errorf("database %s is PostgreSQL %d; %d or newer is needed", shown, version/10000, oldestPostgres)
	case encoding != "UTF8":
		return fmt.Errorf("database %s has encoding %s; make one with `createdb --encoding=UTF8 --template=template0 NAME`", shown, encoding)
	case standby:
		return &openError{fmt.Sprintf("database %s is a standby, which cannot be written to; name the primary in the URL, "+
			"or all hosts with target_session_attrs=read-write", shown)}
	}
	if log != nil {
		db.warn(ctx, log, [][2]string{{"fsync", fsync}, {"synchronous_commit", commits}, {"full_page_writes", pages}})
	}
	return nil
}

// warn tells of what PostgreSQL loses or shows because of how it is set up.
func (db *DB) warn(ctx context.Context, log *slog.Logger, settings [][2]string) {
	for _, s := range settings {
		if s[1] == "off" {
			log.WarnContext(ctx, "the database may lose what was answered when it crashes: a setting is off", slog.String("setting", s[0]))
		}
	}
	if c := db.target.pg; c.TLSConfig == nil || c.TLSConfig.InsecureSkipVerify && c.TLSConfig.VerifyPeerCertificate == nil {
		if !local(c.Host) {
			log.WarnContext(ctx, "the connection to the database is not protected from who is in between: add sslmode=verify-full to its URL")
		}
	}
}

// local reports whether a host is this machine.
func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || err == nil && addr.IsLoopback()
}
