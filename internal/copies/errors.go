package copies

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Refusals, for errors.Is. Each travels in a *TableError, except for ErrNotInstalled.
var (
	// ErrMissing is returned for a table that the source or the target does not have.
	ErrMissing = errors.New("stratum: a table to copy does not exist")
	// ErrColumn is returned for a copy whose columns are not the source's.
	ErrColumn = errors.New("stratum: a copy has other columns than its source")
	// ErrReference is returned where a row that the source no longer has is referred to in the target.
	ErrReference = errors.New("stratum: a row that has gone from the source is still referred to")
	// ErrConflict is returned where a row of the source violates a constraint of the target.
	ErrConflict = errors.New("stratum: a row of the source violates a constraint of its copy")
	// ErrNotInstalled is returned for a database without the tables that copies are recorded in.
	ErrNotInstalled = errors.New("stratum: the schema \"stratum\" of a database does not know copies yet " +
		"(call st.Migrate(ctx), for every database)")
)

// TableError is a refusal with the table it is about. Nothing has been changed. Its text has no values of rows.
type TableError struct {
	// Table is the table, quoted and with its schema.
	Table string
	// Object is the column or the constraint concerned, or empty.
	Object string
	// Finding says what is wrong.
	Finding string
	// Cure says what to do.
	Cure string

	kind error
}

// Error gives table, finding and cure.
func (e *TableError) Error() string {
	return "stratum: copy of table " + e.Table + ": " + e.Finding + " (" + e.Cure + ")"
}

// Unwrap returns the sentinel: ErrMissing, ErrColumn and so on.
func (e *TableError) Unwrap() error { return e.kind }

// Conditions of PostgreSQL that are told apart.
const (
	codeForeignKey     = "23503"
	codeUnique         = "23505"
	codeExclusion      = "23P01"
	codeUndefinedTable = "42P01"
	classIntegrity     = "23"
)

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// refusal makes a *TableError of the server's word on a constraint of the target. The server's own quotes rows.
func refusal(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !strings.HasPrefix(pgErr.Code, classIntegrity) || pgErr.TableName == "" {
		return err
	}
	found := &TableError{Table: sqltext.Quote(pgErr.SchemaName, pgErr.TableName), Object: pgErr.ConstraintName}
	if pgErr.Code == codeForeignKey {
		found.kind = ErrReference
		found.Finding = "rows of it refer by the foreign key " + sqltext.Quote(pgErr.ConstraintName) +
			" to a row that the source no longer has"
		found.Cure = "let them refer to another row, or remove them, or restore the row in the source"
		return found
	}
	found.kind = ErrConflict
	object := pgErr.ConstraintName
	if object == "" {
		object, found.Object = pgErr.ColumnName, pgErr.ColumnName
	}
	found.Finding = "a row of the source does not satisfy " + sqltext.Quote(object)
	found.Cure = "make the copy's constraints those of the source"
	return found
}

// notInstalled recognizes a database whose schema is too old.
func notInstalled(err error) error {
	if sqlState(err) == codeUndefinedTable {
		return ErrNotInstalled
	}
	return err
}
