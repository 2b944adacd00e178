package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"countersign/cmd/countersign/metrics"
)

// operation is where the files for operators are.
const operation = "../../docs/operation"

// series are the measurements of a server: the labels of each, by name.
type series map[string][]string

var (
	sample    = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	labelName = regexp.MustCompile(`([a-zA-Z_]+)="`)
)

func readSeries(text string) series {
	found := series{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		labels := found[m[1]]
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				labels = append(labels, l[1])
			}
		}
		found[m[1]] = labels
	}
	return found
}

// TestOperation runs a server, has it do a little of everything, and reads what
// it tells Prometheus: the measurements that dashboards and alerts need are
// there, count, and tell of no stranger.
func TestOperation(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "PRIVATE_LISTEN=127.0.0.1:0")
	s := m.serve()
	m.env = append(m.env, "COUNTERSIGN_ISSUER="+s.issuer)
	m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--permission", "configure_server", "--name", "Ada")
	key := m.object("", "api-key", "create", "--username", "ada", "--name", "x", "--scope", "clients:read clients:write clients:approve")["api_key"].(string)
	l := m.laptop(s.issuer)
	l.env = append(l.env, "COUNTERSIGN_API_KEY="+key)
	id := l.object("", "client", "create", "--name", "Tool", "--public", "--redirect-uri", "http://127.0.0.1/callback", "--approve")["client_id"].(string)
	m.tokenGet(id, "--scope", "openid profile offline_access")
	m.refused(exitFailure, "cs_rt_rubbish\n", []string{"token", "get", "--client", id, "--grant", "refresh", "--refresh-token-stdin"}, "invalid_grant")
	wrongPassword(t, s.issuer)
	s.get(s.issuer + "/token?stranger")
	s.get(s.issuer + "/stranger-path")

	private := strings.TrimSuffix(s.listenerURLs["Metrics"], "/metrics")
	var body string
	for range 200 { // the regular jobs run for the first time
		if body = s.get(private + "/metrics").body; strings.Contains(body, `purged_records_total{records="client_failures"}`) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, want := range []string{
		`countersign_tokens_issued_total{grant_type="authorization_code"} 1`, `countersign_sign_ins_total{methods="pwd"} 1`,
		`countersign_sign_in_failures_total{reason="wrong"} 1`, `countersign_audit_events_total{action="client.approve"} 1`,
		`countersign_requests_refused_total{error="invalid_grant"} 1`, `countersign_requests_refused_total{error="method_not_allowed"} 1`,
		`countersign_task_runs_total{result="succeeded",task="purge"} 1`, `countersign_clients_pending 0`,
		`go_sql_max_open_connections{db_name="countersign"}`, `countersign_password_hashes_max`, `go_info{version="go`, `countersign_build_info{`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/token"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, stranger := range []string{id, "stranger", `"ada"`, "127.0.0.1"} {
		if strings.Contains(body, stranger) {
			t.Errorf("metrics tell of %s", stranger)
		}
	}
	measured := readSeries(body)
	for name := range readSeries(ofTLS()) {
		measured[name] = append(measured[name], "")
	}
	t.Run("alerts", func(t *testing.T) { checkAlerts(t, measured) })
	t.Run("dashboard", func(t *testing.T) { checkDashboard(t, measured) })
}

// ofTLS is what a server with a certificate measures beside the others.
func ofTLS() string {
	w := &recording{header: http.Header{}}
	metrics.New(metrics.Config{Certificate: time.Now}).Handler().ServeHTTP(w, &http.Request{Header: http.Header{}})
	return w.body.String()
}

type recording struct {
	header http.Header
	body   strings.Builder
}

func (r *recording) Header() http.Header         { return r.header }
func (r *recording) Write(b []byte) (int, error) { return r.body.Write(b) }
func (*recording) WriteHeader(int)               {}

// wrongPassword is somebody who mistypes.
func wrongPassword(t *testing.T, issuer string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, at := visit(t, browser, issuer+"/login", nil)
	visit(t, browser, at, fill(page, url.Values{"username": {"ada"}, "password": {"not the password of ada"}}))
}

var (
	quoted    = regexp.MustCompile(`"[^"]*"`)
	selector  = regexp.MustCompile(`\{[^}]*\}`)
	matcher   = regexp.MustCompile(`([a-zA-Z_]+)\s*(?:=~|!~|!=|=)`)
	grouping  = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	duration  = regexp.MustCompile(`\[[^\]]*\]|\b\d+(?:\.\d+)?(?:ms|s|m|h|d)?\b`)
	word      = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	withBrace = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})`)
	// promQL are words of the language, as far as our expressions use them.
	promQL = []string{"sum", "max", "min", "min_over_time", "rate", "increase", "histogram_quantile", "time", "clamp_min", "or", "and", "unless", "vector", "absent", "up", "changes"}
)

// checkExpression checks that an expression of PromQL names what is measured.
func checkExpression(t *testing.T, where, expr string, measured series) {
	t.Helper()
	if strings.TrimSpace(expr) == "" || strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		t.Errorf("%s: %q is no expression", where, expr)
	}
	for _, m := range withBrace.FindAllStringSubmatch(expr, -1) {
		for _, l := range matcher.FindAllStringSubmatch(quoted.ReplaceAllString(m[2], `""`), -1) {
			if l[1] != "job" && l[1] != "instance" && !slices.Contains(measured[m[1]], l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	bare := quoted.ReplaceAllString(expr, "")
	for _, pattern := range []*regexp.Regexp{selector, grouping, duration} {
		bare = pattern.ReplaceAllString(bare, " ")
	}
	for _, name := range word.FindAllString(bare, -1) {
		if _, ok := measured[name]; !ok && !slices.Contains(promQL, name) {
			t.Errorf("%s: %s is not measured", where, name)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(operation, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// checkAlerts checks the rules for Prometheus, and that each is explained.
func checkAlerts(t *testing.T, measured series) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := strict(read(t, "prometheus-rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			checkExpression(t, r.Alert, r.Expr, measured)
			if _, err := time.ParseDuration(r.For); err != nil && r.For != "" {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
			if s := r.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say what happened", r.Alert)
			}
			if !strings.Contains(string(guide), "\n### "+r.Alert+"\n") {
				t.Errorf("docs/operation.md does not say what to do about %s", r.Alert)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d alerts", n)
	}
}

func strict(content []byte, into any) error {
	d := yaml.NewDecoder(strings.NewReader(string(content)))
	d.KnownFields(true)
	return d.Decode(into)
}

// checkDashboard checks the dashboard for Grafana: every expression, and that
// no two panels lie on one another.
func checkDashboard(t *testing.T, measured series) {
	t.Helper()
	type panel struct {
		ID      int    `json:"id"`
		Title   string `json:"title"`
		Type    string `json:"type"`
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
	var board struct {
		UID    string
		Title  string
		Panels []panel
	}
	if err := json.Unmarshal(read(t, "grafana-dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || len(board.Panels) < 10 {
		t.Errorf("dashboard %q has %d panels", board.Title, len(board.Panels))
	}
	for i, p := range board.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$job", "x").Replace(target.Expr)
			checkExpression(t, p.Title, expr, measured)
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, q := range board.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if p.ID == q.ID || a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q lie on one another", p.Title, q.Title)
			}
		}
	}
}
