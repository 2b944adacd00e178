package clientstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// TestListOrders goes through a list in every order, forwards and back.
func TestListOrders(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock, ids := newStore(t, db), storagetest.Clock(db), map[string]string{}
		for _, name := range []string{"gamma", "Alpha", "beta", "Delta", "alphb"} {
			c, _ := register(t, clients, webClient(name))
			ids[name] = c.ID
			clock.Advance(time.Microsecond)
		}
		for _, name := range []string{"Delta", "gamma", "alphb"} {
			if err := db.With(t.Context()).Exec(`UPDATE clients SET used_at = ? WHERE id = ?`, db.Now(), ids[name]).Error; err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Hour)
		}
		unused, reversed := "alpha beta", "beta alpha" // by key, for they were never used
		if ids["beta"] < ids["Alpha"] {
			unused, reversed = reversed, unused
		}
		for sort, want := range map[clientstore.Sort]string{
			"":                     "alpha alphb beta delta gamma",
			clientstore.ByName:     "alpha alphb beta delta gamma",
			clientstore.ByNameBack: "gamma delta beta alphb alpha",
			clientstore.Oldest:     "gamma alpha beta delta alphb",
			clientstore.Newest:     "alphb delta beta alpha gamma",
			clientstore.LastUsed:   "alphb gamma delta " + reversed,
			clientstore.LeastUsed:  unused + " delta gamma alphb",
		} {
			page := func(f clientstore.Filter) []clientstore.Client {
				f.Sort, f.Limit = sort, 2
				list, err := clients.List(t.Context(), f)
				if err != nil {
					t.Fatalf("%s: %v", sort, err)
				}
				return list
			}
			var forwards [][]clientstore.Client
			for f := (clientstore.Filter{}); ; {
				list := page(f)
				if len(list) == 0 {
					break
				}
				forwards = append(forwards, list)
				f.After = list[len(list)-1].CursorBy(sort)
			}
			if got := strings.ToLower(strings.Join(names(slices.Concat(forwards...)), " ")); got != want {
				t.Errorf("%s: %s; want %s", sort, got, want)
			}
			for i := len(forwards) - 1; i > 0; i-- {
				back := page(clientstore.Filter{Before: forwards[i][0].CursorBy(sort)})
				if !slices.EqualFunc(back, forwards[i-1], func(a, b clientstore.Client) bool { return a.ID == b.ID }) {
					t.Errorf("%s: the page before is %v; want %v", sort, names(back), names(forwards[i-1]))
				}
			}
		}
	})
}

func names(list []clientstore.Client) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Name
	}
	return out
}

// TestListPlan holds the statement of every page against the database's own
// plan for it: an index has the clients in their order, so that a page costs
// the same however many there are.
func TestListPlan(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		many(t, db, clients, 10_000)
		for _, sort := range []clientstore.Sort{clientstore.ByName, clientstore.ByNameBack, clientstore.Oldest, clientstore.Newest, clientstore.LeastUsed, clientstore.LastUsed} {
			for _, f := range []clientstore.Filter{
				{}, {Type: clientstore.OIDC}, {Status: clientstore.Pending}, {Type: clientstore.OIDC, Status: clientstore.Pending},
			} {
				f.Sort, f.Limit = sort, 50
				first, err := clients.List(t.Context(), f)
				if err != nil || len(first) != 50 {
					t.Fatalf("%+v: %d clients, %v", f, len(first), err)
				}
				wantIndexed(t, db, clients, f)
				f.After = first[49].CursorBy(sort)
				wantIndexed(t, db, clients, f)
			}
		}
	})
}

