package clientstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/session"
	"countersign/storage/signout"
	"countersign/storage/storagetest"
)

var bob = audit.Actor{AccountID: "bob-id", Name: "bob", Via: audit.ViaSettings}

// approveOn approves the client as it was seen.
func approveOn(t *testing.T, clients *clientstore.Store, by audit.Actor, c *clientstore.Client, on clientstore.Conditions) *clientstore.Client {
	t.Helper()
	after, err := clients.ApproveOn(t.Context(), by, c.ID, clientstore.Approval{Conditions: &on, Version: c.Version})
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// TestConditions is AP-01 of the catalogue.
func TestConditions(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		past, later := db.Now().Add(-time.Second), db.Now().Add(time.Hour)
		for name, tt := range map[string]struct {
			on    clientstore.Conditions
			field string
		}{
			"a scope that it has not":         {clientstore.Conditions{Scope: "openid admin"}, "scope"},
			"a grant that it has not":         {clientstore.Conditions{GrantTypes: []string{"password"}}, "grant_types"},
			"a response type that it has not": {clientstore.Conditions{ResponseTypes: []string{"id_token"}}, "response_types"},
			"refresh tokens of nothing":       {clientstore.Conditions{GrantTypes: []string{"refresh_token"}}, "grant_types"},
			"an end that is past":             {clientstore.Conditions{Until: &past}, "until"},
			"an account that is none":         {clientstore.Conditions{TestAccounts: []string{"nobody"}}, "test_users"},
			"an account with a NUL":           {clientstore.Conditions{TestAccounts: []string{"a\x00"}}, "test_users"},
			"an account that is not UTF-8":    {clientstore.Conditions{TestAccounts: []string{"\xff"}}, "test_users"},
		} {
			_, err := clients.ApproveOn(t.Context(), ada, c.ID, clientstore.Approval{Conditions: &tt.on, Version: c.Version})
			if e, ok := errors.AsType[*clientstore.MetadataError](err); !ok || e.Field != tt.field {
				t.Errorf("%s: %v; want %s refused", name, err, tt.field)
			}
		}
		if status, _ := raw(t, db, c.ID); status != "pending" {
			t.Fatalf("a refused approval left the client %s", status)
		}
		tester, err := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}}).
			Create(t.Context(), ada, account.Registration{Username: "tess", Password: "correct horse battery staple"})
		if err != nil {
			t.Fatal(err)
		}
		on := clientstore.Conditions{Scope: "openid", GrantTypes: []string{"authorization_code"}, Until: &later, TestAccounts: []string{tester.ID}}
		approved := approveOn(t, clients, ada, c, on)
		if approved.Metadata.Scope != "openid email" || approved.Conditions.Scope != "openid" || approved.Admits("ada-id") || !approved.Admits(tester.ID) {
			t.Errorf("approved as %+v under %+v", approved.Metadata, approved.Conditions)
		}
		used, err := clients.InUse(t.Context(), c.ID)
		if err != nil || used.Metadata.Scope != "openid" || !slices.Equal(used.Metadata.GrantTypes, []string{"authorization_code"}) || !used.Withholds("refresh_token") {
			t.Errorf("in use it is %+v, %v", used.Metadata, err)
		}
		if _, err := clients.ApproveOn(t.Context(), ada, c.ID, clientstore.Approval{Conditions: &clientstore.Conditions{}, Version: c.Version}); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("conditions of what is no longer so: %v", err)
		}
		again, err := clients.Approve(t.Context(), bob, c.ID)
		if err != nil || again.Version != approved.Version {
			t.Errorf("approving again changes it: %v", err)
		}
		stopped, err := clients.Disapprove(t.Context(), ada, c.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if again, err = clients.ApproveSeen(t.Context(), ada, stopped); err != nil || again.Conditions.Scope != "openid" {
			t.Errorf("an approval that says nothing of conditions lifts them: %+v, %v", again, err)
		}
		lifted := approveOn(t, clients, ada, again, clientstore.Conditions{})
		if !lifted.Conditions.IsZero() || lifted.Document().Conditions != nil {
			t.Errorf("lifted: %+v", lifted.Conditions)
		}
		if got := actions(events(t, db, c.ID)); !strings.HasPrefix(got, "register approve disapprove approve") || strings.Count(got, " ") != 4 {
			t.Errorf("recorded %s", got)
		}
	})
}

