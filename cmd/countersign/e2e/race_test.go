package e2e

import (
	"net/http"
	"sync"
	"testing"
)

// racers is how many requests run against one another.
const racers = 50

// race sends the same request from all racers at once.
func race(send func() answer) []answer {
	answers := make([]answer, racers)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			answers[i] = send()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return answers
}

// TestRaceForOneCode shows that of 50 parallel redemptions of one code exactly
// one wins, the others get the protocol's own error, and, because the code was
// used again, nothing of its family stays alive (CD-03, INV-02, INV-03).
func TestRaceForOneCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		r := s.Request(c)
		code := s.Code(s.browse(), r, u)
		var won []answer
		for _, a := range race(func() answer { return s.Exchange(c, code, r) }) {
			if a.Status == http.StatusOK {
				won = append(won, a)
				continue
			}
			wantError(t, a, http.StatusBadRequest, "invalid_grant")
		}
		if len(won) != 1 {
			t.Fatalf("%d redemptions of one code succeeded; want 1", len(won))
		}
		wantInactive(t, s.Introspect(c, won[0].str("access_token")))
		wantError(t, s.Refresh(c, won[0].str("refresh_token")), http.StatusBadRequest, "invalid_grant")
	})
}

// TestRaceForOneRefreshToken shows that 50 parallel refreshes within the grace
// get the same successor, so that two windows neither fork nor end a session
// (INV-04, INV-18, RT-03, RT-13).
func TestRaceForOneRefreshToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.PublicClient(), s.User()
		token := s.Tokens(c, u).refresh
		successors := map[string]bool{}
		var last answer
		for _, a := range race(func() answer { return s.Refresh(c, token) }) {
			wantTokens(t, a)
			successors[a.str("refresh_token")] = true
			last = a
		}
		if len(successors) != 1 || successors[token] || successors[""] {
			t.Fatalf("50 refreshes of one token have %d successors; want one new one", len(successors))
		}
		next := s.Refresh(c, last.str("refresh_token"))
		wantTokens(t, next)
		if next.str("refresh_token") == last.str("refresh_token") {
			t.Error("the successor does not rotate")
		}
	})
}

// TestRaceRevocation shows that 20 parallel revocations of one token all
// succeed (RV-09), and that after the first no refresh that starts later does
// (RT-18, INV-05).
func TestRaceRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		got := s.Tokens(c, u)
		for _, a := range race(func() answer { return s.Revoke(c, got.refresh) }) {
			if a.Status != http.StatusOK {
				t.Errorf("a revocation got %d %s; want 200", a.Status, a.Body)
			}
		}
		wantInactive(t, s.Introspect(c, got.access))
		wantError(t, s.Refresh(c, got.refresh), http.StatusBadRequest, "invalid_grant")
	})
}

// TestRaceRefreshAgainstRevocation revokes a family while it is refreshed:
// whatever the refreshes got, nothing of it is alive afterwards (RT-18).
func TestRaceRefreshAgainstRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.PublicClient(), s.User()
		for range 20 {
			got := s.Tokens(c, u)
			var mu sync.Mutex
			revoked := false
			answers := race(func() answer {
				mu.Lock()
				mine := !revoked
				revoked = true
				mu.Unlock()
				if mine {
					return s.Revoke(c, got.refresh)
				}
				return s.Refresh(c, got.refresh)
			})
			for _, a := range answers {
				if refresh := a.str("refresh_token"); refresh != "" {
					wantError(t, s.Refresh(c, refresh), http.StatusBadRequest, "invalid_grant")
					wantBearerError(t, s.Userinfo(a.str("access_token")), http.StatusUnauthorized, "invalid_token")
				}
			}
			wantBearerError(t, s.Userinfo(got.access), http.StatusUnauthorized, "invalid_token")
		}
	})
}
