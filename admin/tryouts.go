package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"countersign/admin/tryout"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/keyset"
	tryouts "countersign/storage/tryout"
)

// testForm is the form that begins a test of a client.
type testForm struct {
	Client      *clientstore.Client
	Flows       []tryout.Flow
	Flow        tryout.Flow
	Scope       string
	Credentials string
	// NeedsSecret, MakesSecret and NeedsAssertion are how the client proves
	// itself in a test: by a secret, by one that the server may make for it, or
	// by what only the client can sign.
	NeedsSecret, MakesSecret, NeedsAssertion bool
	Faults                                   []fault
}

// Entry returns a field with what is wrong with it.
func (p testForm) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

func (h *handler) newTestForm(c *clientstore.Client) testForm {
	p := testForm{
		Client: c, Flows: tryout.Flows(c), Scope: c.Metadata.Scope, Credentials: secretGenerated, NeedsSecret: c.UsesSecret(),
		// Under four eyes nobody makes a secret of a client alone, be it for a test.
		MakesSecret: (c.ManagedBy == "" || c.ManagedSecret == nil) && !h.cfg.Clients.FourEyes(),
	}
	if len(p.Flows) > 0 {
		p.Flow = p.Flows[0]
	}
	if p.NeedsAssertion = c.Metadata.TokenEndpointAuthMethod == clientstore.AuthPrivateKeyJWT; p.NeedsAssertion {
		p.NeedsSecret = false
	}
	if !p.MakesSecret {
		p.Credentials = secretTyped
	}
	return p
}

// showTest serves GET /settings/oauth-clients/{key}/test.
func (h *handler) showTest(w http.ResponseWriter, r *http.Request, who *administrator) error {
	c, err := h.client(r)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "test.html", Section: clientsPath, Page: h.newTestForm(c)})
}

// beginTest serves POST /settings/oauth-clients/{key}/test.
func (h *handler) beginTest(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	c, err := h.client(r)
	if err != nil {
		return err
	}
	p := h.newTestForm(c)
	p.Flow, p.Scope = tryout.Flow(form.Get("flow")), strings.Join(strings.Fields(form.Get("scope")), " ")
	if p.MakesSecret {
		p.Credentials = form.Get("credentials")
	}
	if p.Faults = p.check(form); len(p.Faults) > 0 {
		return h.testAgain(w, r, who, p)
	}
	t, run, err := h.begin(w, r, who, testStart{p, form})
	if one, ok := faultOf(err); ok {
		p.Faults = []fault{{"secret", one.Reason}}
		return h.testAgain(w, r, who, p)
	}
	if err != nil {
		return err
	}
	return h.step(w, r, who, step{t, run, (*tryout.Party).Begin})
}

func (h *handler) testAgain(w http.ResponseWriter, r *http.Request, who *administrator, p testForm) error {
	return h.show(w, r, who, screen{Status: http.StatusUnprocessableEntity, Template: "test.html", Section: clientsPath, Page: p})
}

func (p testForm) check(form url.Values) []fault {
	switch {
	case !slices.Contains(p.Flows, p.Flow):
		return []fault{{"flow", "Choose one that the client is registered for."}}
	case p.NeedsSecret && p.Credentials == secretTyped && form.Get("secret") == "":
		return []fault{{"secret", "Type the secret of the client, or have one made for the test."}}
	case p.NeedsAssertion && strings.TrimSpace(form.Get("assertion")) == "":
		return []fault{{"assertion", "Paste a client assertion that the client signed."}}
	default:
		return nil
	}
}

// testStart is a form that begins a test.
type testStart struct {
	testForm
	form url.Values
}