// An approval that has ended is not one that says nothing can renew.
func TestEndedApproval(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock := newStore(t, db), storagetest.Clock(db)
		c, _ := register(t, clients, webClient("Modeler"))
		until := clock.Now().Add(time.Hour)
		approveOn(t, clients, ada, c, clientstore.Conditions{Until: &until})
		clock.Advance(time.Hour)
		read, err := clients.Get(t.Context(), c.ID)
		if err != nil || read.Status != clientstore.Disapproved || !read.ApprovalEnded() {
			t.Errorf("before it is noted: %+v, %v", read, err)
		}
		if _, err := clients.Approve(t.Context(), ada, c.ID); !isMetadataError(err) {
			t.Errorf("approved past its end: %v", err)
		}
		var group sync.WaitGroup
		for range 4 { // servers on one database
			group.Go(func() {
				if _, err := clients.Purge(t.Context(), 100); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if status, epoch := raw(t, db, c.ID); status != "disapproved" || epoch != 1 {
			t.Errorf("noted as %s, epoch %d; want it once", status, epoch)
		}
		if got := actions(events(t, db, c.ID)); got != "register approve lapse" {
			t.Errorf("recorded %s", got)
		}
		stopped, err := clients.Get(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if later := approveOn(t, clients, ada, stopped, clientstore.Conditions{}); later.Usable() != nil {
			t.Errorf("renewed: %v", later.Usable())
		}
	})
}

// An approval that ended is renewed before anybody noted that it had: the people
// who used the client are signed out of it all the same, and it is told so.
func TestRenewalTellsOfTheEnd(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock := newStore(t, db), storagetest.Clock(db)
		accounts := account.New(db, account.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Cost: account.HashCost{Memory: 8, Passes: 1}})
		tess, err := accounts.Create(t.Context(), ada, account.Registration{Username: "tess", Password: "correct horse battery staple"})
		if err != nil {
			t.Fatal(err)
		}
		signedIn, _, err := session.New(db, session.Config{Keys: storagetest.Keys(t)}).
			Start(t.Context(), session.SignIn{AccountID: tess.ID, AccountEpoch: tess.Epoch, AMR: []string{"pwd"}})
		if err != nil {
			t.Fatal(err)
		}
		reg := webClient("Modeler")
		reg.Metadata.BackchannelLogoutURI = "https://app.example/logout"
		c, _ := register(t, clients, reg)
		owed := func() int64 {
			n, err := signout.New(db).Waiting(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		until := clock.Now().Add(time.Minute)
		c = approveOn(t, clients, ada, c, clientstore.Conditions{Until: &until})
		if err := db.With(t.Context()).Exec(`INSERT INTO session_clients (session_id, client_id, subject, created_at) VALUES (?, ?, ?, ?)`,
			signedIn.ID, c.ID, tess.ID, clock.Now()).Error; err != nil {
			t.Fatal(err)
		}
		later := until.Add(-time.Second)
		c = approveOn(t, clients, ada, c, clientstore.Conditions{Until: &later})
		if n := owed(); n != 0 {
			t.Errorf("%d logout tokens for an approval that has not ended", n)
		}
		clock.Advance(time.Minute)
		if renewed := approveOn(t, clients, ada, c, clientstore.Conditions{}); renewed.Usable() != nil {
			t.Errorf("renewed: %v", renewed.Usable())
		}
		if n := owed(); n != 1 {
			t.Errorf("%d logout tokens are owed; want one", n)
		}
	})
}

// Two administrators decide at once: one of them is told to look again.
func TestTwoAdministratorsDecideAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _ := register(t, clients, webClient("Modeler"))
		var won, late atomic.Int32
		var group sync.WaitGroup
		for i, by := range []audit.Actor{ada, bob, ada, bob} {
			group.Go(func() {
				on := clientstore.Conditions{}
				if i%2 == 0 {
					on.Scope = "openid"
				}
				_, err := clients.ApproveOn(t.Context(), by, c.ID, clientstore.Approval{Conditions: &on, Version: c.Version})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, storage.ErrConflict):
					late.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || late.Load() != 3 {
			t.Errorf("%d decided, %d were late; want 1 and 3", won.Load(), late.Load())
		}
	})
}

