package shape

import (
	"errors"
	"strings"
)

// Refusals, for errors.Is. All but ErrTransaction and ErrResidence travel in a *TableError.
var (
	// ErrTransaction is returned by Read outside of a transaction: what it sets would not last to the next statement.
	ErrTransaction = errors.New("stratum: the catalog is read inside of a transaction (begin one)")
	// ErrResidence is returned for a Residence that lacks a role or has a schema's name that would need quotes.
	ErrResidence = errors.New("stratum: a tenant's residence is not described as it must be")
	// ErrMissing is returned for a table or a tenant column of the model that the database does not have.
	ErrMissing = errors.New("stratum: a table of the model does not exist")
	// ErrUnsupported is returned for a table of the model that cannot be made elsewhere, such as a partitioned one.
	ErrUnsupported = errors.New("stratum: a table of the model cannot be made elsewhere")
	// ErrKeys is returned where a column's type has no room for a range of keys that stays apart from others'.
	ErrKeys = errors.New("stratum: a key's type has no range of its own for each tenant")
	// ErrName is returned where two tables of the model would get one name in a tenant's schema.
	ErrName = errors.New("stratum: two tables of the model have one name")
	// ErrReference is returned where a table refers to one that a tenant's database does not have.
	ErrReference = errors.New("stratum: a table of the model refers to one outside of it")
)

// TableError is a refusal with the table of the model it is about.
type TableError struct {
	// Schema and Table name the table.
	Schema, Table string
	// Object is the column or constraint concerned, or empty.
	Object string
	// Finding says what is wrong, and Cure what to do.
	Finding, Cure string

	kind error
}

// Error gives table, finding and cure.
func (e *TableError) Error() string {
	var b strings.Builder
	b.WriteString("stratum: table " + quote(e.Schema, e.Table) + ": " + e.Finding)
	if e.Cure != "" {
		b.WriteString(" (" + e.Cure + ")")
	}
	return b.String()
}

// Unwrap returns the sentinel: ErrMissing, ErrUnsupported and so on.
func (e *TableError) Unwrap() error { return e.kind }

// refused is a refusal that concerns a part of the table, or all of it.
func (t *Table) refused(kind error, object, finding, cure string) *TableError {
	return &TableError{
		Schema: t.Schema, Table: t.Name, Object: object, Finding: finding, Cure: cure, kind: kind,
	}
}
