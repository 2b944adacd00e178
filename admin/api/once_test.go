package api_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage/idempotency"
)

// count returns how many clients there are.
func (w *world) count() int {
	w.Helper()
	list, err := w.clients.List(w.Context(), clientstore.Filter{})
	w.must(err)
	return len(list)
}

// A request that is repeated with its key is done once, and answered the same
// again, secret and all, for a day; nothing of that is readable in the
// database.
func TestOnce(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		create := call{method: "POST", path: "/v1/clients", body: example}.with("Idempotency-Key", `"7d1b6a54-2c4e-4f0e-9f0e-0d5f7f3f1f10"`)
		first := w.want(w.do(create), http.StatusCreated)
		again := w.want(w.do(create.with("Idempotency-Key", "7d1b6a54-2c4e-4f0e-9f0e-0d5f7f3f1f10")), http.StatusCreated)
		if again.text != first.text || again.header.Get("ETag") != `"1"` || again.header.Get("Location") != first.header.Get("Location") || w.count() != 1 {
			w.Errorf("again %v %s; at first %s; %d clients", again.header, again.text, first.text, w.count())
		}
		if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
			w.Errorf("%v, again %v", first.header, again.header)
		}
		var kept [][]byte
		w.must(w.db.With(w.Context()).Raw(`SELECT answer FROM idempotency_keys`).Scan(&kept).Error)
		for _, answer := range kept {
			if len(answer) == 0 || bytes.Contains(answer, []byte("Modeler")) || bytes.Contains(answer, []byte("cs_cs_")) {
				w.Errorf("kept in clear: %q", answer)
			}
		}
		other := create
		other.body = `{"client_name":"Other","redirect_uris":["https://o.example/cb"]}`
		w.problem(w.do(other), 422, "idempotency-key-reused")
		other.key = w.key(w.ada, "clients:write") // who chose the same key by chance
		w.want(w.do(other), http.StatusCreated, "Other")

		id := first.json["client_id"].(string)
		rotate := call{method: "POST", path: "/v1/clients/" + id + "/secrets", body: `{"overlap":60}`}.with("Idempotency-Key", "rotation-1")
		secret := w.want(w.do(rotate), http.StatusCreated).json["client_secret"]
		if got := w.want(w.do(rotate), http.StatusCreated).json["client_secret"]; got != secret || secret == nil {
			w.Errorf("rotated to %v and again to %v", secret, got)
		}
		w.clock.Advance(23 * time.Hour)
		if again := w.do(create); again.text != first.text {
			w.Errorf("before the day is over: %s", again.text)
		}
		w.all = w.key(w.ada, clientstore.AdministrationScopes...)
		for _, bad := range []string{"", `""`, "a b", strings.Repeat("x", 256), "é"} {
			w.problem(w.do(call{method: "POST", path: "/v1/clients", body: example}.with("Idempotency-Key", bad)), 400, "bad-idempotency-key")
		}
	})
}

// Whoever may not do it any more gets no old answer.
func TestOnceForWhoMay(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		eve := w.person("eve", "configure_server")
		create := call{method: "POST", path: "/v1/clients", body: example, key: w.key(eve, "clients:write")}.with("Idempotency-Key", "k1")
		w.want(w.do(create), http.StatusCreated)
		w.must(w.accounts.SetPermissions(w.Context(), root, eve.ID, nil))
		w.problem(w.do(create), 403, "no-permission")
	})
}

// A request that was refused can be corrected and sent with the same key.
func TestOnceAfterARefusal(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		create := call{method: "POST", path: "/v1/clients", body: `{"client_name":""}`}.with("Idempotency-Key", "k1")
		w.problem(w.do(create), 422, "invalid-client")
		create.body = example
		w.want(w.do(create), http.StatusCreated)
		w.want(w.do(create), http.StatusCreated)
		if w.count() != 1 {
			w.Errorf("%d clients", w.count())
		}
	})
}

// Of twenty at once one is done; the others get its answer or are told to wait.
func TestOnceAtTheSameTime(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		var done, waiting atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				a := w.do(call{method: "POST", path: "/v1/clients", body: example}.with("Idempotency-Key", "k1"))
				switch {
				case a.status == http.StatusCreated:
					done.Add(1)
				case a.status == http.StatusConflict && a.header.Get("Retry-After") == "1":
					waiting.Add(1)
				default:
					w.Errorf("%d %s", a.status, a.text)
				}
			})
		}
		all.Wait()
		if w.count() != 1 || done.Load() < 1 || done.Load()+waiting.Load() != 20 {
			w.Errorf("%d clients, %d done, %d waiting", w.count(), done.Load(), waiting.Load())
		}
	})
}

// A server that died while it did a request holds the key for half a minute,
// and cannot finish what another did since.
func TestOnceAfterACrash(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		r := idempotency.Request{Caller: "c", Key: "k", Content: "x"}
		lost, before, err := w.once.Begin(w.Context(), r)
		w.must(err)
		if before != nil {
			w.Fatalf("answered %v before", before)
		}
		if _, _, err := w.once.Begin(w.Context(), r); !errors.Is(err, idempotency.ErrInFlight) {
			w.Errorf("a second at once: %v", err)
		}
		r.Content = "y"
		if _, _, err := w.once.Begin(w.Context(), r); !errors.Is(err, idempotency.ErrMismatch) {
			w.Errorf("another request: %v", err)
		}
		r.Content = "x"
		w.clock.Advance(30 * time.Second)
		next, _, err := w.once.Begin(w.Context(), r)
		w.must(err)
		if err := w.once.Finish(w.Context(), lost, idempotency.Answer{Status: 1}); !errors.Is(err, idempotency.ErrInFlight) {
			w.Errorf("the lost one finishes: %v", err)
		}
		w.must(w.once.Release(w.Context(), lost)) // it has nothing to give back
		w.must(w.once.Finish(w.Context(), next, idempotency.Answer{Status: 2, Body: []byte("b")}))
		if _, before, err = w.once.Begin(w.Context(), r); err != nil || before == nil || before.Status != 2 || string(before.Body) != "b" {
			w.Errorf("answered %v, %v", before, err)
		}
		if n, err := w.once.Purge(w.Context(), 10); n != 0 || err != nil {
			w.Errorf("Purge() = %d, %v", n, err)
		}
		w.clock.Advance(24 * time.Hour)
		if _, before, err = w.once.Begin(w.Context(), idempotency.Request{Caller: "c", Key: "k", Content: "z"}); err != nil || before != nil {
			w.Errorf("a day later: %v, %v", before, err)
		}
		w.clock.Advance(24 * time.Hour)
		if n, err := w.once.Purge(w.Context(), 10); n != 1 || err != nil {
			w.Errorf("Purge() = %d, %v", n, err)
		}
	})
}
