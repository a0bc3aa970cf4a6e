package tables

import (
	"errors"
	"fmt"
	"strings"
)

// ErrKey is returned for a table of which it is not known whose its rows are.
var ErrKey = errors.New("stratum: it is not known whose the rows of a table are")

// Refused turns what PostgreSQL said to a change into a refusal with the query that finds the rows at fault, where rows
// are. Other errors come back as they are.
func (c Change) Refused(err error) error {
	var kind error
	var what string
	switch {
	case hasCode(err, codeForeignKey):
		kind, what = ErrReference, "rows refer to rows that do not exist or belong to another tenant"
	case hasCode(err, codeUnique):
		kind, what = ErrDuplicate, "rows have the same values"
	case hasCode(err, codeCheck):
		kind, what = ErrExistingRows, "rows belong to no tenant"
	default:
		// Without the body of a function, which may name a tenant.
		statement, _, _ := strings.Cut(c.Statements[0], "\n")
		return fmt.Errorf("stratum: table %s: %s: %w", c.Table, statement, err)
	}
	return &TableError{
		Table: c.Table, Object: c.Object, kind: kind,
		Finding: fmt.Sprintf("%s, in the way of %s", what, quote(c.Object)),
		Cure:    "find them with: " + c.Violation + "; then correct them and go on: nothing else has changed",
	}
}
