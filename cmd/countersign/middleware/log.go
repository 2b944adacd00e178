package middleware

import (
	"context"
	"log/slog"
	"time"
)

// requestKey finds the identifier of a request in its context.
type requestKey struct{}

// Log has h write times in UTC, and adds the identifier of the request to its
// lines that are about one and do not have it, so that whatever any part of the
// server says about a request is found by the number on its error page.
func Log(h slog.Handler) slog.Handler { return logHandler{h} }

type logHandler struct{ slog.Handler }

// Handle writes a line.
func (h logHandler) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := ctx.Value(requestKey{}).(string); ok && !hasRequestID(line) {
		line.AddAttrs(slog.String("request_id", id))
	}
	line.Time = line.Time.UTC().Truncate(time.Microsecond)
	return h.Handler.Handle(ctx, line)
}

func hasRequestID(line slog.Record) (found bool) {
	line.Attrs(func(a slog.Attr) bool {
		found = a.Key == "request_id"
		return !found
	})
	return found
}

// WithAttrs is h with more attributes.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup is h with a group.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
