package storage_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// older are migrations of before there was a release to roll an upgrade from.
var older = map[string]bool{"00008_bounds.sql": true}

// contract marks a migration that takes something away, for older releases to
// know: see docs/decisions/0060-backup-restore-move.md.
var contract = regexp.MustCompile(`(?i)UPDATE\s+schema_support\s+SET\s+oldest\s*=\s*\d+`)

// narrows are statements after which a release that does not know of them
// cannot go on.
var narrows = map[string]*regexp.Regexp{
	"a table or column is dropped":  regexp.MustCompile(`(?is)\bDROP\s+(TABLE|COLUMN|VIEW|SCHEMA)\b|ALTER\s+TABLE[^;]*?\bDROP\s+[^C(]`),
	"something is renamed":          regexp.MustCompile(`(?i)\bRENAME\b`),
	"a column changes its type":     regexp.MustCompile(`(?is)\bALTER\s+(COLUMN\s+)?\S+\s+(SET\s+DATA\s+)?TYPE\b`),
	"a column becomes required":     regexp.MustCompile(`(?i)\bSET\s+NOT\s+NULL\b`),
	"a default is taken away":       regexp.MustCompile(`(?i)\bDROP\s+DEFAULT\b`),
	"a constraint comes to a table": regexp.MustCompile(`(?is)ALTER\s+TABLE[^;]*?\bADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN)\b`),
}

var (
	addition = regexp.MustCompile(`(?i)ADD\s+COLUMN[^;,]*`)
	created  = regexp.MustCompile(`(?i)CREATE\s+TABLE\s+(\w+)`)
	unique   = regexp.MustCompile(`(?i)CREATE\s+UNIQUE\s+INDEX\s+\w+\s+ON\s+(\w+)[^;]*`)
	comment  = regexp.MustCompile(`--[^\n]*`)
)

// faults says what in a migration keeps older releases from going on.
func faults(text string) (found []string) {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	up = comment.ReplaceAllString(up, "")
	if contract.MatchString(up) {
		return nil
	}
	for what, pattern := range narrows {
		if pattern.MatchString(up) {
			found = append(found, what)
		}
	}
	for _, column := range addition.FindAllString(up, -1) {
		if strings.Contains(strings.ToUpper(column), "NOT NULL") && !strings.Contains(strings.ToUpper(column), "DEFAULT") {
			found = append(found, "a required column has no default: "+column)
		}
	}
	made := map[string]bool{}
	for _, table := range created.FindAllStringSubmatch(up, -1) {
		made[table[1]] = true
	}
	for _, index := range unique.FindAllStringSubmatch(up, -1) {
		if !made[index[1]] && !strings.Contains(strings.ToUpper(index[0]), "WHERE") { // of new columns, which older releases leave alone
			found = append(found, "an index refuses what was taken once: "+index[0])
		}
	}
	return found
}

// TestMigrationsOnlyAdd keeps an older release serving beside a newer one
// (INV-21): what it needs goes only in a marked migration, a release later.
func TestMigrationsOnlyAdd(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		files, err := filepath.Glob("migrations/" + dialect + "/*.sql")
		if err != nil || len(files) < 20 {
			t.Fatalf("%d migrations, %v", len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found := faults(string(text))
			if older[filepath.Base(file)] != (len(found) > 0) {
				t.Errorf("%s: %v. Take away in a later release only, in a migration that says UPDATE schema_support SET oldest = N, "+
					"where N is the newest migration of the oldest release that can go on", file, found)
			}
		}
	}
}

func TestFaultsOfMigrations(t *testing.T) {
	t.Parallel()
	for statement, bad := range map[string]bool{
		`CREATE TABLE x (id TEXT NOT NULL);`:                                         false,
		`ALTER TABLE clients ADD COLUMN x TEXT;`:                                     false,
		`ALTER TABLE clients ADD COLUMN x TEXT NOT NULL DEFAULT '';`:                 false,
		`DROP INDEX clients_name;`:                                                   false,
		`CREATE TABLE x (id TEXT); CREATE UNIQUE INDEX y ON x (id);`:                 false,
		`-- DROP TABLE clients`:                                                      false,
		"CREATE TABLE x (id TEXT);\n-- +goose Down\nDROP TABLE x;":                   false,
		`UPDATE schema_support SET oldest = 70; ALTER TABLE clients DROP COLUMN x;`:  false,
		`ALTER TABLE clients ADD COLUMN x TEXT NOT NULL;`:                            true,
		`ALTER TABLE clients DROP COLUMN name;`:                                      true,
		`DROP TABLE clients;`:                                                        true,
		`ALTER TABLE clients RENAME COLUMN a TO b;`:                                  true,
		`ALTER TABLE clients ALTER COLUMN a TYPE BIGINT;`:                            true,
		`ALTER TABLE clients ALTER COLUMN a SET NOT NULL;`:                           true,
		`ALTER TABLE clients ADD CONSTRAINT c CHECK (a > 0);`:                        true,
		`CREATE UNIQUE INDEX y ON clients (name);`:                                   true,
		"ALTER TABLE clients ADD COLUMN x TEXT NOT NULL; -- +goose Down\nDEFAULT ''": true,
	} {
		if found := faults(statement); (len(found) > 0) != bad {
			t.Errorf("%s: %v", statement, found)
		}
	}
}
