package middleware

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
)

// recoverer turns a panic into an answer that tells the person, or the program,
// what to quote when asking for help, and nothing else.
func recoverer(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // the log takes the context of the request
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the server compares it so, too
				panic(p)
			}
			id := r.Header.Get(RequestIDHeader)
			log.ErrorContext(r.Context(), "request failed unexpectedly", "request_id", id,
				"cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			if answered(w) { // too late for another answer; end this one visibly
				panic(http.ErrAbortHandler)
			}
			internalError(w, r, id)
		}()
		next.ServeHTTP(w, r)
	})
}

func internalError(w http.ResponseWriter, r *http.Request, id string) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, //nolint:gosec // the identifier is ours: 26 letters and digits
			"<!doctype html><html lang=\"en\"><meta name=\"viewport\" content=\"width=device-width\">"+
				"<title>Something went wrong</title><h1>Something went wrong</h1><p>The server could not answer. Try again; "+
				"if it happens again, tell your administrator this number: <strong>%s</strong></p></html>\n", id)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client may have gone
		"error":             "server_error",
		"error_description": "The server could not answer. Its log says more about request " + id + ".",
	})
}
