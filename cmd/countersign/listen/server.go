package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Limits on clients: a request of ours is small and its answer quick.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 32 << 10
	maxStreams        = 100
)

// Drain is how long running requests get to finish.
const Drain = 25 * time.Second

// InUseError reports an address that another program listens on.
type InUseError struct{ Key, Addr string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("another program listens on %s already", e.Addr)
}

// Open listens on addr. Key is the setting that names it, for the error.
func Open(ctx context.Context, key, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &InUseError{Key: key, Addr: addr}
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on %s; set %s to a port from 1024 on, or give the program the right to", addr, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("this machine does not have the address %s; set %s to one that it has", addr, key)
	default:
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, key, err)
	}
}

// Server is one listener and what it serves.
type Server struct {
	Listener net.Listener
	Handler  http.Handler
	TLS      *tls.Config // nil speaks plain http
}

func (s Server) server(log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           s.Handler,
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		// Handshakes with strangers fail all day.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Stop says how a server that is told to stop goes about it.
type Stop struct {
	// Announce is called first: from then on the server says that it is not
	// ready.
	Announce func()
	// Lag is how long the server goes on accepting after that, so that a load
	// balancer notices before connections are refused.
	Lag time.Duration
}

// Serve serves until ctx ends, then lets running requests finish, for [Drain]
// at most, on one server after the other in the order given. It returns nil
// after such a stop.
func Serve(ctx context.Context, log *slog.Logger, stop Stop, servers ...Server) error {
	group, ctx := errgroup.WithContext(ctx)
	running := make([]*http.Server, len(servers))
	for i, s := range servers {
		srv := s.server(log)
		running[i] = srv
		group.Go(func() error {
			if err := serve(srv, s); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", s.Listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		stop.Announce()
		time.Sleep(stop.Lag)
		return shutdown(context.WithoutCancel(ctx), log, running)
	})
	return group.Wait()
}

func shutdown(ctx context.Context, log *slog.Logger, servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, Drain)
	defer cancel()
	var faults []error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			log.WarnContext(ctx, "some requests did not finish in time and were cut off")
			faults = append(faults, srv.Close())
		}
	}
	return errors.Join(faults...)
}

func serve(srv *http.Server, s Server) error {
	if s.TLS != nil {
		return srv.ServeTLS(s.Listener, "", "")
	}
	return srv.Serve(s.Listener)
}