// begin keeps the test, with the secret that is made for it, and the record of
// who runs it.
func (h *handler) begin(w http.ResponseWriter, r *http.Request, who *administrator, s testStart) (t *tryouts.Tryout, run *tryout.Run, err error) {
	browser := h.cfg.BrowserCookie(w, r)
	err = h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		secret, secretID, err := h.testSecret(ctx, r, who, s)
		if err != nil {
			return err
		}
		t, err = h.cfg.Tryouts.Begin(ctx, tryouts.Start{
			ClientID: s.Client.ID, AccountID: who.AccountID, Browser: browser, Base: h.cfg.Base(r),
			Document: func(redirectURI string) ([]byte, error) {
				run = tryout.New(s.Client, s.Flow, redirectURI)
				run.Scope, run.Secret, run.SecretID, run.Assertion = s.Scope, secret, secretID, strings.TrimSpace(s.form.Get("assertion"))
				return json.Marshal(run) //nolint:gosec // it is sealed before it is kept
			},
		})
		if err != nil {
			return err
		}
		return h.cfg.Audit.Record(ctx, who.actor(r), audit.Change{
			Action: "client.test", TargetType: "client", TargetID: s.Client.ID, TargetName: s.Client.Name,
			After: map[string]string{"flow": string(s.Flow), "scope": s.Scope},
		})
	})
	return t, run, err
}

// testSecret returns what the client proves itself by: the secret that was
// typed, or one of its own for as long as a test may take, which leaves its
// others alone.
func (h *handler) testSecret(ctx context.Context, r *http.Request, who *administrator, s testStart) (secret, id string, err error) {
	if !s.NeedsSecret || s.Credentials == secretTyped {
		return s.form.Get("secret"), "", nil
	}
	ends := h.cfg.Now().Add(tryouts.Lifetime)
	c, secret, err := h.cfg.Clients.RotateSecret(ctx, who.actor(r), s.Client.ID, clientstore.Rotation{Beside: true, ExpiresAt: &ends})
	if err != nil {
		return "", "", err
	}
	return secret, c.Secrets[len(c.Secrets)-1].ID, nil
}

// party is the relying party that is built in, asking in the administrator's
// name.
func (h *handler) party(r *http.Request) *tryout.Party {
	return &tryout.Party{Issuer: h.cfg.Issuer, Server: h.cfg.Applications, For: r, Algorithms: keyset.Algorithms, Now: h.cfg.Now}
}

// step is a step of a test that was claimed, or that is its first.
type step struct {
	*tryouts.Tryout
	run  *tryout.Run
	take func(*tryout.Party, *tryout.Run) error
}

// stepTime is how long a step may take, and then how long its keeping may.
const stepTime = 30 * time.Second

// step takes a step, keeps what came of it, and shows it. It does so although
// the browser may have gone away meanwhile: else what was issued would live on.
func (h *handler) step(w http.ResponseWriter, r *http.Request, who *administrator, s step) error {
	taking, done := context.WithTimeout(context.WithoutCancel(r.Context()), stepTime)
	failed := s.take(h.party(r.WithContext(taking)), s.run)
	done()
	keeping, done := context.WithTimeout(context.WithoutCancel(r.Context()), stepTime)
	defer done()
	if err := h.keepStep(r.WithContext(keeping), who, s, failed); err != nil || failed != nil {
		return errors.Join(failed, err)
	}
	h.redirect(w, tryouts.Path+s.ID)
	return nil
}

// keepStep keeps what came of a step. With the last one everything ends that
// the test was given or got.
func (h *handler) keepStep(r *http.Request, who *administrator, s step, failed error) error {
	over := failed != nil || s.run.Next == tryout.Nothing
	if over {
		if err := h.endTest(r, who, s.run); err != nil {
			return err
		}
	}
	document, err := json.Marshal(s.run) //nolint:gosec // it is sealed before it is kept
	if err != nil {
		return fmt.Errorf("encode test: %w", err)
	}
	if err := h.cfg.Tryouts.Save(r.Context(), s.Tryout, document, over); !errors.Is(err, storage.ErrConflict) {
		return err
	}
	return nil
}

