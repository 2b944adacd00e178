// Package tracing sends spans of requests and database statements to a
// collector of OpenTelemetry, where the environment names one. Spans hold
// routes and statements, and neither queries nor the values of statements.
package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config is what tracing needs.
type Config struct {
	// Getenv looks at the environment; the exporter reads the process's own.
	Getenv  func(string) string
	Version string
	// System is the database's name among those of OpenTelemetry.
	System string
	Log    *slog.Logger
}

// Tracing makes spans and sends them.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	parent   propagation.TraceContext // of W3C
	system   attribute.KeyValue
}

// Enabled reports whether the environment asks for traces, by the variables of
// OpenTelemetry: an endpoint or OTEL_TRACES_EXPORTER does. The error says what
// it asks for that there is not.
func Enabled(getenv func(string) string) (bool, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	endpoint := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q; there are otlp and none", exporter)
	}
	protocol := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), getenv("OTEL_EXPORTER_OTLP_PROTOCOL"))
	if protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; there is http/protobuf, at port 4318 of most collectors", protocol)
	}
	return true, nil
}

// Open begins to trace, if the environment says so; else it returns nil. The
// caller closes what it opened.
func Open(ctx context.Context, cfg Config) (*Tracing, error) {
	on, err := Enabled(cfg.Getenv)
	if err != nil || !on {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "countersign"), attribute.String("service.version", cfg.Version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this server in traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		cfg.Log.Warn("traces cannot be sent", "cause", err.Error()) //nolint:sloglint // the library has no context
	}))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracing{provider: provider, tracer: provider.Tracer("countersign"), system: attribute.String("db.system.name", cfg.System)}, nil
}

// closeTimeout bounds the sending of what is left.
const closeTimeout = 5 * time.Second

// Close sends what is left.
func (t *Tracing) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// Request begins the span of a request, under the one that its traceparent
// names (W3C Trace Context, section 3.2). It returns the request to go on
// with, and what ends the span.
func (t *Tracing) Request(r *http.Request, route, requestID string) (traced *http.Request, end func(status int)) {
	ctx := t.parent.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	method := known(r.Method)
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	ctx, span := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.String("client.address", address), attribute.String("countersign.request_id", requestID)))
	return r.WithContext(ctx), func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// known is a method, or _OTHER: anybody can invent methods.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "_OTHER"
	}
}

// Statement begins the span of a database statement, if it is part of a
// request that is traced, and returns what ends it. The statement has
// placeholders for its values. What went wrong is not told, because databases
// quote values.
func (t *Tracing) Statement(ctx context.Context, statement string) (end func(error)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return func(error) {}
	}
	operation, _, _ := strings.Cut(strings.TrimSpace(statement), " ")
	operation = strings.ToUpper(operation)
	_, span := t.tracer.Start(ctx, operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		t.system, attribute.String("db.operation.name", operation), attribute.String("db.query.text", statement)))
	return func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
