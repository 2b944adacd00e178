package middleware

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// traced returns a chain with or without traces.
func traced(trace func(*http.Request, string, string) (*http.Request, func(int))) http.Handler {
	return Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), Config{
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Trace: trace,
		Route: func(*http.Request) string { return "/route" },
		Hosts: Hosts{Issuer: &url.URL{Scheme: "http", Host: "localhost"}},
	})
}

func TestARequestIsTracedFromItsBeginToItsEnd(t *testing.T) {
	t.Parallel()
	var route, id string
	var ended int
	h := traced(func(r *http.Request, name, requestID string) (*http.Request, func(int)) {
		route, id = name, requestID
		return r, func(status int) { ended = status }
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/x?secret=1", nil))
	if route != "/route" || id == "" || id != w.Header().Get(RequestIDHeader) || ended != http.StatusTeapot {
		t.Errorf("traced %q of %q, ended with %d", route, id, ended)
	}
}

// BenchmarkRequest compares the chain with traces off and on: off costs
// nothing beyond the comparison with nil.
func BenchmarkRequest(b *testing.B) {
	for name, trace := range map[string]func(*http.Request, string, string) (*http.Request, func(int)){
		"traces=off": nil,
		"traces=on": func(r *http.Request, _, _ string) (*http.Request, func(int)) {
			return r.WithContext(r.Context()), func(int) {}
		},
	} {
		h := traced(trace)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://localhost/x", nil))
			}
		})
	}
}
