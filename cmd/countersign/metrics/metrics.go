// Package metrics is what the server tells Prometheus of itself. Names and
// labels follow Prometheus' and OpenTelemetry's conventions; docs/operation.md
// says what each is for. No label has a value that a stranger chose.
package metrics

import (
	"database/sql"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build is what was built.
type Build struct{ Version, Commit, Go string }

// Config is what is measured that others keep.
type Config struct {
	Build Build
	// Database is the pool of connections.
	Database *sql.DB
	// WriteWait is how long all requests together have waited for their turn
	// to write to SQLite.
	WriteWait func() time.Duration
	// Hashing is the pool that hashes passwords: how many are hashed, how many
	// wait, and how many may be hashed at once.
	Hashing func() (running, waiting, capacity int)
	// Certificate tells when the TLS certificate expires; nil without one.
	Certificate func() time.Time
}

// Metrics are the measurements of one server. The methods of nil do nothing.
type Metrics struct {
	registry *prometheus.Registry

	duration *prometheus.HistogramVec
	answers  answers
	active   prometheus.Gauge

	issued, refused, signIns, signInFailures, audited, deliveries labelled
	pending, owed                                                 prometheus.Gauge

	jobDuration *prometheus.HistogramVec
	jobRuns     *prometheus.CounterVec
	jobSuccess  *prometheus.GaugeVec
	purged      *prometheus.CounterVec
	unnoted     prometheus.Counter
}

// New returns the measurements of the process, its database connections and
// what it does.
func New(cfg Config) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_server_request_duration_seconds",
			Help:    "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"http_request_method", "http_route", "http_response_status_code"}),
		active: gauge("http_server_active_requests", "Requests that are being answered."),

		issued:         counter("countersign_tokens_issued_total", "Answers with tokens, by grant type; oauth1 for token credentials of OAuth 1.0a.", "grant_type"),
		refused:        counter("countersign_requests_refused_total", "Requests that were refused, by the error code of the protocol or of the page.", "error"),
		signIns:        counter("countersign_sign_ins_total", "Sessions begun by signing in, by the methods of authentication (RFC 8176).", "methods"),
		signInFailures: counter("countersign_sign_in_failures_total", "Attempts to sign in that failed, by what was wrong.", "reason"),
		audited:        counter("countersign_audit_events_total", "Changes that were written to the audit record, such as client.approve.", "action"),
		deliveries:     counter("countersign_logout_tokens_total", "Attempts to deliver logout tokens to clients, by result.", "result"),

		pending: gauge("countersign_clients_pending", "Clients that wait for approval."),
		owed:    gauge("countersign_logout_tokens_waiting", "Logout tokens that are yet to be delivered."),

		jobDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "countersign_task_duration_seconds", Help: "Time that a run of a regular job took.", Buckets: []float64{.01, .1, 1, 10, 60},
		}, []string{"task"}),
		jobRuns:    counterVec("countersign_task_runs_total", "Runs of the regular jobs, by result.", "task", "result"),
		jobSuccess: gaugeVec("countersign_task_last_success_timestamp_seconds", "When a regular job last succeeded, in Unix time.", "task"),
		purged:     counterVec("countersign_purged_records_total", "Records that were deleted because they had expired.", "records"),
		unnoted:    prometheus.NewCounter(prometheus.CounterOpts{Name: "countersign_client_failures_dropped_total", Help: "Refusals that came too fast to be kept for administrators."}),
	}
	m.register(cfg)
	m.zero()
	return m
}

// zero begins to count at zero what alerts and dashboards look for, so that a
// first event is an increase.
func (m *Metrics) zero() {
	for _, begin := range []struct {
		of     labelled
		values []string
	}{
		{m.issued, []string{"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", "oauth1"}},
		{m.refused, []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "access_denied", "server_error", "temporarily_unavailable"}},
		{m.signIns, []string{"pwd"}},
		{m.signInFailures, []string{"wrong", "throttled", "busy", "passkey"}},
		{m.audited, []string{"client.register", "client.approve", "client.disapprove"}},
		{m.deliveries, []string{"delivered", "failed"}},
	} {
		for _, value := range begin.values {
			begin.of.get(value)
		}
	}
}

func (m *Metrics) register(cfg Config) {
	m.registry.MustRegister(m.duration, m.active, m.issued, m.refused, m.signIns, m.signInFailures, m.audited, m.deliveries,
		m.pending, m.owed, m.jobDuration, m.jobRuns, m.jobSuccess, m.purged, m.unnoted, buildInfo(cfg.Build),
		collectors.NewGoCollector(), collectors.NewBuildInfoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if cfg.Database != nil {
		m.registry.MustRegister(collectors.NewDBStatsCollector(cfg.Database, "countersign"))
	}
	if cfg.WriteWait != nil {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_database_write_wait_seconds_total", Help: "Time that requests have waited for their turn to write to SQLite.",
		}, func() float64 { return cfg.WriteWait().Seconds() }))
	}
	if cfg.Hashing != nil {
		m.registry.MustRegister(hashing(cfg.Hashing))
	}
	if cfg.Certificate != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_tls_certificate_expiry_timestamp_seconds", Help: "When the TLS certificate expires, in Unix time.",
		}, func() float64 { return float64(cfg.Certificate().Unix()) }))
	}
}