// wantIndexed fails unless the list is read from an index in its order.
func wantIndexed(t *testing.T, db *storage.DB, clients *clientstore.Store, f clientstore.Filter) {
	t.Helper()
	statement, values, err := clients.ListStatement(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	explain := "EXPLAIN QUERY PLAN "
	if db.Dialect() == storage.PostgreSQL {
		explain = "EXPLAIN "
	}
	conn, err := db.With(t.Context()).DB()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(t.Context(), explain+statement, values...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // all of it is read
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var line string
		into := []any{&id, &parent, &unused, &line}
		if db.Dialect() == storage.PostgreSQL {
			into = []any{&line}
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(plan.String())
	if strings.Contains(text, "sort") || strings.Contains(text, "temp b-tree") || strings.Contains(text, "seq scan") || !strings.Contains(text, "index") {
		t.Errorf("%+v: the plan is not by an index:\n%s%s", f, statement, plan.String())
	}
}

// many keeps clients of every type and status, without the work of registering
// each.
func many(tb testing.TB, db *storage.DB, clients *clientstore.Store, n int) {
	tb.Helper()
	c, _, err := clients.Register(tb.Context(), ada, webClient("Model"))
	if err != nil {
		tb.Fatal(err)
	}
	types := []clientstore.Type{clientstore.OAuth1, clientstore.OAuth2, clientstore.OIDC}
	statuses := []clientstore.Status{clientstore.Pending, clientstore.Approved, clientstore.Disapproved}
	batch := make([]clientstore.Client, 0, n)
	for i := range n {
		one := *c
		one.ID, one.Name = fmt.Sprintf("client%d", i), fmt.Sprintf("Client %d", (i*7919)%n)
		one.Type, one.Status = types[i%3], statuses[(i/3)%3]
		if i%4 != 0 {
			at := c.CreatedAt.Add(time.Duration((i*7919)%n) * time.Second)
			one.UsedAt = &at
		}
		one.CreatedAt = c.CreatedAt.Add(time.Duration(i) * time.Second)
		batch = append(batch, one)
	}
	if err := db.With(tb.Context()).CreateInBatches(batch, 500).Error; err != nil {
		tb.Fatal(err)
	}
	if err := db.With(tb.Context()).Exec("ANALYZE").Error; err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkListFirstPage reads the first page of 10,000 clients on SQLite.
func BenchmarkListFirstPage(b *testing.B) {
	db := storagetest.Open(b)
	clients := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(b), Audit: audit.New(db), Policy: clientstore.Default})
	many(b, db, clients, 10_000)
	for b.Loop() {
		if list, err := clients.List(b.Context(), clientstore.Filter{Limit: 50}); err != nil || len(list) != 50 {
			b.Fatal(len(list), err)
		}
	}
}

// TestSubmission sends a form again and again: it makes one client, and who
// sent it sees the secret for some minutes.
func TestSubmission(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock := newStore(t, db), storagetest.Clock(db)
		r := webClient("Modeler")
		r.Once = clientstore.NewSubmission()
		if _, _, err := clients.Submitted(t.Context(), ada, r.Once); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("before it is sent: %v", err)
		}
		c, secret := register(t, clients, r)
		if _, _, err := clients.Register(t.Context(), ada, r); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a second time: %v; want ErrConflict", err)
		}
		again, shown, err := clients.Submitted(t.Context(), ada, r.Once)
		if err != nil || again.ID != c.ID || shown != secret || secret == "" {
			t.Errorf("Submitted() = %v, %q, %v; want the client and its secret", again, shown, err)
		}
		eve := ada
		eve.AccountID = "eve-id"
		if _, _, err := clients.Submitted(t.Context(), eve, r.Once); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("to somebody else: %v", err)
		}
		rotation := clientstore.Rotation{Once: clientstore.NewSubmission(), Overlap: time.Hour}
		if _, secret, err = clients.RotateSecret(t.Context(), ada, c.ID, rotation); err != nil {
			t.Fatal(err)
		}
		if _, _, err := clients.RotateSecret(t.Context(), ada, c.ID, rotation); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("rotated a second time: %v; want ErrConflict", err)
		}
		if again, shown, err := clients.Submitted(t.Context(), ada, rotation.Once); err != nil || len(again.Secrets) != 2 || shown != secret {
			t.Errorf("Submitted() = %v, %q, %v; want two secrets", again, shown, err)
		}
		clock.Advance(11 * time.Minute)
		if _, shown, err := clients.Submitted(t.Context(), ada, r.Once); err != nil || shown != "" {
			t.Errorf("after some minutes: %q, %v", shown, err)
		}
		if _, err := clients.Purge(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		var kept int64
		db.With(t.Context()).Raw(`SELECT COUNT(*) FROM client_submissions WHERE secret IS NOT NULL`).Scan(&kept)
		if kept != 0 {
			t.Errorf("%d secrets are kept", kept)
		}
		clock.Advance(24 * time.Hour)
		if _, err := clients.Purge(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		if _, _, err := clients.Submitted(t.Context(), ada, r.Once); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("after a day: %v", err)
		}
	})
}

// TestWaiting counts what the menu says.
func TestWaiting(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("One"))
		register(t, clients, webClient("Two"))
		expect := func(limit, want int) {
			t.Helper()
			if n, err := clients.Waiting(t.Context(), limit); err != nil || n != want {
				t.Errorf("Waiting(%d) = %d, %v; want %d", limit, n, err, want)
			}
		}
		expect(100, 2)
		expect(1, 1)
		if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		expect(100, 1)
	})
}
