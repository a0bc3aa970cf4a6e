package config

import (
	"cmp"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Dialect is the version of JSON Schema that SchemaOf writes.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is a JSON Schema.
type Schema map[string]any

// SchemaOf describes the JSON that encoding/json reads into a Go type. A type that reads itself is described by what it
// is known to accept: a time is a string with a format, a text a string, and anything else any value.
func SchemaOf(t reflect.Type) Schema { return schemaOf(t, nil) }

// schemaOf keeps the structs it is inside of, because a type may contain itself: there any object will do.
func schemaOf(t reflect.Type, inside []reflect.Type) Schema {
	if s, special := specialSchema(t); special {
		return s
	}
	switch t.Kind() { //nolint:exhaustive // what has no JSON is any value here, and cannot be written
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return Schema{"type": "number"}
	case reflect.Pointer:
		return nullable(schemaOf(t.Elem(), inside))
	case reflect.Slice:
		return nullable(listSchema(t, inside))
	case reflect.Array:
		s := listSchema(t, inside)
		s["maxItems"] = t.Len()
		return s
	case reflect.Map:
		return nullable(Schema{"type": "object", "additionalProperties": schemaOf(t.Elem(), inside)})
	case reflect.Struct:
		return structSchema(t, inside)
	default:
		return integerSchema(t)
	}
}

// specialSchema is for types whose JSON does not follow from their kind.
func specialSchema(t reflect.Type) (Schema, bool) {
	pointer := reflect.PointerTo(t)
	switch {
	case t == reflect.TypeFor[time.Time]():
		return Schema{"type": "string", "format": "date-time"}, true
	case t == reflect.TypeFor[[]byte]():
		return nullable(Schema{"type": "string", "contentEncoding": "base64"}), true
	case pointer.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return Schema{}, true
	case pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) && t.Kind() != reflect.Pointer:
		return Schema{"type": "string"}, true
	default:
		return nil, false
	}
}

// integerSchema has the bounds of integers that are smaller than JSON's numbers in programs that read 53 bits exactly.
func integerSchema(t reflect.Type) Schema {
	const exact = 53
	switch t.Kind() { //nolint:exhaustive // all others are any value
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s := Schema{"type": "integer"}
		if bits := t.Bits(); bits < exact {
			s["minimum"], s["maximum"] = -(int64(1) << (bits - 1)), int64(1)<<(bits-1)-1
		}
		return s
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s := Schema{"type": "integer", "minimum": 0}
		if bits := t.Bits(); bits < exact {
			s["maximum"] = int64(1)<<bits - 1
		}
		return s
	default:
		return Schema{}
	}
}

func listSchema(t reflect.Type, inside []reflect.Type) Schema {
	return Schema{"type": "array", "items": schemaOf(t.Elem(), inside)}
}

// nullable allows null too. A schema without a type allows it already.
func nullable(s Schema) Schema {
	if kind, ok := s["type"].(string); ok {
		s["type"] = []string{kind, "null"}
	}
	return s
}

func structSchema(t reflect.Type, inside []reflect.Type) Schema {
	if slices.Contains(inside, t) {
		return Schema{"type": "object"}
	}
	properties := Schema{}
	addFields(properties, t, append(inside[:len(inside):len(inside)], t))
	return Schema{"type": "object", "properties": properties, "additionalProperties": false}
}

// addFields adds the fields of a struct under the names that encoding/json gives them. No field is required, since
// encoding/json asks for none.
func addFields(properties Schema, t reflect.Type, inside []reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
		case field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct:
			addFields(properties, field.Type, inside)
		case !field.IsExported():
		case strings.Contains(","+options+",", ",string,"):
			properties[cmp.Or(name, field.Name)] = Schema{"type": "string"}
		default:
			properties[cmp.Or(name, field.Name)] = schemaOf(field.Type, inside)
		}
	}
}
