package account_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// manyMore adds a thousand activities of an account, with keys in order.
const manyMore = `WITH RECURSIVE n (i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
	INSERT INTO account_activities (id, account_id, at, kind, methods, failures, client_name, ip, user_agent)
	SELECT ? || i, ?, ?, 'consent', '', 0, '', '', '' FROM n`

// byKey is a step of a plan that takes an activity by its key.
var byKey = regexp.MustCompile(`^account_activities (by account_activities_pkey|USING .*\(id=\?\))$`)

// To make room for an activity, one's own were looked for among everybody's,
// from the newest: 1,483 pages were read for 16 people who use the server much,
// and up to 5,781 where the table had grown since it was analysed.
func TestMakingRoomForAnActivityReadsOnesOwn(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		var people []string
		for n := range 16 {
			people = append(people, create(t, s, fmt.Sprintf("user%d", n)).ID)
		}
		for n := range 95 {
			for _, id := range people {
				insert := `INSERT INTO account_activities (id, account_id, at, kind, methods, failures, client_name, ip, user_agent) VALUES (?, ?, ?, 'consent', '', 0, '', '', '')`
				if err := db.With(t.Context()).Exec(insert, fmt.Sprintf("%04d %s", n, id), id, db.Now()).Error; err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := db.With(t.Context()).Exec("ANALYZE").Error; err != nil {
			t.Fatal(err)
		}
		for n, id := range people[1:] {
			if err := db.With(t.Context()).Exec(manyMore, fmt.Sprintf("9%03d ", n), id, db.Now()).Error; err != nil {
				t.Fatal(err)
			}
		}
		var making []string
		db.SetHook(func(_ context.Context, statement string) error {
			if strings.Contains(statement, "DELETE") {
				making = append(making, statement)
			}
			return nil
		})
		if err := s.Note(t.Context(), account.Activity{AccountID: people[0], Kind: account.Consented}); err != nil {
			t.Fatal(err)
		}
		db.SetHook(nil)
		if len(making) != 1 {
			t.Fatalf("room is made by %q; want one statement", making)
		}
		for _, step := range storagetest.PlanOf(t, db, making[0]) {
			if strings.Contains(step, "account_activities") && !strings.Contains(step, "account_activities_account_id") && !byKey.MatchString(step) {
				t.Errorf("%s: %s", making[0], step)
			}
		}
		if db.Dialect() == storage.PostgreSQL {
			wantRowsRead(t, db, 250, func(ctx context.Context) error {
				return s.Note(ctx, account.Activity{AccountID: people[0], Kind: account.Consented})
			})
		}
	})
}

// wantRowsRead fails if more rows of activities are read than those, by indexes:
// where there are few accounts, all may be as cheap as one's own.
func wantRowsRead(t *testing.T, db *storage.DB, most int64, do func(context.Context) error) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.With(ctx).Exec(`SET LOCAL enable_seqscan = off`).Error; err != nil {
			return err
		}
		before, err := rowsRead(ctx, db)
		if err == nil {
			err = do(ctx)
		}
		if err != nil {
			return err
		}
		after, err := rowsRead(ctx, db)
		if after-before > most {
			t.Errorf("%d rows are read; want at most %d", after-before, most)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rowsRead is how many rows of activities the connection read since PostgreSQL
// last counted them together with what others read.
func rowsRead(ctx context.Context, db *storage.DB) (n int64, err error) {
	err = db.With(ctx).Raw(`SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'account_activities'`).Scan(&n).Error
	return n, err
}

// The decision about a device, of which a note is a part, was planned anew for
// each by half of the connections, which took the database as long again: the
// account had fewer activities than others, so that a plan for it looked better
// than one for anybody.
func TestNotingAnActivityIsPlannedOnce(t *testing.T) {
	t.Parallel()
	db := storagetest.OpenPostgres(t)
	s := open(t, db)
	one := create(t, s, "one").ID
	for n := range 4 {
		if err := db.With(t.Context()).Exec(manyMore, fmt.Sprintf("9%03d ", n), create(t, s, fmt.Sprintf("user%d", n)).ID, db.Now()).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := db.With(t.Context()).Exec(`ANALYZE`).Error; err != nil {
		t.Fatal(err)
	}
	var plans []int64
	err := db.InTx(t.Context(), func(ctx context.Context) error { // all on one connection
		for range 20 {
			if err := s.Note(ctx, account.Activity{AccountID: one, Kind: account.Consented}); err != nil {
				return err
			}
		}
		return db.With(ctx).Raw(`SELECT custom_plans FROM pg_prepared_statements WHERE statement LIKE 'WITH noting%'`).Scan(&plans).Error
	})
	if err != nil || len(plans) != 1 || plans[0] > 5 {
		t.Errorf("%v plans were made, %v; want at most the five of which PostgreSQL learns what to expect, of one statement", plans, err)
	}
}

// Who makes room for activities of one account at once deletes the same rows.
func TestActivitiesNotedAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := open(t, db)
		one := create(t, s, "one").ID
		if err := db.With(t.Context()).Exec(manyMore, "0 ", one, db.Now()).Error; err != nil {
			t.Fatal(err)
		}
		note := func(ctx context.Context) error {
			return s.Note(ctx, account.Activity{AccountID: one, Kind: account.Consented})
		}
		g, ctx := errgroup.WithContext(t.Context())
		for range 8 {
			g.Go(func() error {
				for range 25 {
					if err := note(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := note(t.Context()); err != nil {
			t.Fatal(err)
		}
		var kept, newest int64
		err := db.With(t.Context()).Raw(`SELECT count(*), count(CASE WHEN id > '0 9' THEN 1 END) FROM account_activities WHERE account_id = ?`, one).Row().Scan(&kept, &newest)
		if err != nil || kept != 100 || newest != 100 {
			t.Errorf("%d are kept, %d of them of the newest 201, %v; want 100", kept, newest, err)
		}
	})
}