// TestFourEyes is AP-09 of the catalogue.
func TestFourEyes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), FourEyes: true})
		own := func(err error) {
			t.Helper()
			if !errors.Is(err, clientstore.ErrOwnWork) {
				t.Errorf("%v; want their own work refused", err)
			}
		}
		c, _ := register(t, clients, webClient("Modeler"))
		_, err := clients.Approve(t.Context(), ada, c.ID)
		own(err)
		_, err = clients.ApproveSeen(t.Context(), ada, c)
		own(err)
		name := "Modeler 2"
		edited, err := clients.Edit(t.Context(), bob, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
		if err != nil || edited.Name != name {
			t.Fatalf("a pending client is edited at once: %+v, %v", edited, err)
		}
		_, err = clients.ApproveSeen(t.Context(), bob, edited)
		own(err)
		_, err = clients.ApproveSeen(t.Context(), ada, edited)
		own(err)
		cyd := audit.Actor{AccountID: "cyd-id", Name: "cyd", Via: audit.ViaAPI}
		m := edited.Metadata
		m.Scope = "openid"
		_, err = clients.ApproveEdited(t.Context(), cyd, c.ID, clientstore.Edit{Metadata: &m, Version: edited.Version})
		own(err)
		approved, err := clients.ApproveSeen(t.Context(), cyd, edited)
		if err != nil {
			t.Fatal(err)
		}
		_, err = clients.ApproveOn(t.Context(), bob, c.ID, clientstore.Approval{Conditions: &clientstore.Conditions{Scope: "openid"}, Version: approved.Version})
		own(err)

		again := "Modeler 3"
		same, err := clients.Edit(t.Context(), cyd, c.ID, clientstore.Edit{Name: &again, Version: approved.Version})
		if err != nil || same.Name != name || same.Version != approved.Version {
			t.Fatalf("an approved client is changed at once: %+v, %v", same, err)
		}
		first, err := clients.Revision(t.Context(), c.ID)
		if err != nil || first == nil {
			t.Fatalf("no revision waits: %v", err)
		}
		_, err = clients.ApproveRevision(t.Context(), cyd, c.ID, first.ID)
		own(err)
		introspect := approved.Metadata
		introspect.IntrospectionScope = clientstore.IntrospectAll // what a registrant may not give
		if _, err = clients.Edit(t.Context(), bob, c.ID, clientstore.Edit{Metadata: &introspect, Version: approved.Version}); err != nil {
			t.Fatal(err)
		}
		second, err := clients.Revision(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []audit.Actor{bob, cyd} { // cyd made the one that bob changed
			_, err = clients.ApproveRevision(t.Context(), by, c.ID, second.ID)
			own(err)
		}
		after, err := clients.ApproveRevision(t.Context(), ada, c.ID, second.ID)
		if err != nil || after.Metadata.IntrospectionScope != clientstore.IntrospectAll {
			t.Errorf("approved by ada: %+v, %v", after, err)
		}
		// An approval that has ended, and is not noted as such yet, lets nobody
		// edit and approve alone.
		dan := audit.Actor{AccountID: "dan-id", Name: "dan", Via: audit.ViaAPI}
		clock := storagetest.Clock(db)
		until := clock.Now().Add(time.Hour)
		if after, err = clients.ApproveOn(t.Context(), dan, c.ID, clientstore.Approval{Conditions: &clientstore.Conditions{Until: &until}, Version: after.Version}); err != nil {
			t.Fatal(err)
		}
		clock.Advance(2 * time.Hour)
		stolen := "Modeler 4"
		ended, err := clients.Edit(t.Context(), dan, c.ID, clientstore.Edit{Name: &stolen, Version: after.Version})
		if err != nil {
			t.Fatal(err)
		}
		_, err = clients.ApproveOn(t.Context(), dan, c.ID, clientstore.Approval{Conditions: &clientstore.Conditions{}, Version: ended.Version})
		own(err)

		root, _ := register(t, clients, webClient("By the operator"))
		if _, err := clients.Approve(t.Context(), audit.Actor{Name: "root", Via: audit.ViaCLI}, root.ID); err != nil {
			t.Errorf("who may read the database is nobody's second pair of eyes: %v", err)
		}
	})
}

