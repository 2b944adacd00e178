package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// serverVariable names the server, as .ci/with-postgres sets it.
const serverVariable = "COUNTERSIGN_TEST_POSTGRES"

// cluster is the PostgreSQL server.
type cluster struct {
	url *url.URL
	sql *sql.DB
	pid int
}

// openCluster opens the server of the environment. One that is not durable is
// refused: its figures would tell nothing.
func openCluster(ctx context.Context) (*cluster, error) {
	u, err := url.Parse(os.Getenv(serverVariable))
	if err != nil || u.Scheme == "" {
		return nil, fmt.Errorf("%s names no server; run this by `make bench`", serverVariable)
	}
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	c := &cluster{url: u, sql: db}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := db.QueryRowContext(ctx, "SELECT current_setting($1)", setting).Scan(&value); err != nil {
			return nil, fmt.Errorf("ask PostgreSQL for %s: %w", setting, err)
		}
		if value != "on" {
			return nil, fmt.Errorf("%s is %s on the server that %s names; unset it and run this by `make bench`", setting, value, serverVariable)
		}
	}
	var file string
	if err := db.QueryRowContext(ctx, "SELECT pg_read_file('postmaster.pid')").Scan(&file); err != nil {
		return nil, fmt.Errorf("find PostgreSQL's process: %w", err)
	}
	first, _, _ := strings.Cut(file, "\n")
	if c.pid, err = strconv.Atoi(first); err != nil {
		return nil, fmt.Errorf("find PostgreSQL's process: %w", err)
	}
	_, err = db.ExecContext(ctx, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
	return c, err
}

func (c *cluster) create(ctx context.Context, name string) error {
	_, err := c.sql.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'")
	return err
}

// of returns the URL of a database.
func (c *cluster) of(name string) string {
	u := *c.url
	u.Path = "/" + name
	return u.String()
}

func (c *cluster) open(name string) (*sql.DB, error) { return sql.Open("pgx", c.of(name)) }

// count returns what tells how many statements ran in a database.
func (c *cluster) count(ctx context.Context, name string) func() (int64, error) {
	ctx = context.WithoutCancel(ctx) // what goes on when the run is interrupted is still measured whole
	return func() (n int64, err error) {
		err = c.sql.QueryRowContext(ctx, `SELECT COALESCE(sum(calls), 0)::bigint FROM pg_stat_statements
			WHERE dbid = (SELECT oid FROM pg_database WHERE datname = $1)`, name).Scan(&n)
		return n, err
	}
}
