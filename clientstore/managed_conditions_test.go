package clientstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// narrowed is the client of a file, approved under conditions.
func narrowed(on clientstore.Conditions) func(*clientstore.Declared) {
	return func(d *clientstore.Declared) { d.Conditions = &on }
}

// settled applies the manifest, and again, when there must be nothing to do.
func settled(t *testing.T, clients *clientstore.Store, m clientstore.Manifest) *clientstore.Client {
	t.Helper()
	apply(t, clients, m)
	if p := apply(t, clients, m); p.Changes() {
		t.Errorf("a second time: %s", steps(p))
	}
	return owned(t, clients)
}

func TestConditionsOfAFile(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock := newStore(t, db), storagetest.Clock(db)
		until := clock.Now().Add(time.Hour).Truncate(time.Second)
		c := settled(t, clients, declared(narrowed(clientstore.Conditions{Scope: "openid", GrantTypes: []string{"authorization_code"}, Until: &until})))
		if on := c.Conditions; c.Status != clientstore.Approved || on.Scope != "openid" || len(on.GrantTypes) != 1 || !on.Until.Equal(until) {
			t.Errorf("approved under %+v", c)
		}
		// What the file does not say stays, and what it says that is nothing lifts.
		if c = settled(t, clients, declared()); c.Conditions.Scope != "openid" {
			t.Errorf("without a word: %+v", c.Conditions)
		}
		p, err := clients.Plan(t.Context(), declared())
		if err != nil || len(p.Steps[0].Notes) != 1 || !strings.Contains(p.Steps[0].Notes[0], "keeps the conditions") {
			t.Errorf("%+v, %v", p.Steps, err)
		}
		p = apply(t, clients, declared(narrowed(clientstore.Conditions{})))
		if steps(p) != "change modeler conditions.grant_types conditions.scope conditions.until" || !owned(t, clients).Conditions.IsZero() {
			t.Errorf("%s: %+v", steps(p), owned(t, clients).Conditions)
		}

		// An approval ends at its time; the file says so, and stops nothing by it.
		soon := declared(narrowed(clientstore.Conditions{Until: &until}))
		settled(t, clients, soon)
		clock.Advance(2 * time.Hour)
		if c = settled(t, clients, soon); c.Status != clientstore.Disapproved || !c.ApprovalEnded() {
			t.Errorf("after its end: %+v", c)
		}
		if p, err = clients.Plan(t.Context(), soon); err != nil || len(p.Steps[0].Notes) != 1 || !strings.Contains(p.Steps[0].Notes[0], "a later until") {
			t.Errorf("%+v, %v", p.Steps, err)
		}
		other := declared(narrowed(clientstore.Conditions{Until: &until}))
		other.File = "other"
		apply(t, clients, other)
		if p, err = clients.Plan(t.Context(), other); err != nil || p.Changes() || p.Steps[0].After.Status != clientstore.Disapproved {
			t.Errorf("one that is registered after its end: %s, %v", steps(p), err)
		}
		later := clock.Now().Add(time.Hour).Truncate(time.Second)
		if c = settled(t, clients, declared(narrowed(clientstore.Conditions{Until: &later}))); c.Status != clientstore.Approved || c.Epoch == 0 {
			t.Errorf("approved again: %+v", c)
		}
		// What somebody stopped stays stopped, whatever the conditions.
		if _, err := clients.Disapprove(t.Context(), ada, c.ID, "stolen"); err != nil {
			t.Fatal(err)
		}
		if c = settled(t, clients, declared(narrowed(clientstore.Conditions{Scope: "openid"}))); c.Status != clientstore.Disapproved || c.Conditions.Scope != "openid" {
			t.Errorf("it works again: %+v", c)
		}
	})
}

func TestTestUsersOfAFile(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		keys := storagetest.Keys(t)
		accounts := account.New(db, account.Config{Keys: keys, Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}})
		tina, err := accounts.Create(t.Context(), ada, account.Registration{Username: "tina", Password: "correct horse battery staple"})
		if err != nil {
			t.Fatal(err)
		}
		with := func(names ...string) clientstore.Manifest {
			m := declared(narrowed(clientstore.Conditions{TestUsers: names}))
			m.Account = accounts.Identify
			return m
		}
		p := apply(t, clients, with("Tina"))
		last := p.Steps[0].Differences
		if c := owned(t, clients); len(c.Conditions.TestAccounts) != 1 || c.Conditions.TestAccounts[0] != tina.ID || c.Conditions.TestUsers[0] != "tina" {
			t.Errorf("%+v", c.Conditions)
		}
		named := false
		for _, d := range last {
			list, _ := d.After.([]any)
			named = named || d.Member == "conditions.test_users" && len(list) == 1 && list[0] == "tina"
		}
		if !named {
			t.Errorf("the difference names no users: %+v", last)
		}
		_, err = clients.Plan(t.Context(), with("nobody"))
		if fault, ok := errors.AsType[*clientstore.MetadataError](err); !ok || fault.Field != "conditions.test_users" {
			t.Errorf("%v", err)
		}
		if err := accounts.Remove(t.Context(), ada, tina.ID); err != nil {
			t.Fatal(err)
		}
		c := owned(t, clients)
		if len(c.Conditions.TestUsers) != 1 || c.Conditions.TestUsers[0] != tina.ID {
			t.Errorf("one that is gone is called %v", c.Conditions.TestUsers)
		}
		if p := apply(t, clients, with(c.Conditions.TestUsers...)); p.Changes() {
			t.Errorf("what it has already: %s", steps(p))
		}
	})
}

func TestConditionsThatAFileMayNotHave(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	for field, change := range map[string]func(*clientstore.Declared){
		"conditions":             func(d *clientstore.Declared) { d.Status, d.Conditions = "", &clientstore.Conditions{Scope: "openid"} },
		"conditions.scope":       narrowed(clientstore.Conditions{Scope: "everything"}),
		"conditions.grant_types": narrowed(clientstore.Conditions{GrantTypes: []string{"password"}}),
	} {
		_, err := clients.Plan(t.Context(), declared(change))
		if fault, ok := errors.AsType[*clientstore.MetadataError](err); !ok || fault.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
