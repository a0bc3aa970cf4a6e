package isolation

import (
	"context"
	"errors"
)

// ErrPrepare is matched by the error of a Path that could not be tried, because the caller's own rows that it needs
// could not be made.
var ErrPrepare = errors.New("stratumtest: the path could not be tried")

// Effect is what a path does, and with it what is demanded of it.
type Effect uint8

// The effects. Own is the tenant of the row aimed at, another is a tenant beside it.
const (
	// Reads returns the row aimed at to its own tenant, and not to another.
	Reads Effect = iota
	// Writes changes rows of its own tenant, and nothing of it for another.
	Writes
	// Links makes a row of the caller refer to the one aimed at: fine for its own tenant, refused to another.
	Links
	// Shares gives a row of the caller the unique values of the one aimed at: refused to its own tenant, fine for
	// another, who must not learn that they are taken.
	Shares
	// Inspects looks at how a table is made. It is tried once, for no caller, and returns what is wrong as its error.
	Inspects
)

// Row is a row that an adapter has made for AssertIsolated.
type Row struct {
	// Keys say what a read of the row, and of each related row by the relation's name, is recognised by. The row's own
	// has the empty name.
	Keys map[string]string
	// Value is the adapter's own form of the row.
	Value any
}

// Attempt is one use of a Path.
type Attempt struct {
	// Target is the row aimed at.
	Target Row
	// Own is another row, of the caller. Where there is no caller it is one of the target's tenant.
	Own Row
}

// Path is one way to rows of a model.
type Path struct {
	// Name says what the application would do, such as "Find behind a widening Or".
	Name string
	// Effect says what the path does. Defaults to Reads.
	Effect Effect
	// With is the relation that the rows need to have a related row of. Defaults to none.
	With string
	// Sees is the name in Row.Keys of what a read returns. Defaults to the row itself.
	Sees string
	// Skipped is why the path is not tried for this model. Defaults to "": it is.
	Skipped string
	// Run takes the path under ctx and returns the keys of all rows that the application gets to see.
	Run func(ctx context.Context, a Attempt) (seen []string, err error)
}

// Table is a table whose rows are compared before and after a path.
type Table struct {
	// Name is the table's name as in SQL, quoted where that is needed.
	Name string
	// Column is the tenant column as in SQL.
	Column string
}

// Subject is a tenant-owned model as an adapter knows it.
type Subject struct {
	// Model is the model's name.
	Model string
	// Reached are the tenant-owned tables that the paths reach.
	Reached []Table
	// Owned are all tenant-owned tables of the application, for the tenants' rows to be removed at the end.
	Owned []Table
	// Paths are the ways to the model's rows.
	Paths []Path
	// Seed makes a row of the tenant of ctx, with a related row where a relation is named.
	Seed func(ctx context.Context, with string) (Row, error)
	// Close removes what was made beside the rows of tenants. ctx is the system's.
	Close func(ctx context.Context) error
}

// Options say how valid rows are made.
type Options struct {
	// Model is a pointer to a value of the model. Fields that are set in it are so in each row.
	Model any
	// Sample returns a pointer to a valid value of the model, another each time. Defaults to none.
	Sample func() any
	// Related are pointers to values of related models, as Model is for the model itself.
	Related []any
}