// Under four eyes nobody has a secret alone that is believed by the time the
// client is approved (AP-11).
func TestFourEyesOfSecrets(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), FourEyes: true})
		cyd := audit.Actor{AccountID: "cyd-id", Name: "cyd", Via: audit.ViaAPI}
		c, _ := register(t, clients, webClient("Modeler"))
		if _, _, err := clients.RotateSecret(t.Context(), bob, c.ID, clientstore.Rotation{}); err != nil {
			t.Fatalf("a pending client: %v", err)
		}
		if _, err := clients.Approve(t.Context(), bob, c.ID); !errors.Is(err, clientstore.ErrOwnWork) {
			t.Errorf("bob, who has its secret, approves: %v", err)
		}
		approved, err := clients.Approve(t.Context(), cyd, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := clients.RotateSecret(t.Context(), cyd, c.ID, clientstore.Rotation{Beside: true}); !errors.Is(err, clientstore.ErrOwnWork) {
			t.Errorf("a further one, for a test: %v; want it refused", err)
		}
		after, err := clients.Get(t.Context(), c.ID)
		if err != nil || after.Version != approved.Version {
			t.Errorf("a refusal changed the client: %+v, %v", after, err)
		}
		if _, err := clients.RevokeSecret(t.Context(), cyd, c.ID, after.Secrets[0].ID); err != nil {
			t.Errorf("to end a secret needs nobody else: %v", err)
		}
		if _, _, err := clients.RotateSecret(t.Context(), audit.Actor{Name: "root", Via: audit.ViaCLI}, c.ID, clientstore.Rotation{}); err != nil {
			t.Errorf("on the server's machine: %v", err)
		}
	})
}

