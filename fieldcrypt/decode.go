package fieldcrypt

import (
	"database/sql"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"time"
)

// Decode reads what Encode wrote into what into points to. A pointer in it is made. A value of another type than the
// one asked for is a *TypeError, except for what loses nothing:
//
//   - an integer goes into any integer type that holds it, and an integer below 2^53 in size into a float;
//   - text goes into []byte, and bytes that are UTF-8 or not into a string;
//   - what a driver.Valuer gave goes into whatever sql.Scanner takes it;
//   - JSON goes into whatever encoding/json reads it into, into json.RawMessage and into any.
//
// Into an any comes what was encoded: string, []byte, int64, uint64, float64, bool, time.Time, and what encoding/json
// makes of JSON; binary comes as []byte. A time has the offset it was written with, and the location UTC where that is
// 0.
func Decode(encoded []byte, into any) error {
	switch p := into.(type) {
	case *string:
		if len(encoded) > 0 && (encoded[0] == tagText || encoded[0] == tagBytes) {
			*p = string(encoded[1:])
			return nil
		}
	case *[]byte:
		if len(encoded) > 0 && (encoded[0] == tagText || encoded[0] == tagBytes) {
			*p = append([]byte{}, encoded[1:]...)
			return nil
		}
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return &TypeError{Go: typeName(into), Reason: "is no pointer to decode into"}
	}
	value, err := parse(encoded)
	if err != nil {
		return err
	}
	return value.into(v.Elem())
}

func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	return reflect.TypeOf(v).String()
}

// parsed is an encoded value, taken apart.
type parsed struct {
	tag  byte
	rest []byte
}

// parse checks the length, where the tag has one.
func parse(encoded []byte) (parsed, error) {
	if len(encoded) == 0 {
		return parsed{}, &TypeError{Stored: "nothing", Go: "a value"}
	}
	p := parsed{encoded[0], encoded[1:]}
	size := len(p.rest)
	switch p.tag {
	case tagInteger, tagNatural, tagFloat:
		size = 8
	case tagBool:
		size = 1
	case tagTime:
		size = 16
	case tagText, tagBytes, tagJSON, tagBinary:
	default:
		size = -1
	}
	if size != len(p.rest) {
		return parsed{}, &TypeError{Stored: tagName(0), Go: "a value"}
	}
	return p, nil
}

func (p parsed) misfit(v reflect.Value, reason string) error {
	return &TypeError{Stored: tagName(p.tag), Go: v.Type().String(), Reason: reason}
}

