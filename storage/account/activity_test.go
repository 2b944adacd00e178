package account_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/storagetest"
)

// To make room for an activity, one's own were looked for among everybody's,
// from the newest: 1,483 pages were read for 16 people who use the server much.
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
			if strings.Contains(step, "account_activities") && !strings.Contains(step, "account_activities_account_id") {
				t.Errorf("%s: %s", making[0], step)
			}
		}
	})
}