// TestUndo is AP-08 of the catalogue.
func TestUndo(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock := newStore(t, db), storagetest.Clock(db)
		undoable := func(c *clientstore.Client, by audit.Actor) *clientstore.Undo {
			t.Helper()
			u, err := clients.Undoable(t.Context(), c, by.AccountID)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		undo := func(by audit.Actor, c *clientstore.Client, id string) *clientstore.Client {
			t.Helper()
			after, err := clients.Undo(t.Context(), by, c.ID, id)
			if err != nil {
				t.Fatal(err)
			}
			return after
		}
		late := func(by audit.Actor, c *clientstore.Client, id string) {
			t.Helper()
			if _, err := clients.Undo(t.Context(), by, c.ID, id); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("undone: %v", err)
			}
		}
		c, _ := register(t, clients, webClient("Modeler"))
		if undoable(c, ada) != nil {
			t.Error("a registration can be undone")
		}
		c = approveOn(t, clients, ada, c, clientstore.Conditions{Scope: "openid"})
		u := undoable(c, ada)
		if u == nil || undoable(c, bob) != nil {
			t.Fatalf("an approval can be undone by who gave it: %+v", u)
		}
		late(bob, c, u.ID)
		c = undo(ada, c, u.ID)
		if status, epoch := raw(t, db, c.ID); status != "pending" || epoch != 1 || !c.Conditions.IsZero() {
			t.Errorf("undone approval: %s, epoch %d, %+v", status, epoch, c.Conditions)
		}
		late(ada, c, u.ID)

		c = approveOn(t, clients, ada, c, clientstore.Conditions{Scope: "openid"})
		stopped, err := clients.Disapprove(t.Context(), ada, c.ID, "by mistake")
		if err != nil {
			t.Fatal(err)
		}
		c = undo(ada, stopped, undoable(stopped, ada).ID)
		if status, epoch := raw(t, db, c.ID); status != "approved" || epoch != stopped.Epoch || c.Conditions.Scope != "openid" || c.StatusReason != "" {
			t.Errorf("undone disapproval: %s, epoch %d (want %d: what is dead stays dead), %+v", status, epoch, stopped.Epoch, c)
		}

		stopped, err = clients.Disapprove(t.Context(), ada, c.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		u = undoable(stopped, ada)
		name := "Other"
		if _, err := clients.Edit(t.Context(), bob, c.ID, clientstore.Edit{Name: &name, Version: stopped.Version}); err != nil {
			t.Fatal(err)
		}
		late(ada, c, u.ID)

		other, _ := register(t, clients, webClient("Old"))
		other, err = clients.ApproveSeen(t.Context(), ada, other)
		if err != nil {
			t.Fatal(err)
		}
		u = undoable(other, ada)
		clock.Advance(5 * time.Minute)
		late(ada, other, u.ID)
		if status, _ := raw(t, db, other.ID); status != "approved" {
			t.Errorf("too late, and it is %s", status)
		}
	})
}

func TestUndoOfARejection(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		enrolled, wish := selfRegistered(t, clients)
		r, err := clients.Revision(t.Context(), enrolled.Client.ID)
		if err != nil || r == nil {
			t.Fatalf("no revision: %v", err)
		}
		c, err := clients.RejectRevision(t.Context(), ada, enrolled.Client.ID, r.ID, strings.Repeat("x", 501))
		if !isMetadataError(err) {
			t.Errorf("a reason of 501 characters: %v, %v", c, err)
		}
		c, err = clients.RejectRevision(t.Context(), ada, enrolled.Client.ID, r.ID, "Not like this.")
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Document().RevisionRejected; d == nil || d.Reason != "Not like this." || d.Revision != nil || d.By != ada.AccountID {
			t.Errorf("the document says %+v", d)
		}
		u, err := clients.Undoable(t.Context(), c, ada.AccountID)
		if err != nil || u == nil {
			t.Fatalf("%+v, %v", u, err)
		}
		if c, err = clients.Undo(t.Context(), ada, c.ID, u.ID); err != nil || c.Rejection != nil {
			t.Fatalf("%+v, %v", c, err)
		}
		again, err := clients.Revision(t.Context(), c.ID)
		if err != nil || again == nil || again.Name != wish || again.ID == r.ID {
			t.Errorf("waits again: %+v, %v", again, err)
		}
	})
}

