package middleware

import (
	"log/slog"
	"net"
	"net/http"
)

// observe writes one line of access log and one measurement a request. Neither
// has the query, which may hold codes and states, nor the path as it was
// requested, which may hold anything.
func observe(next http.Handler, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := cfg.Now()
		route := cfg.Route(r)
		rec := &recorder{ResponseWriter: w}
		cfg.Metrics.Begin()
		if cfg.Trace != nil {
			traced, end := cfg.Trace(r, route, r.Header.Get(RequestIDHeader))
			defer func() { end(rec.code()) }()
			r = traced
		}
		defer func() { //nolint:contextcheck // the log takes the context of the request
			took := cfg.Now().Sub(start)
			cfg.Metrics.End(r.Method, route, rec.code(), took)
			cfg.Log.LogAttrs(r.Context(), level(route), "request",
				slog.String("method", r.Method), slog.String("route", route), slog.Int("status", rec.code()),
				slog.Float64("duration_ms", float64(took.Microseconds())/1000),
				slog.String("request_id", r.Header.Get(RequestIDHeader)), slog.String("client_address", clientHost(r.RemoteAddr)))
		}()
		next.ServeHTTP(rec, r)
	})
}

// level keeps probes out of the log unless somebody looks for them.
func level(route string) slog.Level {
	switch route {
	case "/livez", "/readyz", "/healthz", "/metrics":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

func clientHost(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the first final status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write remembers that the answer began.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

func answered(w http.ResponseWriter) bool {
	rec, ok := w.(*recorder)
	return ok && rec.status != 0
}
