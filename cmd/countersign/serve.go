package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"countersign/cmd/countersign/assets"
	"countersign/cmd/countersign/config"
	"countersign/cmd/countersign/listen"
	"countersign/cmd/countersign/metrics"
	"countersign/cmd/countersign/middleware"
	"countersign/cmd/countersign/tracing"
	"countersign/storage/subject"
)

func newServe(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: noArgs,
		Long: "Runs the server. It needs no configuration: without any it keeps its data in ./countersign-data\n" +
			"and listens on http://localhost:8080. A first start prints a link that creates the first administrator.",
		Example: `  countersign serve
  countersign serve --config /etc/countersign.yaml --listen 127.0.0.1:8081`,
	}
	addServerSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.config(cmd)
		if err != nil {
			return err
		}
		return p.serve(cmd.Context(), cfg)
	}
	return cmd
}

// server is a server that is being started.
type server struct {
	program     *program
	cfg         *config.Config
	log         *slog.Logger
	stores      *stores
	subjects    *subject.Identifiers
	metrics     *metrics.Metrics
	tracing     *tracing.Tracing    // nil unless the environment asks for it
	certificate *listen.Certificate // nil without TLS
	clients     *clientsFile        // nil without clients_file
	brand       *assets.Brand
	listeners   listeners
	draining    atomic.Bool
	behind      backlogs        // of the job that deletes
	stopping    <-chan struct{} // closed when it is told to stop
}

// listeners are the open ports; admin and private may be nil.
type listeners struct{ main, admin, private net.Listener }

// serve starts the server and runs it until ctx ends. Ports are opened first:
// a second server by mistake should touch nothing.
func (p *program) serve(ctx context.Context, cfg *config.Config) (err error) {
	srv := &server{program: p, cfg: cfg, log: p.logger(cfg), stopping: ctx.Done()}
	if srv.listeners, err = openListeners(ctx, cfg); err != nil {
		return err
	}
	defer srv.listeners.close()
	cfg.Listening(srv.listeners.main.Addr())
	collectSeldom()
	if err := srv.openTracing(ctx); err != nil {
		return err
	}
	defer srv.closeTracing(ctx)
	if err := srv.openFiles(); err != nil {
		return err
	}
	if srv.stores, err = openStores(ctx, cfg, srv.log, migrateAlways); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stores.db.Close()) }()
	srv.measure()
	if err := srv.stores.keys.Ensure(ctx); err != nil {
		return fmt.Errorf("make signing keys: %w", err)
	}
	if cfg.ClientsFile != "" {
		srv.clients = &clientsFile{p, cfg.ClientsFile}
		if err := srv.applyClients(ctx); err != nil {
			return err
		}
	}
	if srv.subjects, err = subject.Open(ctx, srv.stores.db, srv.stores.sealing); err != nil {
		return err
	}
	servers, err := srv.servers()
	if err != nil {
		return err
	}
	srv.log.InfoContext(ctx, "configuration read; every other setting is at its default, as `countersign config show` shows", "settings", given(cfg))
	for _, w := range cfg.Warnings() {
		srv.log.WarnContext(ctx, w) //nolint:sloglint // the sentences are fixed, in another package
	}
	if err := srv.announce(ctx, p); err != nil {
		return err
	}
	return srv.run(ctx, servers)
}

// collectSeldom lets the heap grow to a few times of what is live before the
// garbage collector runs. Little is live here, some megabytes, so that Go's own
// pace spends a tenth of the processor on going through the same few again. An
// operator who sets GOGC is obeyed; GOMEMLIMIT bounds the heap either way.
func collectSeldom() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

const gcPercent = 400

// openTracing begins to trace, where the environment says so.
func (s *server) openTracing(ctx context.Context) (err error) {
	system := "postgresql"
	if s.cfg.SQLitePath() != "" {
		system = "sqlite"
	}
	s.tracing, err = tracing.Open(ctx, tracing.Config{Getenv: s.program.getenv, Version: readBuild().Version, System: system, Log: s.log})
	if err != nil {
		return remedy(err, err.Error(), "change the OTEL_* variables of the environment, or set OTEL_TRACES_EXPORTER=none")
	}
	if s.tracing != nil {
		s.log = slog.New(tracing.Log(s.log.Handler()))
	}
	return nil
}

