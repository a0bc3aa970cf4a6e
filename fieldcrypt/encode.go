package fieldcrypt

import (
	"database/sql/driver"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"time"
)

// The first byte of an encoded value says how the rest is to be read. Numbers are never used again for something else.
const (
	tagText    = 1 // UTF-8, or whatever the string has
	tagBytes   = 2
	tagInteger = 3 // 8 bytes, big-endian, two's complement
	tagNatural = 4 // 8 bytes, big-endian; an unsigned integer above the largest signed one
	tagFloat   = 5 // 8 bytes, IEEE 754, big-endian
	tagBool    = 6 // one byte, 0 or 1
	tagTime    = 7 // seconds since 1970 (8), nanoseconds (4), seconds east of UTC (4), big-endian
	tagJSON    = 8
	tagBinary  = 9 // encoding.BinaryMarshaler's
)

func tagName(tag byte) string {
	switch tag {
	case tagText:
		return "text"
	case tagBytes:
		return "bytes"
	case tagInteger, tagNatural:
		return "integer"
	case tagFloat:
		return "float"
	case tagBool:
		return "bool"
	case tagTime:
		return "time"
	case tagJSON:
		return "JSON"
	case tagBinary:
		return "binary"
	default:
		return "something newer or damaged"
	}
}

// Encode appends a Go value to dst as the bytes that are sealed, and returns that. null is true, and nothing was
// appended, for nil, for a nil pointer, slice or map, and for a driver.Valuer that says so: store NULL then.
//
// Texts, []byte, integers, floats, bools and time.Time are encoded as such, and so are types made of them and pointers
// to them. A driver.Valuer is encoded as the value that it gives, such as sql.Null's; an encoding.BinaryMarshaler that
// is no Valuer as what it gives; structs, maps, slices, arrays and json.RawMessage as JSON. Channels, functions and
// complex numbers are a *TypeError, and so is what cannot be marshalled.
//
// The same value has the same bytes on every platform, so that a blind index finds it. Of a time these are its instant
// and offset, without the name of its zone and without a monotonic reading.
func Encode(dst []byte, value any) (encoded []byte, null bool, err error) {
	switch v := value.(type) {
	case nil:
		return dst, true, nil
	case string:
		return append(append(dst, tagText), v...), false, nil
	case []byte:
		if v == nil {
			return dst, true, nil
		}
		return append(append(dst, tagBytes), v...), false, nil
	case json.RawMessage:
		return encodeRaw(dst, v)
	case time.Time:
		return appendTime(dst, v), false, nil
	}
	return encodeReflected(dst, reflect.ValueOf(value))
}

func encodeRaw(dst []byte, v json.RawMessage) ([]byte, bool, error) {
	switch {
	case v == nil:
		return dst, true, nil
	case !json.Valid(v):
		return nil, false, &TypeError{Go: "json.RawMessage", Reason: "is no JSON"}
	}
	return append(append(dst, tagJSON), v...), false, nil
}

func appendTime(dst []byte, t time.Time) []byte {
	_, offset := t.Zone()
	dst = append(dst, tagTime)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Unix()))       //nolint:gosec // the same bits
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond())) //nolint:gosec // below 10^9
	return binary.BigEndian.AppendUint32(dst, uint32(offset))        //nolint:gosec // the same bits
}

// encodeReflected is Encode for all that is not one of the commonest types.
func encodeReflected(dst []byte, v reflect.Value) ([]byte, bool, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return dst, true, nil
		}
		return Encode(dst, v.Elem().Interface())
	}
	// A value and a pointer to it are encoded alike, wherever the methods are.
	switch m := pointerTo(v).Interface().(type) {
	case driver.Valuer:
		value, err := m.Value()
		if _, again := value.(driver.Valuer); err != nil || again {
			return nil, false, &TypeError{Go: v.Type().String(), Reason: "whose Value gives none"}
		}
		return Encode(dst, value)
	case encoding.BinaryMarshaler:
		b, err := m.MarshalBinary()
		if err != nil {
			return nil, false, &TypeError{Go: v.Type().String(), Reason: "whose MarshalBinary refuses"}
		}
		return append(append(dst, tagBinary), b...), false, nil
	}
	return encodeKind(dst, v)
}

func pointerTo(v reflect.Value) reflect.Value {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p
}

func encodeKind(dst []byte, v reflect.Value) ([]byte, bool, error) {
	switch v.Kind() { //nolint:exhaustive // the others are the default
	case reflect.String:
		return append(append(dst, tagText), v.String()...), false, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return append64(dst, tagInteger, uint64(v.Int())), false, nil //nolint:gosec // the same bits
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendNatural(dst, v.Uint()), false, nil
	case reflect.Float32, reflect.Float64:
		return append64(dst, tagFloat, math.Float64bits(v.Float())), false, nil
	case reflect.Bool:
		if v.Bool() {
			return append(dst, tagBool, 1), false, nil
		}
		return append(dst, tagBool, 0), false, nil
	case reflect.Slice, reflect.Map:
		if v.IsNil() {
			return dst, true, nil
		}
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && !isJSON(v) {
			return append(append(dst, tagBytes), v.Bytes()...), false, nil
		}
		return encodeJSON(dst, v)
	case reflect.Struct, reflect.Array:
		return encodeJSON(dst, v)
	default:
		return nil, false, &TypeError{Go: v.Type().String()}
	}
}

// isJSON reports whether a type has JSON of its own.
func isJSON(v reflect.Value) bool {
	return reflect.PointerTo(v.Type()).Implements(reflect.TypeFor[json.Marshaler]())
}

func append64(dst []byte, tag byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tag), n)
}

// appendNatural encodes an unsigned number as a signed one does where both have it, so that a change of type is none of
// the value.
func appendNatural(dst []byte, n uint64) []byte {
	if n > math.MaxInt64 {
		return append64(dst, tagNatural, n)
	}
	return append64(dst, tagInteger, n)
}

// encodeJSON leaves encoding/json's error out, which quotes values.
func encodeJSON(dst []byte, v reflect.Value) ([]byte, bool, error) {
	b, err := json.Marshal(pointerTo(v).Interface())
	if err != nil {
		return nil, false, &TypeError{Go: v.Type().String(), Reason: "which cannot be marshalled"}
	}
	return append(append(dst, tagJSON), b...), false, nil
}
