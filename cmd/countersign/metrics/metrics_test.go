package metrics_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/cmd/countersign/metrics"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	expires := time.Unix(1_900_000_000, 0)
	m := metrics.New(metrics.Config{
		Build:       metrics.Build{Version: "v1.2.3", Commit: "abc", Go: "go1.26"},
		Hashing:     func() (running, waiting, capacity int) { return 1, 2, 3 },
		Certificate: func() time.Time { return expires },
		WriteWait:   func() time.Duration { return 1500 * time.Millisecond },
	})
	if got := scrape(m); !strings.Contains(got, `countersign_audit_events_total{action="client.approve"} 0`) {
		t.Error("the first approval is not an increase")
	}
	m.TokensIssued("password")
	m.Refused("invalid_grant")
	m.SignedIn("pwd otp mfa")
	m.SignInFailed("wrong")
	m.Audited("client.approve")
	m.LogoutToken(true)
	m.LogoutToken(false)
	m.Waiting(4, 5)
	m.Job("purge", time.Unix(100, 0), time.Second, nil)
	m.Job("purge", time.Unix(200, 0), time.Second, errors.New("x"))
	m.Purged("grants", 7)
	m.Unnoted(9)
	m.Begin()
	got := scrape(m)
	for _, want := range []string{
		`countersign_build_info{goversion="go1.26",revision="abc",version="v1.2.3"} 1`,
		`countersign_tokens_issued_total{grant_type="password"} 1`,
		`countersign_requests_refused_total{error="invalid_grant"} 1`,
		`countersign_sign_ins_total{methods="pwd otp mfa"} 1`,
		`countersign_sign_in_failures_total{reason="wrong"} 1`,
		`countersign_audit_events_total{action="client.approve"} 1`,
		`countersign_logout_tokens_total{result="delivered"} 1`,
		`countersign_logout_tokens_total{result="failed"} 1`,
		"countersign_clients_pending 4", "countersign_logout_tokens_waiting 5",
		`countersign_task_runs_total{result="succeeded",task="purge"} 1`,
		`countersign_task_runs_total{result="failed",task="purge"} 1`,
		`countersign_task_last_success_timestamp_seconds{task="purge"} 100`,
		`countersign_purged_records_total{records="grants"} 7`,
		"countersign_client_failures_dropped_total 9",
		"countersign_password_hashes_running 1", "countersign_password_hashes_waiting 2", "countersign_password_hashes_max 3",
		"countersign_tls_certificate_expiry_timestamp_seconds 1.9e+09",
		"http_server_active_requests 1", "countersign_database_write_wait_seconds_total 1.5",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// Whatever comes to be counted, the number of series is bounded.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Config{})
	for i := range 5000 {
		m.Refused(fmt.Sprint("stranger-", i))
	}
	got := scrape(m)
	if n := strings.Count(got, "countersign_requests_refused_total{"); n > 110 {
		t.Errorf("%d series of one counter", n)
	}
	if !strings.Contains(got, `countersign_requests_refused_total{error="other"}`) {
		t.Error("what is too much is not counted as other")
	}
}

func TestNothingIsMeasuredWithoutMetrics(t *testing.T) {
	t.Parallel()
	var m *metrics.Metrics
	m.Begin()
	m.End(http.MethodGet, "/", http.StatusOK, time.Second)
	m.Job("purge", time.Now(), time.Second, nil)
	m.Purged("grants", 1)
	m.Unnoted(1)
}