func (s *server) closeTracing(ctx context.Context) {
	if s.tracing == nil {
		return
	}
	if err := s.tracing.Close(ctx); err != nil {
		s.log.WarnContext(ctx, "the last traces were not sent", "cause", err.Error())
	}
}

// measure begins to count.
func (s *server) measure() {
	built := readBuild()
	cfg := metrics.Config{
		Build:    metrics.Build{Version: built.Version, Commit: built.Commit, Go: built.Go},
		Database: s.stores.db.Pool(), WriteWait: s.stores.db.WriteWait, Hashing: s.stores.accounts.Hashing,
	}
	if s.certificate != nil {
		cfg.Certificate = s.certificate.NotAfter
	}
	s.metrics = metrics.New(cfg)
	s.stores.audit.Recorded = s.metrics.Audited
	if s.tracing != nil {
		s.stores.db.SetWatch(s.tracing.Statement)
	}
}

func openListeners(ctx context.Context, cfg *config.Config) (l listeners, err error) {
	for _, open := range []struct {
		key, addr string
		into      *net.Listener
	}{{"listen", cfg.Listen, &l.main}, {"admin_listen", cfg.AdminListen, &l.admin}, {"private_listen", cfg.PrivateListen, &l.private}} {
		if open.addr == "" {
			continue
		}
		if *open.into, err = listen.Open(ctx, open.key, open.addr); err != nil {
			l.close()
			return listeners{}, err
		}
	}
	return l, nil
}

func (l listeners) close() {
	for _, one := range []net.Listener{l.main, l.admin, l.private} {
		if one != nil {
			_ = one.Close() // the server may have done so
		}
	}
}

func loadCertificate(cfg *config.Config, log *slog.Logger) (*listen.Certificate, error) {
	c, err := listen.LoadCertificate(cfg.TLSCertificate, cfg.TLSKey, log, time.Now)
	if err != nil {
		return nil, remedy(err, err.Error(), "name PEM files that this user may read, the certificate first in its chain, with the key that belongs to it")
	}
	return c, nil
}

// lag is how long load balancers need to notice that a server stops.
const lag = 2 * time.Second

// servers puts the handlers on their ports. The private one stops last, so that
// the stop can be watched.
func (s *server) servers() ([]listen.Server, error) {
	doors, err := s.doors()
	if err != nil {
		return nil, err
	}
	var secure *tls.Config
	if s.certificate != nil {
		secure = s.certificate.TLS()
	}
	list := []listen.Server{{Listener: s.listeners.main, Handler: s.wrap(doors.main, s.cfg.Listen, s.mainHosts()), TLS: secure}}
	if s.listeners.admin != nil {
		list = append(list, listen.Server{Listener: s.listeners.admin, Handler: s.wrap(doors.admin, s.cfg.AdminListen, s.adminHosts()), TLS: secure})
	}
	if s.listeners.private != nil {
		list = append(list, listen.Server{Listener: s.listeners.private, Handler: s.private()})
	}
	return list, nil
}

func (s *server) wrap(d dispatcher, listen string, hosts middleware.Hosts) http.Handler {
	chain := middleware.Config{
		Log: s.log, Metrics: s.metrics, TrustedProxies: s.cfg.TrustedProxies, BehindProxy: s.cfg.BehindProxy(listen),
		Route: d.route, HSTS: s.cfg.IssuerURL().Scheme == "https", Hosts: hosts,
		Patient: d.patient,
		Keep:    func(r *http.Request) []string { return d.keep[d.route(r)] },
		AnyHost: s.health, Now: time.Now,
	}
	if s.tracing != nil {
		chain.Trace = s.tracing.Request
	}
	return middleware.Wrap(d, chain)
}

func (s *server) mainHosts() middleware.Hosts {
	u := s.cfg.IssuerURL()
	return middleware.Hosts{Issuer: u, Port: portOf(s.listeners.main), Loopback: config.IsLoopback(u.Hostname())}
}

