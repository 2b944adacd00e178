package clientstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

const (
	platform    = "platform/clients.yaml"
	firstSecret = "the first secret of a file"
	nextSecret  = "the next secret of a file"
)

// declared is the client "modeler" of a file.
func declared(change ...func(*clientstore.Declared)) clientstore.Manifest {
	d := clientstore.Declared{
		Handle: "modeler", Type: clientstore.OIDC, Name: "Modeler", Status: clientstore.Approved,
		Metadata: webClient("").Metadata, Secret: &clientstore.DeclaredSecret{Value: firstSecret, Overlap: time.Hour},
	}
	for _, c := range change {
		c(&d)
	}
	return clientstore.Manifest{File: platform, Clients: []clientstore.Declared{d}, Sector: noSector}
}

func noSector(context.Context, *clientstore.Metadata, *clientstore.Metadata) (*clientstore.Sector, error) {
	return nil, errors.New("no sector is fetched here")
}

// apply plans and applies, and returns the steps.
func apply(t *testing.T, clients *clientstore.Store, m clientstore.Manifest) *clientstore.Plan {
	t.Helper()
	p, err := clients.Plan(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Apply(t.Context(), ada, p, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// steps writes what a plan does.
func steps(p *clientstore.Plan) string {
	var list []string
	for _, s := range p.Steps {
		text := string(s.Action) + " " + s.Handle
		if s.Secret != "" {
			text += " secret " + string(s.Secret)
		}
		for _, d := range s.Differences {
			text += " " + d.Member
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// owned returns the client that the file calls modeler.
func owned(t *testing.T, clients *clientstore.Store) *clientstore.Client {
	t.Helper()
	list, err := clients.List(t.Context(), clientstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].ManagedBy == platform && list[i].ManagedHandle == "modeler" {
			return &list[i]
		}
	}
	t.Fatal("the file has no client modeler")
	return nil
}

func TestAFileIsAppliedOnceAndThenThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		if p := apply(t, clients, declared()); !strings.HasPrefix(steps(p), "create modeler secret set ") || !strings.Contains(steps(p), " client_name ") {
			t.Errorf("first: %s", steps(p))
		}
		c := owned(t, clients)
		if c.Status != clientstore.Approved || c.Name != "Modeler" || !verify(t, clients, c, firstSecret) || c.StatusBy != ada.AccountID {
			t.Errorf("got %+v", c)
		}
		if got := actions(events(t, db, c.ID)); got != "register approve" {
			t.Errorf("recorded %s", got)
		}
		if p := apply(t, clients, declared()); steps(p) != "keep modeler" || p.Changes() {
			t.Errorf("second: %s", steps(p))
		}
		if again := owned(t, clients); again.Version != c.Version {
			t.Errorf("version %d; want %d: nothing was to be done", again.Version, c.Version)
		}

		p := apply(t, clients, declared(func(d *clientstore.Declared) {
			d.Name, d.Metadata.ClientURI, d.Secret.Value = "Modeler 2", "https://rp.example/", nextSecret
		}))
		if steps(p) != "change modeler secret rotated client_name client_uri" {
			t.Errorf("changed: %s", steps(p))
		}
		after := owned(t, clients)
		if after.ID != c.ID || after.Name != "Modeler 2" || !verify(t, clients, after, nextSecret) || !verify(t, clients, after, firstSecret) {
			t.Errorf("got %+v; want the same key, the next secret, and the first for an hour", after)
		}
		if got := actions(events(t, db, c.ID)); got != "register approve edit rotate_secret" {
			t.Errorf("recorded %s", got)
		}
	})
}

func TestTheOverlapOfASecretEnds(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	clock, clients := storagetest.Clock(db), newStore(t, db)
	apply(t, clients, declared())
	second := declared(func(d *clientstore.Declared) { d.Secret.Value = nextSecret })
	apply(t, clients, second)
	clock.Advance(time.Hour)
	if c := owned(t, clients); verify(t, clients, c, firstSecret) || !verify(t, clients, c, nextSecret) {
		t.Error("an hour later the first secret works, or the next does not")
	}
	if p := apply(t, clients, second); steps(p) != "keep modeler" {
		t.Errorf("an hour later: %s", steps(p))
	}
	if p := apply(t, clients, declared()); steps(p) != "change modeler secret rotated" {
		t.Errorf("back to the first: %s", steps(p))
	}
}

// Each door changes clients by the store, so that none gets past the file.
func TestWhatBelongsToAFileIsChangedThere(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		apply(t, clients, declared())
		c := owned(t, clients)
		name := "Mine"
		for door, change := range map[string]func() error{
			"edit": func() error {
				_, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
				return err
			},
			"approve with more": func() error {
				_, err := clients.ApproveEdited(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
				return err
			},
			"rotate": func() error {
				_, _, err := clients.RotateSecret(t.Context(), ada, c.ID, clientstore.Rotation{})
				return err
			},
			"remove": func() error { return clients.Remove(t.Context(), ada, c.ID) },
		} {
			err := change()
			if e, ok := errors.AsType[*clientstore.ManagedError](err); !ok || e.File != platform || e.Handle != "modeler" {
				t.Errorf("%s: %v; want a refusal that names the file", door, err)
			}
		}
		if got := owned(t, clients); got.Version != c.Version {
			t.Error("a refused change was made")
		}

		released, err := clients.Release(t.Context(), ada, c.ID)
		if err != nil || released.ManagedBy != "" || released.ManagedHandle != "" || released.ManagedSecret != nil {
			t.Errorf("released: %+v, %v", released, err)
		}
		if _, err := clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: released.Version}); err != nil {
			t.Errorf("edit of a released client: %v", err)
		}
	})
}

