package middleware

import (
	"log/slog"
	"net"
	"net/http"
	"time"
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
		defer func() {
			end := cfg.Now()
			took := end.Sub(start)
			cfg.Metrics.End(r.Method, route, rec.code(), took)
			line(cfg.Log, r, end, route, slog.String("method", r.Method), slog.String("route", route), slog.Int("status", rec.code()),
				slog.Int64("duration_us", took.Microseconds()),
				slog.String("request_id", r.Header.Get(RequestIDHeader)), slog.String("client_address", clientHost(r.RemoteAddr)))
		}()
		next.ServeHTTP(rec, r)
	})
}

// line writes a line about a request that ended. The logger's own methods look
// for their caller on the stack each time, which for this line is always here.
func line(log *slog.Logger, r *http.Request, end time.Time, route string, attrs ...slog.Attr) {
	ctx, h, at := r.Context(), log.Handler(), level(route)
	if !h.Enabled(ctx, at) {
		return
	}
	line := slog.NewRecord(end, at, "request", 0)
	line.AddAttrs(attrs...)
	_ = h.Handle(ctx, line) // there is nowhere else to say that the log cannot be written
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