func buildInfo(b Build) prometheus.Collector { //nolint:ireturn // what is registered
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "countersign_build_info", Help: "1, with the release that runs.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Commit, "goversion": b.Go},
	})
	g.Set(1)
	return g
}

// Handler serves the measurements to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// Begin counts a request that is being answered.
func (m *Metrics) Begin() {
	if m != nil {
		m.active.Inc()
	}
}

// End measures a request that [Metrics.Begin] counted. Route is one of few.
func (m *Metrics) End(method, route string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.active.Dec()
	if !slices.Contains(methods, method) { // anybody can invent methods
		method = "_OTHER"
	}
	m.answers.of(m.duration, answer{method, route, status}).Observe(took.Seconds())
}

// answer is what the answers have in common that are measured together.
type answer struct {
	method, route string
	status        int
}

// answers are measured by every request, so that their labels are looked up once.
type answers struct {
	mu    sync.RWMutex
	known map[answer]prometheus.Observer
}

func (a *answers) of(all *prometheus.HistogramVec, one answer) prometheus.Observer { //nolint:ireturn // prometheus has no other
	a.mu.RLock()
	o := a.known[one]
	a.mu.RUnlock()
	if o != nil {
		return o
	}
	o = all.WithLabelValues(one.method, one.route, strconv.Itoa(one.status))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[answer]prometheus.Observer{}
	}
	a.known[one] = o
	return o
}

// TokensIssued counts an answer with tokens.
func (m *Metrics) TokensIssued(grantType string) { m.issued.inc(grantType) }

// Refused counts a request that was refused.
func (m *Metrics) Refused(code string) { m.refused.inc(code) }

// SignedIn counts a session that began.
func (m *Metrics) SignedIn(methods string) { m.signIns.inc(methods) }

// SignInFailed counts an attempt to sign in that failed.
func (m *Metrics) SignInFailed(reason string) { m.signInFailures.inc(reason) }

// Audited counts a change.
func (m *Metrics) Audited(action string) { m.audited.inc(action) }

// LogoutToken counts an attempt to deliver a logout token.
func (m *Metrics) LogoutToken(delivered bool) {
	m.deliveries.inc(map[bool]string{true: "delivered", false: "failed"}[delivered])
}

// Waiting keeps how many clients wait for approval and how many logout tokens
// for their delivery.
func (m *Metrics) Waiting(clients, logoutTokens int64) {
	m.pending.Set(float64(clients))
	m.owed.Set(float64(logoutTokens))
}

// Job measures a run of a regular job that ended at the time.
func (m *Metrics) Job(name string, end time.Time, took time.Duration, err error) {
	if m == nil {
		return
	}
	m.jobDuration.WithLabelValues(name).Observe(took.Seconds())
	if err != nil {
		m.jobRuns.WithLabelValues(name, "failed").Inc()
		return
	}
	m.jobRuns.WithLabelValues(name, "succeeded").Inc()
	m.jobSuccess.WithLabelValues(name).Set(float64(end.Unix()))
}

// Purged counts records that were deleted.
func (m *Metrics) Purged(records string, n int64) {
	if m != nil {
		m.purged.WithLabelValues(records).Add(float64(n))
	}
}

// Unnoted counts refusals that were not kept.
func (m *Metrics) Unnoted(n int64) {
	if m != nil {
		m.unnoted.Add(float64(n))
	}
}

// mostValues bounds the values of one label. Ours are constants in the code and
// fewer than that; the bound is for the day when somebody passes on what a
// stranger sent.
const mostValues = 100

// labelled is a counter with one label.
type labelled struct {
	*prometheus.CounterVec
	seen *values
}

type values struct {
	mu    sync.Mutex
	known map[string]prometheus.Counter
}

func (l labelled) inc(value string) { l.get(value).Inc() }

func (l labelled) get(value string) prometheus.Counter { //nolint:ireturn // prometheus has no other
	l.seen.mu.Lock()
	defer l.seen.mu.Unlock()
	if c := l.seen.known[value]; c != nil {
		return c
	}
	if len(l.seen.known) >= mostValues {
		return l.WithLabelValues("other")
	}
	c := l.WithLabelValues(value)
	l.seen.known[value] = c
	return c
}

func counter(name, help, label string) labelled {
	return labelled{counterVec(name, help, label), &values{known: map[string]prometheus.Counter{}}}
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge { //nolint:ireturn // prometheus has no other
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// hashing reports the pool that hashes passwords.
type hashing func() (running, waiting, capacity int)

var (
	hashRunning  = prometheus.NewDesc("countersign_password_hashes_running", "Passwords that are being hashed.", nil, nil)
	hashWaiting  = prometheus.NewDesc("countersign_password_hashes_waiting", "Passwords that wait to be hashed.", nil, nil)
	hashCapacity = prometheus.NewDesc("countersign_password_hashes_max", "Passwords that may be hashed at once.", nil, nil)
)

// Describe names the measurements.
func (hashing) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{hashRunning, hashWaiting, hashCapacity} {
		ch <- d
	}
}

// Collect takes the measurements.
func (h hashing) Collect(ch chan<- prometheus.Metric) {
	running, waiting, capacity := h()
	ch <- prometheus.MustNewConstMetric(hashRunning, prometheus.GaugeValue, float64(running))
	ch <- prometheus.MustNewConstMetric(hashWaiting, prometheus.GaugeValue, float64(waiting))
	ch <- prometheus.MustNewConstMetric(hashCapacity, prometheus.GaugeValue, float64(capacity))
}