// An administrator can stop a client at any time, and no file takes that back.
func TestNoFileTakesBackADisapproval(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		apply(t, clients, declared())
		c := owned(t, clients)
		if _, err := clients.Disapprove(t.Context(), ada, c.ID, "stolen"); err != nil {
			t.Fatal(err)
		}
		p := apply(t, clients, declared())
		if steps(p) != "keep modeler" || len(p.Steps[0].Notes) != 1 || !strings.Contains(p.Steps[0].Notes[0], "stays disapproved") {
			t.Errorf("after a disapproval: %s, %v", steps(p), p.Steps[0].Notes)
		}
		edit := func(d *clientstore.Declared) { d.Name = "Modeler 2" }
		apply(t, clients, declared(edit))
		if c = owned(t, clients); c.Status != clientstore.Disapproved || c.Name != "Modeler 2" || c.StatusReason != "stolen" {
			t.Errorf("got %s, %s, %q; want what the file says but for the disapproval", c.Status, c.Name, c.StatusReason)
		}
		if c, err := clients.Approve(t.Context(), ada, c.ID); err != nil || c.Status != clientstore.Approved {
			t.Errorf("an administrator approves again: %v", err)
		}

		if _, err := clients.Disapprove(t.Context(), ada, c.ID, "again"); err != nil {
			t.Fatal(err)
		}
		agreed := func(d *clientstore.Declared) { d.Status, d.Reason = clientstore.Disapproved, "as decided" }
		apply(t, clients, declared(edit, agreed))
		if _, err := clients.Approve(t.Context(), ada, c.ID); err == nil {
			t.Error("the file's own disapproval was taken back elsewhere")
		}
		if p := apply(t, clients, declared(edit)); steps(p) != "change modeler managed_status status status_reason" {
			t.Errorf("the file takes its disapproval back: %s", steps(p))
		}
		if c = owned(t, clients); c.Status != clientstore.Approved || c.Epoch != 2 {
			t.Errorf("got %s of epoch %d", c.Status, c.Epoch)
		}
	})
}

