package driver

import (
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// standIn is a server that knows one scenario.
func standIn(t *testing.T) *Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			_, _ = w.Write([]byte(`{"issuer":"x","jwks_uri":"` + "http://" + r.Host + `/keys"}`))
			return
		}
		_, _ = w.Write([]byte(`{"keys":[]}`))
	}))
	t.Cleanup(s.Close)
	server := &Server{Name: "stand-in", Issuer: s.URL}
	if err := server.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

func TestRunCountsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	scenario, err := Find("jwks")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(standIn(t), Load{Scenario: scenario, Concurrency: 3, Warm: 10 * time.Millisecond, For: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.Operations == 0 || r.Errors != 0 || r.P50 > r.P99 || r.Requests < 0.9 {
		t.Errorf("got %+v", r)
	}
}

// Servers that are compared take turns: each slice says what it cost, and a result
// is of all of them.
func TestResultIsOfAllSlices(t *testing.T) {
	t.Parallel()
	scenario, err := Find("jwks")
	if err != nil {
		t.Fatal(err)
	}
	server := standIn(t)
	server.Processes = []Process{{Name: "server", PID: os.Getpid()}}
	r, err := Open(server, Load{Scenario: scenario, Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last int
	for range 3 {
		if err := r.Slice(time.Millisecond, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		result := r.Result()
		if result.Operations <= last || result.Errors != 0 || math.Abs(result.Requests-1) > 1e-9 {
			t.Errorf("after %d operations: %+v", last, result)
		}
		last = result.Operations
	}
	result := r.Result()
	if len(result.Slices) != 3 || result.Seconds < 0.3 || result.Memory["server"] == 0 {
		t.Errorf("got %+v", result)
	}
	time.Sleep(10 * time.Millisecond)
	if again := r.Result(); again.Operations != last {
		t.Errorf("%d operations while nothing was to be done", again.Operations-last)
	}
}

func TestWhatAServerLacksIsToldApart(t *testing.T) {
	t.Parallel()
	scenario, err := Find("cc")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(standIn(t), Load{Scenario: scenario, Concurrency: 1})
	if err == nil || !strings.Contains(err.Error(), "no client for cc") {
		t.Errorf("got %v; want that there is no client", err)
	}
}

func TestFormIsFilledInAndSent(t *testing.T) {
	t.Parallel()
	w := &worker{server: &Server{Fields: map[string]string{"username": "bench{w}", "decision": "allow"}}, number: 7}
	b := newBrowser(w)
	got := b.values(`<input type="hidden" name="interaction" value="i&amp;1"><input name="username"><input type="checkbox" name="no" value="1">
		<button name="decision" value="deny">No</button><button name="other" value="x">`).Encode()
	if want := "decision=allow&interaction=i%261&username=bench7"; got != want {
		t.Errorf("values = %s; want %s", got, want)
	}
}