// selfRegistered is an approved client that registered itself and wants another
// name.
func selfRegistered(t *testing.T, clients *clientstore.Store) (*clientstore.Enrolled, string) {
	t.Helper()
	registrant := audit.Actor{Name: "registration", Via: audit.ViaRegistration}
	e := clientstore.Enrolment{Type: clientstore.OIDC, Name: "App", Metadata: clientstore.Metadata{RedirectURIs: []string{redirect}}}
	enrolled, err := clients.Enrol(t.Context(), registrant, e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Approve(t.Context(), ada, enrolled.Client.ID); err != nil {
		t.Fatal(err)
	}
	e.Name = "App 2"
	if _, _, err := clients.Replace(t.Context(), registrant, enrolled.Token, e); err != nil {
		t.Fatal(err)
	}
	return enrolled, e.Name
}

// TestNoticesAndLinks is AP-07 of the catalogue.
func TestNoticesAndLinks(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := clientstore.New(db, clientstore.Config{Keys: storagetest.Keys(t), Audit: audit.New(db), Notices: []string{"mail"}})
		clock := storagetest.Clock(db)
		c, _ := register(t, clients, webClient("Modeler"))
		due := func() []clientstore.Notice {
			t.Helper()
			list, err := clients.DueNotices(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		list := due()
		if len(list) != 1 || list[0].ClientID != c.ID || list[0].Version != 1 {
			t.Fatalf("due: %+v", list)
		}
		var won atomic.Int32
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				n := list[0]
				if ours, err := clients.ClaimNotice(t.Context(), &n); err != nil {
					t.Error(err)
				} else if ours {
					won.Add(1)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || len(due()) != 0 {
			t.Errorf("%d servers tell of it", won.Load())
		}
		n := list[0]
		for n.Attempts = 1; ; n.Attempts++ {
			if n.Attempts > 10 {
				t.Fatal("a notice is tried for ever")
			}
			if again, err := clients.RetryNotice(t.Context(), &n); err != nil {
				t.Fatal(err)
			} else if !again {
				break
			}
		}
		clock.Advance(24 * time.Hour)
		if len(due()) != 0 {
			t.Error("what was given up is due")
		}

		token, expires, err := clients.NewLink(t.Context(), &n)
		if err != nil {
			t.Fatal(err)
		}
		decide := func(link clientstore.Link) error {
			return clients.WithLink(t.Context(), token, link, func(ctx context.Context) error {
				_, err := clients.ApproveOn(ctx, ada, c.ID, clientstore.Approval{Version: link.Version})
				return err
			})
		}
		other, _ := register(t, clients, webClient("Other"))
		for name, link := range map[string]clientstore.Link{
			"another client":  {ClientID: other.ID, Version: 1},
			"another version": {ClientID: c.ID, Version: 2},
			"a revision":      {ClientID: c.ID, Version: 1, RevisionID: "r"},
		} {
			if err := decide(link); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var decided atomic.Int32
		for range 4 {
			group.Go(func() {
				switch err := decide(clientstore.Link{ClientID: c.ID, Version: 1}); {
				case err == nil:
					decided.Add(1)
				case !errors.Is(err, clientstore.ErrLinkOver) && !errors.Is(err, storage.ErrConflict):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if decided.Load() != 1 {
			t.Errorf("the link decided %d times", decided.Load())
		}
		if _, err := clients.FindLink(t.Context(), token); !errors.Is(err, clientstore.ErrLinkOver) {
			t.Errorf("a used link: %v", err)
		}
		if token, _, err = clients.NewLink(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		clock.Set(expires.Add(24 * time.Hour))
		if _, err := clients.FindLink(t.Context(), token); !errors.Is(err, clientstore.ErrLinkOver) {
			t.Errorf("an old link: %v", err)
		}
		if _, err := clients.FindLink(t.Context(), "cs_apl_x"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("no link: %v", err)
		}
	})
}

func TestClientsOfOneSoftware(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		const about = "https://modeler.example/about"
		for name, id := range map[string]string{"A": "4NRB1", "B": "4NRB1", "C": "other", "D": "", "F": ""} {
			r := webClient(name)
			r.Metadata.SoftwareID, r.Metadata.ClientURI = id, about // which counts where there is no software_id
			register(t, clients, r)
		}
		approved := webClient("E")
		approved.Metadata.SoftwareID = "4NRB1"
		c, _ := register(t, clients, approved)
		if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]int{"4NRB1": 2, about: 2, about + "/": 0, "other": 1, "": 0, "4nrb1": 0, "x\x00": 0} {
			if list, err := clients.OfSoftware(t.Context(), id, 10); err != nil || len(list) != want {
				t.Errorf("%q: %d clients, %v; want %d", id, len(list), err, want)
			}
		}
	})
}