func TestAFileThatLeavesTheDecisionToAdministrators(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	pending := declared(func(d *clientstore.Declared) { d.Status = clientstore.Pending })
	apply(t, clients, pending)
	c := owned(t, clients)
	if c.Status != clientstore.Pending {
		t.Fatalf("got %s", c.Status)
	}
	name := "Mine"
	_, err := clients.ApproveEdited(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version})
	if _, ok := errors.AsType[*clientstore.ManagedError](err); !ok {
		t.Errorf("an approval that edits gets past the file: %v", err)
	}
	for _, decide := range []func() (*clientstore.Client, error){
		func() (*clientstore.Client, error) { return clients.Approve(t.Context(), ada, c.ID) },
		func() (*clientstore.Client, error) { return clients.Disapprove(t.Context(), ada, c.ID, "") },
	} {
		decided, err := decide()
		if err != nil {
			t.Fatal(err)
		}
		if p := apply(t, clients, pending); steps(p) != "keep modeler" || owned(t, clients).Status != decided.Status {
			t.Errorf("%s: %s, now %s", decided.Status, steps(p), owned(t, clients).Status)
		}
	}
	apply(t, clients, declared())
	if c := owned(t, clients); c.Status != clientstore.Disapproved || !c.Stopped() {
		t.Errorf("a file that approves now took back an administrator's disapproval: %s", c.Status)
	}
}

func TestARevokedSecretIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		apply(t, clients, declared())
		c := owned(t, clients)
		if _, err := clients.RevokeSecret(t.Context(), ada, c.ID, c.Secrets[0].ID); err != nil {
			t.Fatal(err)
		}
		p := apply(t, clients, declared())
		if steps(p) != "keep modeler" || len(p.Steps[0].Notes) != 1 || verify(t, clients, owned(t, clients), firstSecret) {
			t.Errorf("after the revocation: %s %v", steps(p), p.Steps[0].Notes)
		}
		apply(t, clients, declared(func(d *clientstore.Declared) { d.Secret.Value = nextSecret }))
		if c := owned(t, clients); !verify(t, clients, c, nextSecret) || verify(t, clients, c, firstSecret) {
			t.Error("the file's next secret does not replace the revoked one")
		}
	})
}

func TestGeneratedSecrets(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	none := declared(func(d *clientstore.Declared) { d.Secret = nil })
	p, err := clients.Plan(t.Context(), none)
	if err != nil {
		t.Fatal(err)
	}
	done, err := clients.Apply(t.Context(), ada, p, nil)
	if err != nil || len(done) != 1 || !verify(t, clients, owned(t, clients), done[0].Secret) {
		t.Fatalf("generated: %+v, %v", done, err)
	}
	if p := apply(t, clients, none); steps(p) != "keep modeler" {
		t.Errorf("again: %s", steps(p))
	}
	c, secret, err := clients.RotateSecret(t.Context(), ada, done[0].Client.ID, clientstore.Rotation{})
	if err != nil {
		t.Fatalf("the file refers to no secret, and it is not to be rotated: %v", err)
	}
	taken := declared(func(d *clientstore.Declared) { d.Secret.Value = secret })
	if p := apply(t, clients, taken); steps(p) != "change modeler secret taken" {
		t.Errorf("a reference to the secret that it has: %s", steps(p))
	}
	if p := apply(t, clients, taken); steps(p) != "keep modeler" {
		t.Errorf("again: %s", steps(p))
	}
	if p := apply(t, clients, none); steps(p) != "change modeler secret left" || !verify(t, clients, owned(t, clients), secret) {
		t.Errorf("no reference any more: %s", steps(p))
	}
	if _, err := clients.RevokeSecret(t.Context(), ada, c.ID, c.Secrets[0].ID); err != nil {
		t.Fatal(err)
	}
	if p := apply(t, clients, none); steps(p) != "keep modeler" || len(p.Steps[0].Notes) != 1 {
		t.Errorf("a client whose secret was revoked: %s", steps(p))
	}
	public := declared(func(d *clientstore.Declared) {
		d.Secret, d.Metadata.TokenEndpointAuthMethod = nil, clientstore.AuthNone
	})
	if p := apply(t, clients, public); steps(p) != "change modeler token_endpoint_auth_method" {
		t.Errorf("a client that becomes public: %s", steps(p))
	}
	if p := apply(t, clients, none); steps(p) != "change modeler secret generated token_endpoint_auth_method" {
		t.Errorf("a client that ceases to be public: %s", steps(p))
	}
}

