package storage

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// slowStatement is from where a statement is logged as slow.
const slowStatement = 250 * time.Millisecond

// slowLog logs slow statements, with placeholders for their values, which may
// be secrets. Failed ones are returned, and logged by who answers for them.
type slowLog struct{ log *slog.Logger }

var _ gorm.ParamsFilter = slowLog{}

// LogMode is not used: there is one mode.
func (l slowLog) LogMode(logger.LogLevel) logger.Interface { return l } //nolint:ireturn // gorm's contract

// Info is not used.
func (slowLog) Info(context.Context, string, ...any) {}

// Warn is not used.
func (slowLog) Warn(context.Context, string, ...any) {}

// Error is not used.
func (slowLog) Error(context.Context, string, ...any) {}

// Trace sees each statement once it has run.
func (l slowLog) Trace(ctx context.Context, begin time.Time, statement func() (sql string, rows int64), _ error) {
	took := time.Since(begin)
	if l.log == nil || took < slowStatement {
		return
	}
	sql, rows := statement()
	l.log.WarnContext(ctx, "slow statement", slog.String("sql", sql), slog.Int64("rows", rows), slog.Duration("took", took))
}

// ParamsFilter keeps values out of the text of a statement.
func (slowLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) { return sql, nil }

// What is scanned into something else than a record is recorded by a logger of
// gorm's own, and told to this one afterwards.
func init() { logger.RecorderParamsFilter = slowLog{}.ParamsFilter } //nolint:gochecknoinits // gorm has no other place for it
