package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

func record(t *testing.T, db *storage.DB, by audit.Actor, c audit.Change) {
	t.Helper()
	if err := db.InTx(t.Context(), func(ctx context.Context) error { return audit.New(db).Record(ctx, by, c) }); err != nil {
		t.Fatal(err)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		by := audit.Actor{AccountID: "a1", Name: "ada", Via: audit.ViaCLI, IP: "192.0.2.1", RequestID: "r1"}
		record(t, db, by, audit.Change{
			Action: "client.approve", TargetType: "client", TargetID: "c1", TargetName: "Modeler",
			Before: map[string]any{"status": "pending"}, After: map[string]any{"status": "approved", "note": "a\x00\x1b<b>"},
		})
		record(t, db, audit.Actor{Via: audit.ViaSystem}, audit.Change{Action: "keys.rotate"})
		events, err := audit.New(db).List(t.Context(), audit.Filter{TargetID: "c1"})
		if err != nil || len(events) != 1 {
			t.Fatalf("List() = %v, %v; want one event", events, err)
		}
		got := events[0]
		if age := db.Now().Sub(got.At); age < 0 || age > 60e9 {
			t.Errorf("the event is of %v", got.At)
		}
		want := audit.Event{
			ID: got.ID, At: got.At, ActorID: "a1", ActorName: "ada", Via: audit.ViaCLI, Action: "client.approve",
			TargetType: "client", TargetID: "c1", TargetName: "Modeler",
			Before: `{"status":"pending"}`, After: `{"note":"a\u0000\u001b\u003cb\u003e","status":"approved"}`, IP: "192.0.2.1", RequestID: "r1",
		}
		if got != want {
			t.Errorf("event is %+v; want %+v", got, want)
		}
		all, err := audit.New(db).List(t.Context(), audit.Filter{})
		if err != nil || len(all) != 2 {
			t.Fatalf("List() = %v, %v; want two events", all, err)
		}
		b, err := json.Marshal(all)
		if err != nil || !strings.Contains(string(b), `"after":{"note":`) || strings.Contains(string(b), `"before":null`) {
			t.Errorf("events as JSON: %s, %v", b, err)
		}
	})
}

func TestRecordTakesAnyText(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		const nasty = "a\x00b\x1b[2J\r\n\xff\u202eé"
		record(t, db, audit.Actor{Name: nasty, IP: nasty, RequestID: nasty, AccountID: nasty},
			audit.Change{Action: "account.create", TargetID: nasty, TargetName: nasty})
		events, err := audit.New(db).List(t.Context(), audit.Filter{ActorName: nasty})
		if err != nil || len(events) != 1 {
			t.Fatalf("List() = %v, %v; want the event", events, err)
		}
		if want := "a\uFFFDb\uFFFD[2J\uFFFD\uFFFD\uFFFD\uFFFDé"; events[0].ActorName != want || events[0].TargetName != want {
			t.Errorf("name is %q; want %q", events[0].ActorName, want)
		}
	})
}

func TestRecordIsPartOfItsChange(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := audit.New(db)
		if err := s.Record(t.Context(), audit.Actor{}, audit.Change{Action: "x"}); err == nil {
			t.Error("Record() outside a transaction succeeds")
		}
		errMine := errors.New("mine")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			return errors.Join(s.Record(ctx, audit.Actor{}, audit.Change{Action: "x"}), errMine)
		})
		if !errors.Is(err, errMine) {
			t.Error(err)
		}
		unencodable := audit.Change{Action: "x", Before: func() {}}
		if err := db.InTx(t.Context(), func(ctx context.Context) error { return s.Record(ctx, audit.Actor{}, unencodable) }); err == nil {
			t.Error("Record() of what is no JSON succeeds")
		}
		if events, err := s.List(t.Context(), audit.Filter{}); err != nil || len(events) != 0 {
			t.Errorf("List() = %v, %v; want none", events, err)
		}
		storagetest.FailStatements(db, storagetest.Containing("audit_events"))
		err = db.InTx(t.Context(), func(ctx context.Context) error { return s.Record(ctx, audit.Actor{}, audit.Change{Action: "x"}) })
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Record() = %v; want ErrUnavailable", err)
		}
		if _, err := s.List(t.Context(), audit.Filter{}); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("List() = %v; want ErrUnavailable", err)
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		s := audit.New(db)
		for i := range 10 {
			record(t, db, audit.Actor{Name: []string{"ada", "bob"}[i%2]}, audit.Change{
				Action: []string{"client.edit", "account.edit"}[i/5], TargetType: []string{"client", "account"}[i/5], TargetID: fmt.Sprint("t", i),
			})
		}
		targets := func(f audit.Filter) (ids []string) {
			events, err := s.List(t.Context(), f)
			if err != nil {
				t.Error(err)
			}
			for _, e := range events {
				ids = append(ids, e.TargetID)
			}
			return ids
		}
		for name, tt := range map[string]struct {
			filter audit.Filter
			want   string
		}{
			"all, newest first": {audit.Filter{}, "t9 t8 t7 t6 t5 t4 t3 t2 t1 t0"},
			"limit":             {audit.Filter{Limit: 3}, "t9 t8 t7"},
			"target type":       {audit.Filter{TargetType: "client"}, "t4 t3 t2 t1 t0"},
			"target":            {audit.Filter{TargetType: "client", TargetID: "t3"}, "t3"},
			"action":            {audit.Filter{Action: "account.edit"}, "t9 t8 t7 t6 t5"},
			"actor":             {audit.Filter{ActorName: "bob", Limit: 2}, "t9 t7"},
			"none":              {audit.Filter{ActorName: "' OR 1=1 --"}, ""},
			"search of a name":  {audit.Filter{Search: "BOB", Limit: 2}, "t9 t7"},
			"search of a deed":  {audit.Filter{Search: "client.E", Limit: 2}, "t4 t3"},
			"search of a thing": {audit.Filter{Search: "t8"}, "t8"},
			"search of a sign":  {audit.Filter{Search: "%"}, ""},
		} {
			if got := strings.Join(targets(tt.filter), " "); got != tt.want {
				t.Errorf("%s: %s; want %s", name, got, tt.want)
			}
		}
		var paged []string
		for before := ""; ; {
			page, err := s.List(t.Context(), audit.Filter{Before: before, Limit: 3})
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			record(t, db, audit.Actor{}, audit.Change{Action: "later"}) // does not shift the pages
			for _, e := range page {
				paged = append(paged, e.TargetID)
			}
			before = page[len(page)-1].ID
		}
		if want := []string{"t9", "t8", "t7", "t6", "t5", "t4", "t3", "t2", "t1", "t0"}; !slices.Equal(paged, want) {
			t.Errorf("pages are %v; want %v", paged, want)
		}
	})
}

// TestAppendOnly is case AD-15: not even SQL changes an event.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		record(t, db, audit.Actor{Name: "ada"}, audit.Change{Action: "client.approve"})
		statements := []string{`UPDATE audit_events SET actor_name = 'eve'`, `DELETE FROM audit_events`}
		if db.Dialect() == storage.PostgreSQL {
			statements = append(statements, `TRUNCATE audit_events`)
		}
		for _, stmt := range statements {
			if err := db.With(t.Context()).Exec(stmt).Error; err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("AD-15 %s: %v; want a refusal", stmt, err)
			}
		}
		if events, err := audit.New(db).List(t.Context(), audit.Filter{}); err != nil || len(events) != 1 || events[0].ActorName != "ada" {
			t.Errorf("List() = %v, %v; want the event as it was", events, err)
		}
	})
}
