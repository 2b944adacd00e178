package tracing_test

import (
	"strings"
	"testing"

	"countersign/cmd/countersign/tracing"
)

func TestTheEnvironmentTurnsTracesOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env   string
		on    bool
		fault string
	}{
		{"", false, ""},
		{"OTEL_SERVICE_NAME=x", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", true, ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318/v1/traces", true, ""},
		{"OTEL_TRACES_EXPORTER=otlp", true, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", true, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318 OTEL_TRACES_EXPORTER=none", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318 OTEL_SDK_DISABLED=true", false, ""},
		{"OTEL_TRACES_EXPORTER=zipkin", false, "zipkin"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc", false, "4318"},
	} {
		env := map[string]string{}
		for _, entry := range strings.Fields(tt.env) {
			name, value, _ := strings.Cut(entry, "=")
			env[name] = value
		}
		on, err := tracing.Enabled(func(name string) string { return env[name] })
		if on != tt.on || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%q: %v, %v; want %v, %q", tt.env, on, err, tt.on, tt.fault)
		}
	}
}
