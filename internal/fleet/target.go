package fleet

import (
	"context"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Kind says what a target is.
type Kind uint8

// The kinds of targets.
const (
	// KindShared is the shared tables of a database.
	KindShared Kind = iota
	// KindSchema is a tenant's schema.
	KindSchema
	// KindDatabase is a tenant's database.
	KindDatabase
)

// String is for logs.
func (k Kind) String() string {
	return [...]string{"shared", "schema", "database"}[k]
}

// Target is one place with the application's tables.
type Target struct {
	// ID names the target in errors and progress, such as "home/t_4f". It is stable, and two targets never share one:
	// what comes a second time under the same ID is passed over. Required.
	ID string
	// Server is the server of Database: Options.PerServer bounds how many of its targets are worked on at once.
	Server string
	// Kind says what it is. Defaults to KindShared.
	Kind Kind
	// Schema is the schema of its tables, and of its ledger. Required.
	Schema string
	// SearchPath is what search_path is while its migrations run. Defaults to Schema alone.
	SearchPath string
	// Rows estimates how many rows it has, for progress. Defaults to none.
	Rows int64
	// Database is where it is.
	Database Database
}

// Database is how to connect to a database as the owner of its tables.
type Database struct {
	// Name tells databases apart: a worker keeps its connection while targets have the same. Required.
	Name string
	// Config returns how to connect, each time a worker does: directly, or through a pooler in session mode if there
	// are migrations outside of transactions. Required.
	Config func(ctx context.Context) (*pgx.ConnConfig, error)
}

func (t Target) searchPath() string {
	if t.SearchPath == "" {
		return sqltext.Quote(t.Schema)
	}
	return t.SearchPath
}

func (t Target) validate() error {
	switch {
	case t.ID == "":
		return errNoID
	case t.Schema == "" || t.Database.Name == "" || t.Database.Config == nil:
		return errNoPlace
	default:
		return nil
	}
}

// lockSpace is the first half of the locks of targets, apart from those of tenants, of Migrate and of the tree.
const lockSpace = 1718379877

// lockKey is the target's lock within its database. Two schemas that share one merely wait for each other.
func (t Target) lockKey() int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Schema)) // never fails
	return int32(h.Sum32())          //nolint:gosec // any 32 bits will do
}