// OAuth 1.0a signs with its secret, which is sealed and not hashed.
func TestASecretThatSigns(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	oauth1 := declared(func(d *clientstore.Declared) {
		d.Type, d.Metadata = clientstore.OAuth1, clientstore.Metadata{RedirectURIs: []string{redirect}}
	})
	apply(t, clients, oauth1)
	if p := apply(t, clients, oauth1); steps(p) != "keep modeler" {
		t.Errorf("again: %s", steps(p))
	}
	if got := clients.RevealSecrets(owned(t, clients)); len(got) != 1 || string(got[0].Value) != firstSecret {
		t.Errorf("signs with %q", got)
	}
	signing := declared(func(d *clientstore.Declared) {
		d.Handle, d.Secret.Value = "other", "a secret of at least thirty-two characters"
	})
	signing.Clients = append(signing.Clients, oauth1.Clients...)
	apply(t, clients, signing)
	signing.Clients[0].Metadata.TokenEndpointAuthMethod = clientstore.AuthSecretJWT
	if p := apply(t, clients, signing); steps(p) != "keep modeler; change other secret rotated token_endpoint_auth_method" &&
		steps(p) != "keep modeler; change other secret rotated token_endpoint_auth_method token_endpoint_auth_signing_alg" {
		t.Errorf("the same secret, to sign with: %s", steps(p))
	}
	if p := apply(t, clients, signing); p.Changes() {
		t.Errorf("again: %s", steps(p))
	}
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		mine, secret := register(t, clients, webClient("Modeler"))
		adopting := declared(func(d *clientstore.Declared) { d.ClientID, d.Secret = mine.ID, nil })
		if p := apply(t, clients, adopting); steps(p) != "adopt modeler managed_by managed_handle managed_status status" {
			t.Errorf("adopted: %s", steps(p))
		}
		c := owned(t, clients)
		if c.ID != mine.ID || c.Status != clientstore.Approved || !verify(t, clients, c, secret) {
			t.Errorf("got %+v; want the same client", c)
		}
		if p := apply(t, clients, adopting); p.Changes() {
			t.Errorf("again: %s", steps(p))
		}
		renamed := declared(func(d *clientstore.Declared) { d.Handle, d.ClientID, d.Secret = "other", mine.ID, nil })
		if p := apply(t, clients, renamed); steps(p) != "change other managed_handle" {
			t.Errorf("under another handle: %s", steps(p))
		}
		apply(t, clients, adopting)

		elsewhere := adopting
		elsewhere.File = "elsewhere"
		for name, m := range map[string]clientstore.Manifest{
			"another file's client":   elsewhere,
			"another key":             declared(func(d *clientstore.Declared) { d.ClientID = strings.Repeat("a", 26) }),
			"another type":            declared(func(d *clientstore.Declared) { d.Type = clientstore.OAuth2; d.Metadata.Scope = "" }),
			"a key that nobody makes": declared(func(d *clientstore.Declared) { d.Handle, d.ClientID = "new", "my-client" }),
			"a secret of no use": declared(func(d *clientstore.Declared) {
				d.Metadata.TokenEndpointAuthMethod = clientstore.AuthNone
			}),
			"no redirect URI": declared(func(d *clientstore.Declared) { d.Metadata.RedirectURIs = nil }),
		} {
			_, err := clients.Plan(t.Context(), m)
			if e, ok := errors.AsType[*clientstore.ManifestError](err); !ok || len(e.Faults) != 1 || !isMetadataError(e.Faults[0]) {
				t.Errorf("%s: %v; want a refusal", name, err)
			}
		}
	})
}

// A key is never given out again, but a client may bring its own along from
// another server.
func TestKeysOfAnotherServer(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		key := strings.Repeat("ab2", 8) + "xy"
		moved := declared(func(d *clientstore.Declared) { d.ClientID = key })
		apply(t, clients, moved)
		if c := owned(t, clients); c.ID != key {
			t.Errorf("key %s", c.ID)
		}
		moved.Clients, moved.Prune = nil, true
		p, err := clients.Plan(t.Context(), moved)
		if err != nil || steps(p) != "remove modeler" || p.Steps[0].Impact == nil {
			t.Fatalf("%v, %v", p, err)
		}
		apply(t, clients, moved)
		_, err = clients.Plan(t.Context(), declared(func(d *clientstore.Declared) { d.ClientID = key }))
		if err == nil || !strings.Contains(err.Error(), "never given out again") {
			t.Errorf("the key of a removed client: %v", err)
		}
	})
}

