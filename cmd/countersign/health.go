package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// readyTimeout is how long a probe waits for the database.
const readyTimeout = 2 * time.Second

// health returns the handler of a health path, nil for other requests. It
// answers under any host name, because probes address machines.
func (s *server) health(r *http.Request) http.Handler {
	switch r.URL.Path {
	case "/livez":
		return http.HandlerFunc(live200)
	case "/readyz", "/healthz":
		return http.HandlerFunc(s.ready)
	default:
		return nil
	}
}

func live200(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "ok\n")
}

// ready serves GET /readyz: whether requests should be sent here.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	for _, c := range s.checks() {
		if err := c.check(r.Context()); err != nil {
			w.Header().Set("Retry-After", "1")
			writeText(w, http.StatusServiceUnavailable, "not ready: "+c.name+"\n")
			return
		}
	}
	writeText(w, http.StatusOK, "ok\n")
}

// readyVerbose is [server.ready] for the private listener: it names each check.
func (s *server) readyVerbose(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	var b strings.Builder
	for _, c := range s.checks() {
		line := "ok     " + c.name
		if err := c.check(r.Context()); err != nil {
			status, line = http.StatusServiceUnavailable, "failed "+c.name+": "+err.Error()
		}
		b.WriteString(line + "\n")
	}
	writeText(w, status, b.String())
}

type readyCheck struct {
	name  string
	check func(context.Context) error
}

func (s *server) checks() []readyCheck {
	return []readyCheck{
		{"running", func(context.Context) error {
			if s.draining.Load() {
				return errors.New("the server is stopping")
			}
			return nil
		}},
		{"database", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, readyTimeout)
			defer cancel()
			return s.stores.db.Ping(ctx)
		}},
		{"signing keys", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, readyTimeout)
			defer cancel()
			set, err := s.stores.keys.Public(ctx)
			if err == nil && len(set.Keys) == 0 {
				err = errors.New("there are none")
			}
			return err
		}},
	}
}

// private serves what machines that watch this one read.
func (s *server) private() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("GET /livez", live200)
	mux.HandleFunc("GET /readyz", s.readyVerbose)
	mux.HandleFunc("GET /healthz", s.readyVerbose)
	return mux
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may have gone
}
