package tables

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Refusals, for errors.Is. Each travels in a *TableError, which says of which table it is and what cures it.
var (
	// ErrDeclaration is returned for a Table that contradicts itself or another one.
	ErrDeclaration = errors.New("stratum: a table is declared in a way that cannot work")
	// ErrMissing is returned by Finish for a table that the database does not have.
	ErrMissing = errors.New("stratum: a table does not exist")
	// ErrNoTable is returned for a relation that cannot be tenant-owned or global, such as a view.
	ErrNoTable = errors.New("stratum: a relation is not a table")
	// ErrNotOwner is returned where the migrating login does not own a table.
	ErrNotOwner = errors.New("stratum: the migrating login does not own a table")
	// ErrExistingRows is returned for rows that belong to no tenant yet while Config.ExistingRows names none.
	ErrExistingRows = errors.New("stratum: a table has rows that belong to no tenant")
	// ErrTenantUnknown is returned where Config.ExistingRows is needed and is the id of no tenant.
	ErrTenantUnknown = errors.New("stratum: the tenant for existing rows does not exist")
	// ErrColumn is returned for a tenant column or a key column that is not as it must be.
	ErrColumn = errors.New("stratum: a column is not as it must be")
	// ErrDependent is returned where a foreign key that nobody declared stands on a key that must go.
	ErrDependent = errors.New("stratum: a foreign key depends on a key that must be replaced")
	// ErrReference is returned where existing rows violate a foreign key, for instance by a reference across tenants.
	ErrReference = errors.New("stratum: existing rows violate a foreign key")
	// ErrDuplicate is returned where existing rows of one tenant violate a unique key.
	ErrDuplicate = errors.New("stratum: existing rows violate a unique key")
	// ErrPolicy is returned for a policy that is not Stratum's and would show rows to the wrong role.
	ErrPolicy = errors.New("stratum: a policy widens access to a tenant-owned table")
	// ErrKind is returned for a table that is protected as tenant-owned and is declared global.
	ErrKind = errors.New("stratum: a tenant-owned table is declared global")
	// ErrAdopting is returned for a table that is being adopted online, until it is sealed.
	ErrAdopting = errors.New("stratum: a table is being adopted")
	// ErrCitus is returned for a table that Citus has no place for as it is declared, or as it is.
	ErrCitus = errors.New("stratum: Citus cannot have a table so")
	// ErrGrant is returned for a right that the table's owner cannot revoke, since somebody else granted it.
	ErrGrant = errors.New("stratum: a right was granted by another role")
)

// TableError is a refusal with the table it is about. Its text never has values of rows or ids of tenants.
type TableError struct {
	// Table is the table, quoted and with its schema where that is known.
	Table string
	// Object is the column, constraint or policy concerned, or empty.
	Object string
	// Rows is the number of rows concerned, for ErrExistingRows.
	Rows int64
	// Finding says what is wrong.
	Finding string
	// Cure says what to do, as SQL where it can be said so.
	Cure string

	kind error
}

// Error gives table, finding and cure.
func (e *TableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stratum: table %s: %s", e.Table, e.Finding)
	if e.Cure != "" {
		fmt.Fprintf(&b, " (%s)", e.Cure)
	}
	return b.String()
}

// Unwrap returns the sentinel: ErrMissing, ErrExistingRows and so on.
func (e *TableError) Unwrap() error { return e.kind }

// Refusal is err as a *TableError where it is the server's about existing rows that are in the way of a key. The
// server's own is not passed on: its details quote rows. Other errors are returned as they are.
func Refusal(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.TableName == "" {
		return err
	}
	refusal := &TableError{Table: quote(pgErr.SchemaName, pgErr.TableName), Object: pgErr.ConstraintName}
	switch pgErr.Code {
	case codeUnique:
		refusal.kind, refusal.Finding = ErrDuplicate, "rows of one tenant have the same values in the columns of "+
			quote(pgErr.ConstraintName)
		refusal.Cure = "find them by GROUP BY its columns HAVING count(*) > 1, and make them differ"
	case codeForeignKey:
		refusal.kind, refusal.Finding = ErrReference, "rows violate the foreign key "+quote(pgErr.ConstraintName)+
			": they refer to rows that do not exist"
		refusal.Cure = "correct them and migrate again"
	default:
		return err
	}
	return refusal
}
