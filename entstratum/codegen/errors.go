package codegen

import (
	"errors"
	"fmt"
)

// ErrSchema is what every SchemaError is, for errors.Is.
var ErrSchema = errors.New("entstratum/codegen: a schema is refused")

// SchemaError is a schema that would let rows cross the boundary between tenants. Generation returns all of them at
// once, joined.
type SchemaError struct {
	// Schema is the ent schema.
	Schema string
	// Object is the field, edge or index concerned, or empty.
	Object string
	// Finding says what is wrong, and Cure what to do.
	Finding, Cure string
}

// Error gives schema, finding and cure.
func (e *SchemaError) Error() string {
	where := e.Schema
	if e.Object != "" {
		where += "." + e.Object
	}
	return fmt.Sprintf("stratum: schema %s: %s (%s)", where, e.Finding, e.Cure)
}

// Unwrap returns ErrSchema.
func (*SchemaError) Unwrap() error { return ErrSchema }
