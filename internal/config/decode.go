package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"
)

// MismatchError says why a JSON value is not one of a Go type, without the value: it may be nobody's business.
type MismatchError struct{ Reason string }

// Error returns the reason, to be read behind the name of a key.
func (e *MismatchError) Error() string { return e.Reason }

// As returns the value as a T. What cannot be changed through a copy is decoded once, for all readers.
func As[T any](v *Value) (T, error) {
	if memo := v.memo.Load(); memo != nil {
		if decoded, ok := (*memo).(*T); ok {
			return *decoded, nil
		}
	}
	decoded := new(T)
	if err := Decode(v.Value, decoded, false); err != nil {
		return *new(T), err
	}
	if shareable(reflect.TypeFor[T]()) {
		var memo any = decoded
		v.memo.Store(&memo)
	}
	return *decoded, nil
}

// shareable reports whether a copy of a value of this type has nothing in common with it that could be changed.
func shareable(t reflect.Type) bool {
	switch t.Kind() { //nolint:exhaustive // all others are not
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.String:
		return true
	case reflect.Array:
		return shareable(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() { // its location is a pointer, to what never changes
			return true
		}
		for i := range t.NumField() {
			if !shareable(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// Decode reads a JSON value into the Go value that into points to. Strictly means that an object may have no field that
// the Go type has not: a value is written strictly, so that a slip shows, and read otherwise, so that a field may go
// while values still have it. Errors are *MismatchErrors.
func Decode(raw json.RawMessage, into any, strictly bool) error {
	if string(raw) == "null" && !acceptsNull(reflect.TypeOf(into).Elem()) {
		return &MismatchError{"must be " + nameOf(reflect.TypeOf(into).Elem()) + ", not null"}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if strictly {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(into); err != nil {
		return mismatch(err, reflect.TypeOf(into).Elem())
	}
	return nil
}

// acceptsNull reports whether JSON's null means something to the type. encoding/json passes over it in silence where
// it does not.
func acceptsNull(t reflect.Type) bool {
	switch t.Kind() { //nolint:exhaustive // all others do not
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) && t != reflect.TypeFor[time.Time]()
	}
}

func mismatch(err error, t reflect.Type) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		subject := ""
		if wrong.Field != "" {
			subject = "in " + wrong.Field + ": "
		}
		kind, _, _ := strings.Cut(wrong.Value, " ") // "number 300" has the value itself
		return &MismatchError{subject + "must be " + nameOf(wrong.Type) + ", and this " + kind + " is not"}
	}
	if text := err.Error(); strings.HasPrefix(text, "json: unknown field ") {
		return &MismatchError{"has the " + strings.TrimPrefix(text, "json: ") + ", which " + nameOf(t) + " has not"}
	}
	return &MismatchError{"cannot be read as " + nameOf(t)}
}

func nameOf(t reflect.Type) string {
	if t == nil {
		return "another type"
	}
	return t.String()
}
