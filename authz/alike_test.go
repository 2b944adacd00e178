package authz_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"countersign/storage/storagetest"
)

// alike are requests of clients of OAuth 2.0, by what is told of: within a group
// they differ in nothing but in what this server knows.
func (w *world) alike() map[string]map[string]func() *http.Request {
	w.Helper()
	other := w.register(registration("Other"))
	wrong := w.register(registration("Third")).secret // well-formed, and another client's
	by := func(path, id, secret string, form url.Values) func() *http.Request {
		return func() *http.Request {
			if secret == wrong {
				w.clock.Advance(time.Second) // so that nobody is slowed down
			}
			r := w.request(http.MethodPost, path, formType, form.Encode())
			r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			return r
		}
	}
	gone := w.tokens(w.web).str("access_token")
	w.post("/revoke", w.web, url.Values{"token": {gone}})
	// What nobody knows has a checksum that holds, too.
	unknown, unknownCode := w.tokens(w.web).str("access_token"), w.code(w.web)
	w.must(w.db.With(w.Context()).Exec("DELETE FROM access_tokens WHERE hash = ?", w.grants.Hash(unknown)).Error)
	w.must(w.db.With(w.Context()).Exec("DELETE FROM authorization_codes WHERE hash = ?", w.grants.Hash(unknownCode)).Error)
	ask := url.Values{"grant_type": {"client_credentials"}}
	return map[string]map[string]func() *http.Request{
		"clients": {
			"unknown":      by("/token", before(w.web.ID), wrong, ask),
			"wrong secret": by("/token", w.web.ID, wrong, ask), "wrong secret again": by("/token", w.web.ID, wrong, ask),
		},
		"tokens": {
			"unknown": by("/introspect", w.web.ID, w.web.secret, url.Values{"token": {unknown}}),
			"revoked": by("/introspect", w.web.ID, w.web.secret, url.Values{"token": {gone}}), "revoked again": by("/introspect", w.web.ID, w.web.secret, url.Values{"token": {gone}}),
		},
		"codes": {
			"unknown":        by("/token", other.ID, other.secret, redemption(unknownCode)),
			"another's":      by("/token", other.ID, other.secret, redemption(w.code(w.web))),
			"another's next": by("/token", other.ID, other.secret, redemption(w.code(w.web))),
		},
	}
}

// What a client may not know is refused with one answer, by one statement, whatever
// the reason; how long it takes is logged, for who asks for it by -refusals.
func TestRefusalsOfOAuth2AreAlike(t *testing.T) {
	each(t, func(w *world) {
		all := w.alike()
		for _, group := range []string{"tokens", "codes", "clients"} { // for the last the clock goes on
			var first string
			took := w.timeEach(all[group], func(kind string, statements int, res answer) {
				got := fmt.Sprint(res.StatusCode, res.Header["Content-Type"], res.Header["Www-Authenticate"], res.body)
				if first = cmp.Or(first, got); got != first || statements != 1 {
					w.Errorf("%s, %s: %d statements, and %s; others have %s", group, kind, statements, got, first)
				}
			})
			w.logMedians(group, slices.Collect(maps.Values(took))...)
		}
	})
}

// timeEach sends the requests of every kind in turns, as often as -refusals says,
// has the answers checked, and returns how long each took.
func (w *world) timeEach(kinds map[string]func() *http.Request, check func(kind string, statements int, res answer)) map[string][]time.Duration {
	w.Helper()
	took := map[string][]time.Duration{}
	for range *timed {
		for kind, request := range kinds { // in another order each time
			r := request()
			counter := storagetest.CountStatements(w.db)
			start := time.Now() //nolint:forbidigo // it is what is measured
			res := w.do(r)
			took[kind] = append(took[kind], time.Since(start))
			check(kind, len(counter.Statements()), res)
		}
	}
	return took
}

// distance is that of two lists in order by Kolmogorov and Smirnov: the largest
// difference between the shares of both that took no longer than some time.
func distance(a, b []time.Duration) float64 {
	var largest float64
	for i, j := 0, 0; i < len(a) && j < len(b); {
		at := min(a[i], b[j])
		for i < len(a) && a[i] == at {
			i++
		}
		for j < len(b) && b[j] == at {
			j++
		}
		largest = max(largest, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return largest
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b []time.Duration
		want float64
	}{
		{[]time.Duration{1, 2, 3, 4}, []time.Duration{1, 2, 3, 4}, 0},
		{[]time.Duration{1, 2}, []time.Duration{3, 4}, 1},
		{[]time.Duration{1, 2, 3, 4}, []time.Duration{2, 3, 4, 5}, 0.25},
		{[]time.Duration{1, 1, 1, 9}, []time.Duration{1, 9, 9, 9}, 0.5},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%v and %v are %v apart; want %v", tt.a, tt.b, got, tt.want)
		}
	}
}