func (s *server) adminHosts() middleware.Hosts {
	host, _, _ := net.SplitHostPort(s.cfg.AdminListen) // it was validated
	return middleware.Hosts{
		Issuer: s.cfg.IssuerURL(), Port: portOf(s.listeners.admin),
		Loopback: config.IsLoopback(host), Addresses: true,
	}
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // a listener has one
	return port
}

// announce prints where the server is, and the door to the first
// administrator's account while there is none.
func (s *server) announce(ctx context.Context, p *program) error {
	lines := [][2]string{
		{"Issuer", s.cfg.Issuer},
		{"Listening", s.url(s.listeners.main)},
		{"Discovery", s.cfg.Issuer + "/.well-known/openid-configuration"},
	}
	if s.listeners.admin != nil {
		lines = append(lines, [2]string{"Admin", s.url(s.listeners.admin)})
	} else {
		lines = append(lines, [2]string{"Settings", s.cfg.AdminBase() + "/settings/"})
	}
	if s.listeners.private != nil {
		lines = append(lines, [2]string{"Metrics", "http://" + s.listeners.private.Addr().String() + "/metrics"})
	}
	lines = append(lines, [2]string{"Database", shownURL(s.cfg.DatabaseURL())})
	setup, err := s.setupURL(ctx)
	if err != nil {
		return err
	}
	if setup != "" {
		lines = append(lines, [2]string{}, [2]string{"Set up", "there is no account yet; create the administrator within 30 minutes at"}, [2]string{"", setup})
	}
	return frame(p, lines)
}

// setupURL makes the one-time link while nobody has an account.
func (s *server) setupURL(ctx context.Context) (string, error) {
	needed, err := s.stores.accounts.NeedsSetup(ctx)
	if err != nil || !needed {
		return "", err
	}
	token, err := s.stores.accounts.StartSetup(ctx)
	if err != nil {
		return "", fmt.Errorf("start the set-up: %w", err)
	}
	base := s.cfg.Issuer
	if s.listeners.admin != nil {
		base = s.url(s.listeners.admin) + s.cfg.IssuerURL().Path
	}
	return base + "/setup?token=" + url.QueryEscape(token), nil
}

func (s *server) url(l net.Listener) string {
	if s.certificate != nil {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(set)"
	}
	return u.Redacted()
}

// frame prints the lines between two rules.
func frame(p *program, lines [][2]string) error {
	var b strings.Builder
	rule := strings.Repeat("─", 72)
	fmt.Fprintln(&b, rule)
	fmt.Fprintf(&b, "  Countersign %s\n\n", readBuild().Version)
	for _, l := range lines {
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-10s %s", l[0], l[1]), " "))
	}
	fmt.Fprintln(&b, rule)
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}

// run serves, and does the regular work beside it, until ctx ends.
func (s *server) run(ctx context.Context, servers []listen.Server) error {
	group, ctx := errgroup.WithContext(ctx)
	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	group.Go(func() error {
		s.work(working)
		return nil
	})
	group.Go(func() error { return s.watch(working) })
	group.Go(func() error {
		s.reloadOnHangup(working)
		return nil
	})
	group.Go(func() error {
		defer stopWork()
		stop := listen.Stop{Announce: func() {
			s.draining.Store(true)
			s.log.InfoContext(ctx, "stopping: running requests may finish")
		}}
		if host, _, _ := net.SplitHostPort(s.cfg.Listen); !config.IsLoopback(host) { // it was validated
			stop.Lag = lag
		}
		return listen.Serve(ctx, s.log, stop, servers...)
	})
	return group.Wait()
}

// reloadOnHangup reads the TLS certificate and the clients file again on SIGHUP.
func (s *server) reloadOnHangup(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		if s.certificate != nil {
			s.reloadCertificate(ctx)
		}
		if s.clients != nil {
			s.reloadClients(ctx)
		}
	}
}

func (s *server) reloadCertificate(ctx context.Context) {
	if err := s.certificate.Reload(); err != nil {
		s.log.ErrorContext(ctx, "the TLS certificate cannot be used; the old one stays", "cause", err.Error())
		return
	}
	s.log.InfoContext(ctx, "the TLS certificate was read again")
}
