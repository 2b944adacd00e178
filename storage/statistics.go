package storage

import "context"

// What PostgreSQL knows of a table may be so wrong that plans suffer once the
// table has at least grownRows, and fewThen times as many as it knows of. From
// wellKnown on, its plans go by indexes however much more there is.
const (
	grownRows = 500
	wellKnown = 1000
	fewThen   = 4
)

// grown selects the tables of which PostgreSQL believes that they are small,
// and which are not. How many rows there are it counts as they come.
const grown = `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind = 'r' AND n.nspname = current_schema() AND pg_has_role(c.relowner, 'MEMBER')
		AND c.reltuples < ? AND pg_stat_get_live_tuples(c.oid) >= ? AND pg_stat_get_live_tuples(c.oid) > ? * c.reltuples
	ORDER BY c.relname`

// Analyze has PostgreSQL look again at the tables that have outgrown what it
// knows of them, and returns their names. It is for a job that runs every few
// seconds. SQLite plans by its indexes alone, so that there is nothing to do.
//
// A plan that was made while a table was empty or tiny reads it from end to
// end, and connections keep the plans of their statements until the table is
// analysed, which PostgreSQL does by itself a minute later: a new installation,
// or one whose night's purge left nothing, would be slow for the first minute
// of its day. See docs/decisions/0073-outgrown-plans.md.
func (db *DB) Analyze(ctx context.Context) (tables []string, err error) {
	if db.Dialect() != PostgreSQL {
		return nil, nil
	}
	if err := db.With(ctx).Raw(grown, wellKnown, grownRows, fewThen).Scan(&tables).Error; err != nil {
		return nil, Err("look for tables that have grown", err)
	}
	for _, table := range tables { // which the database quoted
		if err := db.With(ctx).Exec(`ANALYZE (SKIP_LOCKED) ` + table).Error; err != nil { // by another replica, or by itself
			return nil, Err("analyze table "+table, err)
		}
	}
	return tables, nil
}
