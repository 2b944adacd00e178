package middleware

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestEveryLineAboutARequestNamesIt(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	log := slog.New(Log(slog.NewJSONHandler(&written, nil)))
	h := requestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		log.InfoContext(r.Context(), "without")
		log.With("a", 1).WithGroup("g").InfoContext(r.Context(), "within a group")
		log.InfoContext(r.Context(), "with", "request_id", r.Header.Get(RequestIDHeader))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	log.InfoContext(t.Context(), "about none")
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	for i, want := range []int{1, 1, 1, 0} {
		if n := strings.Count(lines[i], `"request_id":"`); n != want {
			t.Errorf("%s names %d requests; want %d", lines[i], n, want)
		}
	}
	if id := w.Header().Get(RequestIDHeader); strings.Count(written.String(), id) != 3 {
		t.Errorf("%s is not named thrice: %s", id, written.String())
	}
}

// TestTimesAreInUTC: lines of servers in several places sort as text.
func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	at := time.Date(2026, 11, 27, 1, 2, 3, 4_005_006, time.FixedZone("", -7200))
	err := Log(slog.NewTextHandler(&written, nil)).Handle(t.Context(), slog.NewRecord(at, slog.LevelInfo, "text", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := Log(slog.NewJSONHandler(&written, nil)).Handle(t.Context(), slog.NewRecord(at, slog.LevelInfo, "JSON", 0)); err != nil {
		t.Fatal(err)
	}
	const want = "time=2026-11-27T03:02:03.004Z level=INFO msg=text\n" + `{"time":"2026-11-27T03:02:03.004005Z","level":"INFO","msg":"JSON"}` + "\n"
	if written.String() != want {
		t.Errorf("%s; want %s", written.String(), want)
	}
}
