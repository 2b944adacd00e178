package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// row is a token that is kept.
type row struct {
	hash          []byte
	client, scope string
	expires       time.Time
}

// store keeps clients and tokens.
type store interface {
	client(ctx context.Context, id string) (secret []byte, err error)
	keep(ctx context.Context, rows ...row) error
	read(ctx context.Context, caller, token string) (found row, secret []byte, err error)
}

var schema = []string{
	`CREATE TABLE floor_clients (id text PRIMARY KEY, secret %[1]s NOT NULL)`,
	`CREATE TABLE floor_tokens (hash %[1]s PRIMARY KEY, client text NOT NULL REFERENCES floor_clients (id), scope text NOT NULL, expires bigint NOT NULL)`,
	`INSERT INTO floor_clients VALUES ('` + plain + `', %[2]s), ('` + signed + `', %[2]s)`,
}

const (
	selectClient = `SELECT secret FROM floor_clients WHERE id = $1`
	selectRow    = `SELECT t.client, t.scope, t.expires, c.secret FROM floor_clients c JOIN floor_tokens t ON t.hash = $2 WHERE c.id = $1`
	insertRow    = `INSERT INTO floor_tokens SELECT $1, c.id, $3, $4 FROM floor_clients c WHERE c.id = $2`
	insertRows   = `INSERT INTO floor_tokens SELECT n.hash, c.id, n.scope, n.expires
		FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) n (hash, client, scope, expires) JOIN floor_clients c ON c.id = n.client`
)

// postgres is a PostgreSQL database, reached without database/sql.
type postgres struct{ pool *pgxpool.Pool }

// connections are as many as Countersign opens.
const connections = 16

func openPostgres(ctx context.Context, address string) (store, error) { //nolint:ireturn // there are two
	pool, err := newPool(ctx, address)
	if err != nil {
		return nil, err
	}
	for _, statement := range schema {
		if _, err := pool.Exec(ctx, fmt.Sprintf(statement, "bytea", fmt.Sprintf(`'\x%x'`, mac(secret)))); err != nil {
			return nil, fmt.Errorf("make tables: %w", err)
		}
	}
	return postgres{pool}, nil
}

func newPool(ctx context.Context, address string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	cfg.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return pool, nil
}

func (p postgres) client(ctx context.Context, id string) (secret []byte, err error) {
	err = p.pool.QueryRow(ctx, selectClient, id).Scan(&secret)
	return secret, err
}

func (p postgres) keep(ctx context.Context, rows ...row) error {
	if len(rows) == 1 {
		one := rows[0]
		_, err := p.pool.Exec(ctx, insertRow, one.hash, one.client, one.scope, one.expires.Unix())
		return err
	}
	hashes, clients := make([][]byte, len(rows)), make([]string, len(rows))
	scopes, ends := make([]string, len(rows)), make([]int64, len(rows))
	for i, one := range rows {
		hashes[i], clients[i], scopes[i], ends[i] = one.hash, one.client, one.scope, one.expires.Unix()
	}
	_, err := p.pool.Exec(ctx, insertRows, hashes, clients, scopes, ends)
	return err
}

func (p postgres) read(ctx context.Context, caller, token string) (found row, secret []byte, err error) {
	var expires int64
	err = p.pool.QueryRow(ctx, selectRow, caller, mac(token)).Scan(&found.client, &found.scope, &expires, &secret)
	found.expires = time.Unix(expires, 0)
	return found, secret, err
}

// sqlite is a SQLite database as durable as Countersign's.
type sqlite struct{ find, insert, look *sql.Stmt }

func openSQLite(ctx context.Context, file string) (store, error) { //nolint:ireturn // there are two
	settings := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)"}, "_txlock": {"immediate"}}
	writer, err := sql.Open("sqlite", "file:"+file+"?"+settings.Encode())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	writer.SetMaxOpenConns(1)
	for _, statement := range schema {
		if _, err := writer.ExecContext(ctx, fmt.Sprintf(statement, "blob", fmt.Sprintf(`x'%x'`, mac(secret)))); err != nil {
			return nil, fmt.Errorf("make tables: %w", err)
		}
	}
	reader, err := sql.Open("sqlite", "file:"+file+"?"+settings.Encode())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	var s sqlite
	for _, one := range []struct {
		into *(*sql.Stmt)
		db   *sql.DB
		text string
	}{{&s.find, reader, selectClient}, {&s.insert, writer, insertRow}, {&s.look, reader, selectRow}} {
		if *one.into, err = one.db.PrepareContext(ctx, one.text); err != nil { //nolint:sqlclosecheck // they live as long as the program
			return nil, fmt.Errorf("prepare statement: %w", err)
		}
	}
	return s, nil
}

func (s sqlite) client(ctx context.Context, id string) (secret []byte, err error) {
	err = s.find.QueryRowContext(ctx, id).Scan(&secret)
	return secret, err
}

func (s sqlite) keep(ctx context.Context, rows ...row) error {
	for _, one := range rows {
		if _, err := s.insert.ExecContext(ctx, one.hash, one.client, one.scope, one.expires.Unix()); err != nil {
			return err
		}
	}
	return nil
}

func (s sqlite) read(ctx context.Context, caller, token string) (found row, secret []byte, err error) {
	var expires int64
	err = s.look.QueryRowContext(ctx, caller, mac(token)).Scan(&found.client, &found.scope, &expires, &secret)
	found.expires = time.Unix(expires, 0)
	return found, secret, err
}
