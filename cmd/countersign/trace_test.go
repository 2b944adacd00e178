package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector of OpenTelemetry.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*trace.Span
	raw   strings.Builder
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	c := &receiver{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &got) != nil {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		for _, about := range got.GetResourceSpans() {
			for _, scope := range about.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

func attributes(s *trace.Span) map[string]string {
	m := map[string]string{}
	for _, a := range s.GetAttributes() {
		m[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return m
}

// The whole server sends the spans of a request and of its statements to a
// collector, under the trace that the request names, and no secrets.
func TestTraces(t *testing.T) {
	c := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_SERVICE_NAME", "countersign-in-a-test")
	m := newMachine(t, "LOG_LEVEL=info", "LOG_FORMAT=json")
	m.env = append(m.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)
	s := m.serve()
	made := m.object("", "client", "create", "--name", "Job", "--grant", "client_credentials", "--scope", "api", "--approve")
	id, secret := made["client_id"].(string), made["client_secret"].(string)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.issuer+"/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	const traceID, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	req.Header.Set("Traceparent", "00-"+traceID+"-"+parent+"-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", res.Status, body)
	}
	requestID := res.Header.Get("X-Request-ID")
	m.env = append(m.env, "COUNTERSIGN_ISSUER="+s.issuer)
	m.refused(exitFailure, "hidden-as-a-secret", []string{"token", "get", "--client", id, "--grant", "client-credentials", "--secret-stdin"}, "invalid_client")
	s.get(s.issuer + "/authorize?client_id=" + id + "&state=hidden-in-the-query")
	s.stop()
	if exit := s.wait(); exit != exitOK {
		t.Fatal(s.log.String())
	}
	c.check(t, traceID, parent, requestID)
	for _, forbidden := range []string{secret, "hidden-in-the-query", "hidden-as-a-secret", parse[map[string]any](t, string(body))["access_token"].(string)} {
		if strings.Contains(c.raw.String(), forbidden) {
			t.Errorf("the spans tell %s", forbidden)
		}
	}
	if !strings.Contains(c.raw.String(), "countersign-in-a-test") {
		t.Error("the spans do not name the service that the environment names")
	}
	for _, line := range strings.Split(s.log.String(), "\n") {
		if strings.Contains(line, requestID) && !strings.Contains(line, `"trace_id":"`+traceID+`"`) {
			t.Errorf("a line of the log does not name its trace: %s", line)
		}
	}
}

// check looks for the span of the request and those of its statements.
func (c *receiver) check(t *testing.T, traceID, parent, requestID string) {
	t.Helper()
	var door *trace.Span
	for _, span := range c.spans {
		if span.GetName() == "POST /token" && hexOf(span.GetTraceId()) == traceID {
			door = span
		}
	}
	if door == nil {
		t.Fatalf("no span of the request among %d", len(c.spans))
	}
	if hexOf(door.GetTraceId()) != traceID || hexOf(door.GetParentSpanId()) != parent {
		t.Errorf("the span belongs to trace %x under %x", door.GetTraceId(), door.GetParentSpanId())
	}
	if a := attributes(door); a["http.route"] != "/token" || a["http.request.method"] != "POST" || a["countersign.request_id"] != requestID {
		t.Errorf("attributes %v", a)
	}
	statements, known := map[string]int{}, map[string]bool{}
	for _, span := range c.spans {
		known[hexOf(span.GetSpanId())] = true
	}
	for _, span := range c.spans {
		if hexOf(span.GetTraceId()) == traceID && span != door {
			if !known[hexOf(span.GetParentSpanId())] {
				t.Errorf("%s is not under the request", span.GetName())
			}
			if attributes(span)["db.system.name"] == "sqlite" {
				statements[span.GetName()]++
			}
		}
	}
	if statements["SELECT"] == 0 || statements["INSERT"] == 0 || statements["COMMIT"] == 0 {
		t.Errorf("statements of the request: %v", statements)
	}
}

func hexOf(id []byte) string { return hex.EncodeToString(id) }

func TestTracesThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.env = append(m.env, "OTEL_TRACES_EXPORTER=jaeger")
	m.refused(exitFailure, "", []string{"serve"}, "there are otlp and none", "Fix:")
}