func TestWithoutPruneNothingIsRemoved(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	apply(t, clients, declared())
	empty := clientstore.Manifest{File: platform}
	if p := apply(t, clients, empty); steps(p) != "orphan modeler" || p.Changes() {
		t.Errorf("an empty file: %s", steps(p))
	}
	if err := clients.Remove(t.Context(), ada, owned(t, clients).ID); err == nil {
		t.Error("it belongs to the file still")
	}
}

func TestAnApplyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		apply(t, clients, declared())
		seen := owned(t, clients)
		two := declared(func(d *clientstore.Declared) { d.Name = "Modeler 2" })
		two.Clients = append(two.Clients, declared(func(d *clientstore.Declared) { d.Handle = "another" }).Clients...)
		p, err := clients.Plan(t.Context(), two)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Disapprove(t.Context(), ada, seen.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Apply(t.Context(), ada, p, nil); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a client that was changed since: %v; want a conflict", err)
		}
		if p, err = clients.Plan(t.Context(), two); err != nil {
			t.Fatal(err)
		}
		disk := errors.New("the disk is full")
		if _, err := clients.Apply(t.Context(), ada, p, func([]clientstore.Applied) error { return disk }); !errors.Is(err, disk) {
			t.Errorf("got %v", err)
		}
		list, err := clients.List(t.Context(), clientstore.Filter{})
		if err != nil || len(list) != 1 || list[0].Name != "Modeler" {
			t.Errorf("%d clients, %v; want the one as it was", len(list), err)
		}
	})
}

// Replicas that start together apply the same file: one wins, the others find
// nothing to do.
func TestManyApplyTheSameFile(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		const replicas = 6
		var ready, done sync.WaitGroup
		ready.Add(replicas)
		results := make([]error, replicas)
		for i := range replicas {
			clients := newStore(t, db)
			done.Go(func() {
				p, err := clients.Plan(t.Context(), declared())
				ready.Done()
				ready.Wait()
				if err == nil {
					_, err = clients.Apply(t.Context(), ada, p, nil)
				}
				results[i] = err
			})
		}
		done.Wait()
		var won int
		for _, err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, storage.ErrConflict) {
				t.Error(err)
			}
		}
		clients := newStore(t, db)
		list, err := clients.List(t.Context(), clientstore.Filter{})
		if err != nil || won != 1 || len(list) != 1 {
			t.Errorf("%d won, %d clients, %v; want one", won, len(list), err)
		}
		if p := apply(t, clients, declared()); p.Changes() {
			t.Errorf("after all: %s", steps(p))
		}
	})
}

// What a client asked to become is for nobody to approve once a file says what
// it is, and it asks no more.
func TestAClientThatRegisteredItselfIsAdopted(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		e := clientstore.Enrolment{Name: "Own", Type: clientstore.OIDC, Metadata: webClient("").Metadata}
		enrolled, err := clients.Enrol(t.Context(), ada, e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Approve(t.Context(), ada, enrolled.Client.ID); err != nil {
			t.Fatal(err)
		}
		e.Name = "Own 2"
		if _, _, err := clients.Replace(t.Context(), ada, enrolled.Token, e); err != nil {
			t.Fatal(err)
		}
		apply(t, clients, declared(func(d *clientstore.Declared) { d.ClientID, d.Secret = enrolled.Client.ID, nil }))
		if r, err := clients.Revision(t.Context(), enrolled.Client.ID); r != nil || err != nil {
			t.Errorf("revision %v, %v; want none", r, err)
		}
		for door, change := range map[string]func() error{
			"replace":    func() error { _, _, err := clients.Replace(t.Context(), ada, enrolled.Token, e); return err },
			"unregister": func() error { return clients.Unregister(t.Context(), ada, enrolled.Token) },
		} {
			if _, ok := errors.AsType[*clientstore.ManagedError](change()); !ok {
				t.Errorf("%s is not refused", door)
			}
		}
	})
}