func (p parsed) into(v reflect.Value) error {
	if done, err := p.intoInterface(v); done {
		return err
	}
	switch v.Kind() { //nolint:exhaustive // the others are the default
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if err := p.into(fresh.Elem()); err != nil {
			return err
		}
		v.Set(fresh)
		return nil
	case reflect.Interface:
		return p.intoAny(v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return p.intoInteger(v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return p.intoNatural(v)
	case reflect.Float32, reflect.Float64:
		return p.intoFloat(v)
	case reflect.Bool:
		if p.tag != tagBool {
			return p.misfit(v, "")
		}
		v.SetBool(p.rest[0] != 0)
		return nil
	case reflect.String:
		if p.tag != tagText && p.tag != tagBytes {
			return p.misfit(v, "")
		}
		v.SetString(string(p.rest))
		return nil
	}
	return p.intoComposite(v)
}

// intoComposite is into for what is JSON, or bytes.
func (p parsed) intoComposite(v reflect.Value) error {
	if p.tag == tagJSON {
		return p.unmarshal(v)
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 && p.tag <= tagBytes {
		v.SetBytes(append([]byte{}, p.rest...))
		return nil
	}
	return p.misfit(v, "")
}

// intoInterface decodes into types that know how, and time.Time.
func (p parsed) intoInterface(v reflect.Value) (done bool, err error) {
	if !v.CanAddr() {
		return false, nil
	}
	switch into := v.Addr().Interface().(type) {
	case *time.Time:
		if p.tag != tagTime {
			return true, p.misfit(v, "")
		}
		*into = p.time()
		return true, nil
	case *json.RawMessage:
		if p.tag != tagJSON {
			return true, p.misfit(v, "")
		}
		*into = append(json.RawMessage{}, p.rest...)
		return true, nil
	case sql.Scanner:
		if p.tag == tagJSON || p.tag == tagBinary {
			return p.tag == tagBinary, p.binary(v)
		}
		if into.Scan(p.value()) != nil {
			return true, p.misfit(v, "whose Scan refuses")
		}
		return true, nil
	}
	if p.tag == tagBinary {
		return true, p.binary(v)
	}
	return false, nil
}

// binary decodes what a BinaryMarshaler gave. For other tags it does nothing.
func (p parsed) binary(v reflect.Value) error {
	if p.tag != tagBinary {
		return nil
	}
	if v.Kind() == reflect.Interface {
		return p.intoAny(v)
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		if err := p.binary(fresh.Elem()); err != nil {
			return err
		}
		v.Set(fresh)
		return nil
	}
	m, ok := v.Addr().Interface().(encoding.BinaryUnmarshaler)
	if !ok {
		return p.misfit(v, "")
	}
	if m.UnmarshalBinary(p.rest) != nil {
		return p.misfit(v, "whose UnmarshalBinary refuses")
	}
	return nil
}

// unmarshal leaves encoding/json's error out, which quotes values.
func (p parsed) unmarshal(v reflect.Value) error {
	if json.Unmarshal(p.rest, v.Addr().Interface()) != nil {
		return p.misfit(v, "which it does not fit")
	}
	return nil
}

func (p parsed) number() uint64 { return binary.BigEndian.Uint64(p.rest) }

func (p parsed) time() time.Time {
	nanos := int64(binary.BigEndian.Uint32(p.rest[8:]))
	t := time.Unix(int64(p.number()), nanos).UTC()             //nolint:gosec // the same bits
	offset := int(int32(binary.BigEndian.Uint32(p.rest[12:]))) //nolint:gosec // the same bits
	if offset != 0 {
		t = t.In(time.FixedZone("", offset))
	}
	return t
}

// value is what a driver would have given.
func (p parsed) value() any {
	switch p.tag {
	case tagText:
		return string(p.rest)
	case tagInteger:
		return int64(p.number()) //nolint:gosec // the same bits
	case tagNatural:
		return p.number()
	case tagFloat:
		return math.Float64frombits(p.number())
	case tagBool:
		return p.rest[0] != 0
	case tagTime:
		return p.time()
	default:
		return append([]byte{}, p.rest...)
	}
}

func (p parsed) intoAny(v reflect.Value) error {
	if v.NumMethod() > 0 {
		return p.misfit(v, "")
	}
	if p.tag == tagJSON {
		return p.unmarshal(v)
	}
	v.Set(reflect.ValueOf(p.value()))
	return nil
}

func (p parsed) intoInteger(v reflect.Value) error {
	if p.tag != tagInteger || v.OverflowInt(int64(p.number())) { //nolint:gosec // the same bits
		return p.misfit(v, "which does not hold it")
	}
	v.SetInt(int64(p.number())) //nolint:gosec // the same bits
	return nil
}

func (p parsed) intoNatural(v reflect.Value) error {
	negative := p.tag == tagInteger && int64(p.number()) < 0 //nolint:gosec // the same bits
	if p.tag != tagInteger && p.tag != tagNatural || negative || v.OverflowUint(p.number()) {
		return p.misfit(v, "which does not hold it")
	}
	v.SetUint(p.number())
	return nil
}

// exact is the largest integer below which a float64 holds all.
const exact = 1 << 53

func (p parsed) intoFloat(v reflect.Value) error {
	var f float64
	switch n := int64(p.number0()); { //nolint:gosec // the same bits
	case p.tag == tagFloat:
		f = math.Float64frombits(p.number())
	case p.tag == tagInteger && n > -exact && n < exact:
		f = float64(n)
	default:
		return p.misfit(v, "which does not hold it")
	}
	if v.Kind() == reflect.Float32 && !math.IsNaN(f) && float64(float32(f)) != f {
		return p.misfit(v, "which does not hold it")
	}
	v.SetFloat(f)
	return nil
}

// number0 is number, or 0 where there is none.
func (p parsed) number0() uint64 {
	if len(p.rest) != 8 {
		return 0
	}
	return p.number()
}
