package middleware

import (
	"database/sql"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the measurements of one server.
type Metrics struct {
	registry *prometheus.Registry
	duration *prometheus.HistogramVec
}

// NewMetrics returns the measurements of the process, its database connections
// and its requests.
func NewMetrics(stats func() sql.DBStats) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_server_request_duration_seconds",
			Help:    "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"http_request_method", "http_route", "http_response_status_code"}),
	}
	m.registry.MustRegister(m.duration, collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), connections{stats})
	return m
}

// Handler serves the measurements to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func (m *Metrics) observe(method, route string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if !slices.Contains(methods, method) { // anybody can invent methods
		method = "_OTHER"
	}
	m.duration.WithLabelValues(method, route, strconv.Itoa(status)).Observe(seconds(took))
}

// connections reports the database's connection pool.
type connections struct{ stats func() sql.DBStats }

var (
	connOpen     = prometheus.NewDesc("db_connections_open", "Connections to the database.", nil, nil)
	connInUse    = prometheus.NewDesc("db_connections_in_use", "Connections that a statement uses.", nil, nil)
	connMax      = prometheus.NewDesc("db_connections_max", "Connections at most.", nil, nil)
	connWaits    = prometheus.NewDesc("db_connection_waits_total", "How often a statement waited for a connection.", nil, nil)
	connWaitTime = prometheus.NewDesc("db_connection_wait_seconds_total", "How long statements waited for a connection.", nil, nil)
)

// Describe names the measurements.
func (connections) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connOpen, connInUse, connMax, connWaits, connWaitTime} {
		ch <- d
	}
}

// Collect takes the measurements.
func (c connections) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	ch <- prometheus.MustNewConstMetric(connOpen, prometheus.GaugeValue, float64(s.OpenConnections))
	ch <- prometheus.MustNewConstMetric(connInUse, prometheus.GaugeValue, float64(s.InUse))
	ch <- prometheus.MustNewConstMetric(connMax, prometheus.GaugeValue, float64(s.MaxOpenConnections))
	ch <- prometheus.MustNewConstMetric(connWaits, prometheus.CounterValue, float64(s.WaitCount))
	ch <- prometheus.MustNewConstMetric(connWaitTime, prometheus.CounterValue, seconds(s.WaitDuration))
}