// What belongs to a file is not for a job to remove: the file would register
// another in its place.
func TestClientsOfAFileDoNotExpire(t *testing.T) {
	eachExpiring(t, func(e *expiring) {
		c := e.enrol("managed")
		apply(e.T, e.store, clientstore.Manifest{File: platform, Clients: []clientstore.Declared{
			{Handle: "managed", ClientID: c.ID, Type: c.Type, Name: c.Name, Metadata: c.Metadata, Status: clientstore.Approved},
		}})
		e.clock.Advance(2 * unusedFor)
		e.purge()
		if got := strings.Join(e.left(), ", "); got != "managed" {
			e.Errorf("left: %s", got)
		}
		if _, err := e.store.Release(e.Context(), ada, c.ID); err != nil {
			e.Fatal(err)
		}
		e.clock.Advance(unusedFor)
		e.purge()
		if got := e.left(); len(got) != 0 {
			e.Errorf("left once it was released: %s", got)
		}
	})
}

func TestWhatAFileMayNotBe(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	twice := declared()
	twice.Clients = append(twice.Clients, twice.Clients...)
	many := declared()
	for i := range 501 {
		many.Clients = append(many.Clients, declared(func(d *clientstore.Declared) { d.Handle = fmt.Sprint("c", i) }).Clients...)
	}
	key := strings.Repeat("a", 26)
	sameKey := declared(func(d *clientstore.Declared) { d.ClientID = key })
	sameKey.Clients = append(sameKey.Clients, declared(func(d *clientstore.Declared) { d.ClientID, d.Handle = key, "other" }).Clients...)
	for want, m := range map[string]clientstore.Manifest{
		"cannot name a file":        {},
		"501 entries; 500":          {File: "x", Clients: many.Clients[1:]},
		"is there twice":            twice,
		"client_id":                 sameKey,
		"lower-case letters":        declared(func(d *clientstore.Declared) { d.Handle = "Modeler" }),
		"not 1 to 64":               declared(func(d *clientstore.Declared) { d.Handle = "" }),
		"is not a status":           declared(func(d *clientstore.Declared) { d.Status = "fine" }),
		"for a client that is disa": declared(func(d *clientstore.Declared) { d.Reason = "x" }),
		"less than nothing":         declared(func(d *clientstore.Declared) { d.Secret.Overlap = -1 }),
		"shorter than 8":            declared(func(d *clientstore.Declared) { d.Secret.Value = "short" }),
	} {
		if _, err := clients.Plan(t.Context(), m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// Who disapproves a client whose approval has ended is not told that it was
// done and then overruled by a file: nobody had stopped it before.
func TestStoppedAfterItsApprovalEnded(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients, clock := newStore(t, db), storagetest.Clock(db)
		endsAfter := func(d time.Duration) clientstore.Manifest {
			until := clock.Now().Add(d)
			return declared(func(d *clientstore.Declared) { d.Conditions = &clientstore.Conditions{Until: &until} })
		}
		apply(t, clients, endsAfter(time.Hour))
		clock.Advance(2 * time.Hour)
		if _, err := clients.Purge(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		id := owned(t, clients).ID
		for range 2 { // the second time says nothing new
			c, err := clients.Disapprove(t.Context(), ada, id, "stolen")
			if err != nil || c.StatusReason != "stolen" || c.StatusBy != ada.AccountID || c.Stoppable() {
				t.Fatalf("%s %q by %q, %v", c.Status, c.StatusReason, c.StatusBy, err)
			}
		}
		if got := actions(events(t, db, id)); got != "register approve lapse disapprove" {
			t.Errorf("recorded %s", got)
		}
		apply(t, clients, endsAfter(24*time.Hour))
		if c := owned(t, clients); c.Status != clientstore.Disapproved || c.StatusReason != "stolen" {
			t.Errorf("the file made it %s (%q)", c.Status, c.StatusReason)
		}
	})
}
