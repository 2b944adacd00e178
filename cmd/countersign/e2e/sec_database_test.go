package e2e

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"countersign/storage"
)

// TestKilledBeforeTheAnswer is CD-13: the database has committed the redemption
// of a code, and the server is killed before it hears of it. The code is spent,
// its tokens are nobody's, and there is no second family.
func TestKilledBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	s := prepare(t, postgres)
	l := onLine(s)
	s.Start()
	t.Cleanup(s.finish)
	c, u := s.Client(), s.User()
	r := s.Request(c)
	code := s.Code(s.browse(), r, u)
	db := l.database(t)
	if spent, _, _ := redeemed(t, db, c); spent != 0 {
		t.Fatalf("%d codes are spent before anybody redeemed one", spent)
	}

	kept := l.keep(t, func() bool { spent, _, _ := redeemed(t, db, c); return spent > 0 })
	answered := make(chan int, 1)
	req := s.postRequest(s.endpoint("token_endpoint"), c, r.exchange(code))
	go func() { answered <- statusOf(req) }()
	select {
	case <-kept:
	case status := <-answered:
		t.Fatalf("answered with %d before the database was", status)
	}
	s.Kill()
	if status := <-answered; status != 0 {
		t.Errorf("the client was answered with %d", status)
	}
	l.free()
	if spent, access, refresh := redeemed(t, db, c); spent != 1 || access != 1 || refresh != 1 {
		t.Errorf("%d codes spent, %d access tokens, %d refresh tokens; want one each", spent, access, refresh)
	}

	s.Start()
	wantError(t, s.Exchange(c, code, r), http.StatusBadRequest, "invalid_grant")
	if _, access, refresh := redeemed(t, db, c); access > 1 || refresh > 1 {
		t.Errorf("%d access tokens and %d refresh tokens after a second try; want no second family", access, refresh)
	}
	if got := s.Tokens(c, u); got.access == "" {
		t.Error("the client cannot begin anew")
	}
}

// redeemed counts the client's codes that are spent, and its tokens.
func redeemed(t *testing.T, db *storage.DB, c *client) (spent, access, refresh int) {
	t.Helper()
	err := db.With(context.Background()).Raw(`SELECT
		(SELECT count(*) FROM authorization_codes o JOIN grants g ON g.id = o.grant_id WHERE g.client_id = @id AND o.spent_at IS NOT NULL),
		(SELECT count(*) FROM access_tokens o JOIN grants g ON g.id = o.grant_id WHERE g.client_id = @id),
		(SELECT count(*) FROM refresh_tokens o JOIN grants g ON g.id = o.grant_id WHERE g.client_id = @id)`,
		map[string]any{"id": c.ID}).Row().Scan(&spent, &access, &refresh)
	if err != nil {
		t.Error(err)
	}
	return spent, access, refresh
}

// statusOf sends a request and returns the status of its answer, 0 for none.
func statusOf(req *http.Request) int {
	res, err := machine.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body) // its status is what matters
	_ = res.Body.Close()
	return res.StatusCode
}

// TestExhaustedPool is HT-15: every connection to the database waits for an
// answer. Who asks meanwhile is told to come again, and once the database
// answers everybody is served: no connection is lost. There is one for all, so that
// whoever took a second within a transaction would wait for themselves.
func TestExhaustedPool(t *testing.T) {
	t.Parallel()
	s := prepare(t, postgres, setting{"DATABASE_MAX_CONNS", "1"})
	l := onLine(s)
	s.Start()
	t.Cleanup(s.finish)
	s.expectFaults = true
	c, u, b := s.Client(), s.User(), s.browse()
	token := s.tokensBy(b, c, u).access
	s.wantManyServed(b, c, u)

	kept := l.keep(t, func() bool { return true })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			a := s.Introspect(c, token)
			wantError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
			if a.Header.Get("Retry-After") == "" {
				t.Error("a busy server does not say when to come again")
			}
		})
	}
	all.Wait()
	<-kept
	if status := s.ask("/livez"); status != http.StatusOK {
		t.Errorf("/livez answers %d while the database does not", status)
	}
	l.free()
	for end := time.Now().Add(time.Minute); s.ask("/readyz") != http.StatusOK; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server does not recover")
		}
	}
	wantActive(t, s.Introspect(c, token))
	s.wantManyServed(b, c, u)
}

// tokensBy is [server.Tokens] in a browser where the person may have signed in.
func (s *server) tokensBy(b *browser, c *client, u *user) tokens {
	s.t.Helper()
	r := s.Request(c)
	a := s.Exchange(c, s.Code(b, r, u), r)
	wantTokens(s.t, a)
	return tokens{a.str("access_token"), a.str("refresh_token"), a.str("id_token")}
}

// wantManyServed has several flows run at once, from the authorization to the
// revocation.
func (s *server) wantManyServed(b *browser, c *client, u *user) {
	s.t.Helper()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			a := s.Refresh(c, s.tokensBy(b, c, u).refresh)
			wantTokens(s.t, a)
			wantActive(s.t, s.Introspect(c, a.str("access_token")))
			if a := s.Revoke(c, a.str("refresh_token")); a.Status != http.StatusOK {
				s.t.Errorf("a revocation got %d %s", a.Status, a.Body)
			}
		})
	}
	all.Wait()
}
