package storage

import (
	"context"
	"reflect"
	"time"

	"gorm.io/gorm/schema"
)

// cell takes one column of a row. What the driver hands out as it is kept goes
// straight into the field; the rest is gorm's to convert, as are members in
// JSON. A column that is null leaves its field empty.
type cell struct {
	ctx   context.Context //nolint:containedctx // it is an argument of the method that database/sql calls without one
	field *schema.Field
	row   reflect.Value
}

// Scan is that of [sql.Scanner].
func (c *cell) Scan(src any) error {
	if src == nil {
		return nil
	}
	if c.field.Serializer == nil && put(c.field.ReflectValueOf(c.ctx, c.row).Addr().Interface(), src) {
		return nil
	}
	return c.convert(src)
}

// put stores the value if no conversion is needed, and reports whether it did.
func put(target, src any) bool {
	switch v := src.(type) {
	case string:
		return store(target, v)
	case int64:
		return store(target, v)
	case bool:
		return store(target, v)
	case time.Time:
		return store(target, v)
	case []byte:
		return store(target, append(make([]byte, 0, len(v)), v...)) // the driver's own until the next row
	default:
		return false
	}
}

func store[T any](target any, v T) bool {
	switch t := target.(type) {
	case *T:
		*t = v
		return true
	case **T:
		*t = &v
		return true
	default:
		return false
	}
}

// convert lets gorm store the value.
func (c *cell) convert(src any) error {
	if c.field.Serializer != nil {
		return c.field.Serializer.Scan(c.ctx, c.field, c.row, src)
	}
	return c.field.Set(c.ctx, c.row, src)
}
