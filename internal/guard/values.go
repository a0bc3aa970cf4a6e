package guard

import (
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// columns are a result's columns with the means to decode them. They are kept with the statement, so that running it
// again allocates nothing for them; one result at a time is read on a session.
type columns struct {
	types   *pgtype.Map
	fields  []pgconn.FieldDescription
	names   []string
	decoder []decoder
}

// decoder turns a value as the server sent it into a driver.Value that outlives the server's buffer.
type decoder func(src []byte) (driver.Value, error)

func newColumns(types *pgtype.Map, fields []pgconn.FieldDescription) *columns {
	c := &columns{
		types:   types,
		fields:  append([]pgconn.FieldDescription(nil), fields...),
		names:   make([]string, len(fields)),
		decoder: make([]decoder, len(fields)),
	}
	for i, f := range c.fields {
		c.names[i] = f.Name
		c.decoder[i] = newDecoder(types, f)
	}
	return c
}

// decode fills row from the values of the server.
func (c *columns) decode(values [][]byte, row []driver.Value) error {
	// A description that is older than its table must not become a panic.
	if len(values) != len(c.decoder) {
		return ErrProtocol
	}
	for i, src := range values {
		if src == nil {
			row[i] = nil
			continue
		}
		v, err := c.decoder[i](src)
		if err != nil {
			return fmt.Errorf("stratum: column %q: %w", c.names[i], err)
		}
		row[i] = v
	}
	return nil
}

// resultFormats asks for binary where pgx's own database/sql driver does. It leaves to PostgreSQL how the other types
// are written, for they become strings.
func resultFormats(fields []pgconn.FieldDescription) []int16 {
	formats := make([]int16, len(fields))
	for i, f := range fields {
		switch f.DataTypeOID {
		case pgtype.BoolOID, pgtype.ByteaOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID,
			pgtype.Float8OID, pgtype.CIDOID, pgtype.OIDOID, pgtype.XIDOID, pgtype.DateOID, pgtype.TimestampOID,
			pgtype.TimestamptzOID:
			formats[i] = pgtype.BinaryFormatCode
		}
	}
	return formats
}

// newDecoder picks the driver.Value for a type as pgx's own database/sql driver does, so that an application sees the
// same values with Stratum and without.
func newDecoder(m *pgtype.Map, f pgconn.FieldDescription) decoder {
	switch f.DataTypeOID {
	case pgtype.BoolOID:
		return scanner(m, f, func(v bool) (driver.Value, error) { return v, nil })
	case pgtype.Int2OID:
		return scanner(m, f, func(v int16) (driver.Value, error) { return int64(v), nil })
	case pgtype.Int4OID:
		return scanner(m, f, func(v int32) (driver.Value, error) { return int64(v), nil })
	case pgtype.Int8OID:
		return scanner(m, f, func(v int64) (driver.Value, error) { return v, nil })
	case pgtype.Float4OID:
		return scanner(m, f, func(v float32) (driver.Value, error) { return float64(v), nil })
	case pgtype.Float8OID:
		return scanner(m, f, func(v float64) (driver.Value, error) { return v, nil })
	case pgtype.CIDOID, pgtype.OIDOID, pgtype.XIDOID:
		return scanner(m, f, pgtype.Uint32.Value)
	case pgtype.DateOID:
		return scanner(m, f, pgtype.Date.Value)
	case pgtype.TimestampOID:
		return scanner(m, f, pgtype.Timestamp.Value)
	case pgtype.TimestamptzOID:
		return scanner(m, f, pgtype.Timestamptz.Value)
	case pgtype.ByteaOID, pgtype.JSONOID, pgtype.JSONBOID, pgtype.XMLOID:
		return scanBytes(m, f)
	default:
		return scanner(m, f, func(v string) (driver.Value, error) { return v, nil })
	}
}

// scanner decodes into one variable of type T, used again for every row.
func scanner[T any](m *pgtype.Map, f pgconn.FieldDescription, value func(T) (driver.Value, error)) decoder {
	v := new(T)
	plan := m.PlanScan(f.DataTypeOID, f.Format, v)
	return func(src []byte) (driver.Value, error) {
		if err := plan.Scan(src, v); err != nil {
			return nil, err
		}
		return value(*v)
	}
}

// scanBytes decodes into a slice of its own for every row, because database/sql may hand it to the application.
func scanBytes(m *pgtype.Map, f pgconn.FieldDescription) decoder {
	var v []byte
	plan := m.PlanScan(f.DataTypeOID, f.Format, &v)
	return func(src []byte) (driver.Value, error) {
		v = nil
		if err := plan.Scan(src, &v); err != nil {
			return nil, err
		}
		return v, nil
	}
}

// typeName returns the name of a column's type in upper case, or its OID where the type is unknown.
func (c *columns) typeName(i int) string {
	oid := c.fields[i].DataTypeOID
	if t, ok := c.types.TypeForOID(oid); ok {
		return strings.ToUpper(t.Name)
	}
	return strconv.FormatInt(int64(oid), 10)
}

// The type modifiers are those of PostgreSQL's catalog, pg_attribute.atttypmod, read as pgx's driver reads them.

// varHeaderSize is what PostgreSQL adds to a length in a type modifier.
const varHeaderSize = 4

func (c *columns) length(i int) (int64, bool) {
	switch f := c.fields[i]; f.DataTypeOID {
	case pgtype.TextOID, pgtype.ByteaOID:
		return math.MaxInt64, true
	case pgtype.VarcharOID, pgtype.BPCharOID:
		return int64(f.TypeModifier - varHeaderSize), true
	case pgtype.VarbitOID:
		return int64(f.TypeModifier), true
	}
	return 0, false
}

func (c *columns) precisionScale(i int) (precision, scale int64, ok bool) {
	f := c.fields[i]
	if f.DataTypeOID != pgtype.NumericOID {
		return 0, 0, false
	}
	mod := f.TypeModifier - varHeaderSize
	return int64(mod >> 16 & 0xffff), int64(mod & 0xffff), true
}

// scanType returns the Go type that fits a column.
func (c *columns) scanType(i int) reflect.Type {
	switch c.fields[i].DataTypeOID {
	case pgtype.Float8OID, pgtype.NumericOID:
		return reflect.TypeFor[float64]()
	case pgtype.Float4OID:
		return reflect.TypeFor[float32]()
	case pgtype.Int8OID:
		return reflect.TypeFor[int64]()
	case pgtype.Int4OID:
		return reflect.TypeFor[int32]()
	case pgtype.Int2OID:
		return reflect.TypeFor[int16]()
	case pgtype.BoolOID:
		return reflect.TypeFor[bool]()
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return reflect.TypeFor[time.Time]()
	case pgtype.ByteaOID:
		return reflect.TypeFor[[]byte]()
	}
	return reflect.TypeFor[string]()
}
