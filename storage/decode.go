package storage

import (
	"context"
	"encoding/binary"
	"math"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// decode puts the columns of a row into their fields. A column that is null
// leaves its field empty.
func (p *plan) decode(ctx context.Context, rows pgx.Rows, row reflect.Value) error {
	columns, values := rows.FieldDescriptions(), rows.RawValues()
	for i, field := range p.fields {
		if values[i] == nil {
			continue
		}
		if field.Serializer == nil && decode(&columns[i], values[i], field.ReflectValueOf(ctx, row)) {
			continue
		}
		v, err := driverValue(rows.Conn().TypeMap(), &columns[i], values[i])
		if err != nil {
			return err
		}
		if err := (&cell{ctx, field, row}).Scan(v); err != nil {
			return err
		}
	}
	return nil
}

// decode stores what needs no conversion, and reports whether it did. The
// forms are those of PostgreSQL's protocol, chapter 55.7 of its manual: text
// is as it is in either, numbers are big-endian in the binary one, and a time
// the microseconds since 2000.
func decode(column *pgconn.FieldDescription, raw []byte, field reflect.Value) bool {
	switch column.DataTypeOID {
	case pgtype.TextOID, pgtype.VarcharOID:
		return putString(field, raw)
	case pgtype.TimestamptzOID:
		return column.Format == pgtype.BinaryFormatCode && putTime(field, raw)
	case pgtype.Int8OID:
		return column.Format == pgtype.BinaryFormatCode && putInt(field, int64(binary.BigEndian.Uint64(raw))) //nolint:gosec // the sign is its first bit
	case pgtype.Int4OID:
		return column.Format == pgtype.BinaryFormatCode && putInt(field, int64(int32(binary.BigEndian.Uint32(raw)))) //nolint:gosec // as above
	case pgtype.BoolOID:
		return column.Format == pgtype.BinaryFormatCode && putBool(field, raw[0] != 0)
	default:
		return false
	}
}

func putString(field reflect.Value, raw []byte) bool {
	switch {
	case field.Kind() == reflect.String:
		field.SetString(string(raw))
		return true
	default:
		return store(field.Addr().Interface(), string(raw))
	}
}

func putInt(field reflect.Value, n int64) bool {
	if field.CanInt() && !field.OverflowInt(n) {
		field.SetInt(n)
		return true
	}
	return store(field.Addr().Interface(), n)
}

func putBool(field reflect.Value, yes bool) bool {
	if field.Kind() == reflect.Bool {
		field.SetBool(yes)
		return true
	}
	return store(field.Addr().Interface(), yes)
}

// sincePostgres are the microseconds from 1970 to 2000.
const sincePostgres = 946684800 * 1_000_000

func putTime(field reflect.Value, raw []byte) bool {
	n := int64(binary.BigEndian.Uint64(raw)) //nolint:gosec // the sign is its first bit
	if n == math.MaxInt64 || n == math.MinInt64 {
		return false // infinity and its negative, which are no time
	}
	return store(field.Addr().Interface(), time.UnixMicro(n+sincePostgres).UTC())
}

// driverValue returns a column as database/sql would hand it over.
func driverValue(m *pgtype.Map, column *pgconn.FieldDescription, raw []byte) (any, error) { //nolint:ireturn // as database/sql has it
	t, ok := m.TypeForOID(column.DataTypeOID)
	if !ok {
		return string(raw), nil
	}
	return t.Codec.DecodeDatabaseSQLValue(m, column.DataTypeOID, column.Format, raw)
}