// endTest ends what was issued in the test, and the secret that was made for it.
func (h *handler) endTest(r *http.Request, who *administrator, run *tryout.Run) error {
	run.Next, run.Address = tryout.Nothing, ""
	for _, token := range run.Tokens {
		if err := h.cfg.Grants.End(r.Context(), token); err != nil {
			return err
		}
	}
	run.Tokens, run.Secret, run.Assertion = nil, "", ""
	if run.SecretID == "" {
		return nil
	}
	_, err := h.cfg.Clients.RevokeSecret(r.Context(), who.actor(r), run.ClientID, run.SecretID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	run.SecretID = ""
	return nil
}

// testPage is the page of a test.
type testPage struct {
	Client *clientstore.Client
	ID     string
	*tryout.Run
	Over bool
}

// openTest reads a test of this administrator in this browser.
func (h *handler) openTest(w http.ResponseWriter, r *http.Request, who *administrator) (*tryouts.Tryout, *tryout.Run, error) {
	t, err := h.cfg.Tryouts.Get(r.Context(), mux.Vars(r)["id"], who.AccountID, h.cfg.BrowserCookie(w, r))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, noTest()
	}
	if err != nil {
		return nil, nil, err
	}
	document, err := h.cfg.Tryouts.Read(t)
	if err != nil {
		return nil, nil, fmt.Errorf("open test: %w", err)
	}
	var run tryout.Run
	if err := json.Unmarshal(document, &run); err != nil {
		return nil, nil, fmt.Errorf("read test: %w", err)
	}
	return t, &run, nil
}

// showRun serves GET /settings/test/{id}: the page of the test, and where the
// browser comes back to. What it brings is taken once, and is gone from the
// address with the redirect.
func (h *handler) showRun(w http.ResponseWriter, r *http.Request, who *administrator) error {
	t, run, err := h.openTest(w, r, who)
	if err != nil {
		return err
	}
	if r.URL.RawQuery != "" && r.Method == http.MethodGet {
		return h.comeBack(w, r, who, step{t, run, nil})
	}
	c, err := h.cfg.Clients.Get(r.Context(), run.ClientID)
	if err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "tryout.html", Section: clientsPath, Page: testPage{c, t.ID, run, run.Next == tryout.Nothing}})
}

func (h *handler) comeBack(w http.ResponseWriter, r *http.Request, who *administrator, s step) error {
	if !h.party(r).Answer(s.run, r.URL.Query()) {
		return strangeAnswer()
	}
	if err := h.cfg.Tryouts.Claim(r.Context(), s.Tryout); errors.Is(err, storage.ErrConflict) {
		return strangeAnswer()
	} else if err != nil {
		return err
	}
	s.take = func(*tryout.Party, *tryout.Run) error { return nil } // it was taken above, from the address
	return h.step(w, r, who, s)
}

// continueTest serves POST /settings/test/{id}: the next step, or the end. Of
// two forms at the same moment one takes the step; both lead to what came of it.
func (h *handler) continueTest(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	t, run, err := h.openTest(w, r, who)
	if err != nil {
		return err
	}
	take, known := nextStep(form.Get("decision"), run)
	if !known {
		return undecided()
	}
	if take == nil { // it was taken
		h.redirect(w, tryouts.Path+t.ID)
		return nil
	}
	if err := h.cfg.Tryouts.Claim(r.Context(), t); errors.Is(err, storage.ErrConflict) {
		h.redirect(w, tryouts.Path+t.ID)
		return nil
	} else if err != nil {
		return err
	}
	return h.step(w, r, who, step{t, run, take})
}

// nextStep returns the step that was asked for, nil when it is not its turn.
func nextStep(decision string, run *tryout.Run) (take func(*tryout.Party, *tryout.Run) error, known bool) {
	steps := map[string]struct {
		next tryout.Next
		take func(*tryout.Party, *tryout.Run) error
	}{
		"exchange": {tryout.Exchange, (*tryout.Party).Exchange},
		"poll":     {tryout.Poll, (*tryout.Party).Poll},
		"end":      {run.Next, func(_ *tryout.Party, run *tryout.Run) error { run.Next = tryout.Nothing; return nil }},
	}
	s, known := steps[decision]
	if run.Next == tryout.Nothing || s.next != run.Next {
		return nil, known
	}
	return s.take, known
}

func noTest() *problem {
	return &problem{
		Status: http.StatusNotFound, Code: "E-TEST",
		Title:  "There is no such test",
		What:   "A test belongs to the administrator who began it, in the browser where they did, for ten minutes. Nothing was done.",
		Remedy: "Open the page of the client, and begin another test there.",
	}
}

func strangeAnswer() *problem {
	return &problem{
		Status: http.StatusBadRequest, Code: "E-TEST-ANSWER",
		Title:  "This does not answer the test",
		What:   "The browser came back with an answer that this test did not ask for, or that was taken already. Nothing was done with it.",
		Remedy: "Open the page of the client, and begin another test there.",
	}
}
