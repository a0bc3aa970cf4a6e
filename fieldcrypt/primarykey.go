package fieldcrypt

import (
	"database/sql/driver"
	"encoding/hex"
	"reflect"
	"strconv"

	"github.com/google/uuid"
)

// PrimaryKey appends a row's primary key, in the order of its columns, to dst, for a Column that binds it. Each part is
// there as the text that PostgreSQL writes for it: so a key that comes from a Go value and one that was read from the
// database are the same. Texts, integers, uuids (as google/uuid, [16]byte, or a text in lower case), []byte as bytea,
// and types that are made of them or give them as a driver.Valuer are supported; all else is a *TypeError, and so are
// keys that are not assigned: nil and the nil uuid. An integer 0 is accepted.
func PrimaryKey(dst []byte, parts ...any) ([]byte, error) {
	for _, part := range parts {
		text, err := keyText(part)
		if err != nil {
			return nil, err
		}
		if len(text) > maxField {
			return nil, &TypeError{Go: typeName(part), Reason: "is too long for a primary key"}
		}
		dst = appendField(dst, text)
	}
	return dst, nil
}

func keyText(part any) (string, error) {
	if v := reflect.ValueOf(part); v.Kind() == reflect.Pointer {
		return keyKind(v)
	}
	switch p := part.(type) {
	case string:
		return p, nil
	case []byte:
		if p != nil {
			return `\x` + hex.EncodeToString(p), nil
		}
	case uuid.UUID:
		if p != uuid.Nil {
			return p.String(), nil
		}
	case [16]byte:
		if p != [16]byte{} {
			return uuid.UUID(p).String(), nil
		}
	case driver.Valuer:
		value, err := p.Value()
		if _, again := value.(driver.Valuer); err != nil || again {
			return "", &TypeError{Go: typeName(part), Reason: "has no value for a primary key"}
		}
		return keyText(value)
	default:
		return keyKind(reflect.ValueOf(part))
	}
	return "", &TypeError{Go: typeName(part), Reason: "is a primary key that is not assigned"}
}

func keyKind(v reflect.Value) (string, error) {
	switch v.Kind() { //nolint:exhaustive // the others are the default
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10), nil
	case reflect.Pointer:
		if !v.IsNil() {
			return keyText(v.Elem().Interface())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return keyText(v.Bytes())
		}
	case reflect.Array:
		if v.Type().ConvertibleTo(reflect.TypeFor[uuid.UUID]()) {
			return keyText(v.Convert(reflect.TypeFor[uuid.UUID]()).Interface())
		}
	case reflect.Invalid:
		return "", &TypeError{Go: "nil", Reason: "is a primary key that is not assigned"}
	}
	return "", &TypeError{Go: v.Type().String(), Reason: "cannot be a primary key that is bound"}
}
