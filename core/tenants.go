package core

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/ltree"
)

// Limits of the tree and of a tenant's attributes. Go checks them before the database is asked.
const (
	// MaxDepth is the most levels the tree may have: a root is on level 1, the deepest tenant on level 20.
	MaxDepth = 20
	// MaxNameLength is the most characters (code points) a tenant's name may have.
	MaxNameLength = 255
	// MaxExternalIDLength is the most characters (code points) a tenant's external id may have.
	MaxExternalIDLength = 255
	// MaxMetadataSize is the most bytes a tenant's metadata may have, encoded as JSON: 64 KiB.
	MaxMetadataSize = 64 << 10
)

// Status says whether a tenant works, and if not, why. Only an active tenant reaches its data.
type Status string

// The statuses. Suspend, Resume, Archive and Restore lead from one to another; provisioning and moving belong to the
// operations that build or move a tenant's data: Create and Reconcile lead out of provisioning.
const (
	StatusActive       Status = "active"
	StatusSuspended    Status = "suspended"
	StatusArchived     Status = "archived"
	StatusProvisioning Status = "provisioning"
	StatusMoving       Status = "moving"
)

// Tenant is one node of the tree, as it was when it was read.
type Tenant struct {
	// ID never changes. Data tables refer to it.
	ID uuid.UUID
	// Label is the tenant's step in Path: short, made by the database, never changed and never used twice.
	Label ltree.Label
	// Path leads from the root to the tenant. A move of the tenant or of an ancestor changes it.
	Path ltree.Path
	// ParentID is uuid.Nil for a root.
	ParentID uuid.UUID
	// Slug is the tenant's name in URLs, unique in the whole tree. Rename changes it.
	Slug string
	// ExternalID is the tenant's id elsewhere, for example that of an identity provider's organisation. It is unique
	// in the whole tree, or empty.
	ExternalID string
	// Name is what people call the tenant. It need not be unique.
	Name string
	// Status says whether the tenant works.
	Status Status
	// Isolation says how far the tenant's rows are kept apart from those of others, and Placement in which of the
	// registered databases they are.
	Isolation Isolation
	Placement string
	// Residency is where the data of the tenant, and of all beneath it, may be. Ancestors may narrow it further.
	Residency Residency
	// Metadata is whatever the application keeps with the tenant, a JSON object; it is never nil. Numbers come back as
	// float64, so keep 64-bit integers as strings.
	Metadata map[string]any
	// Position orders siblings, lower first and the lower ID first among equals. Only comparing it means something.
	Position int64
	// CreatedAt and UpdatedAt have microseconds. UpdatedAt changes with the tenant's own attributes, status, parent
	// and position, not when an ancestor moves.
	CreatedAt, UpdatedAt time.Time
}

// Depth returns the level the tenant is on, from 1 for a root to MaxDepth.
func (t Tenant) Depth() int { return t.Path.Depth() }

// txRunner runs fn in one READ COMMITTED transaction as the system role, with a search_path that reaches the schema
// stratum and the operators of ltree, and commits if fn returns nil.
type txRunner func(ctx context.Context, fn func(tx pgx.Tx) error) error

// Tenants is the tree of tenants. It is safe for concurrent use.
//
// A ctx without a scope is the operator's, and so is one from AsSystem, which must carry a reason (ErrNoReason): they
// reach every tenant. A tenant's ctx reaches that tenant and its descendants, whether it comes from WithTenant or from
// WithSubtree. For such a caller a tenant outside is one that does not exist (ErrTenantNotFound), what concerns roots
// is ErrForbidden, and while the caller's own tenant is not active nothing is allowed (ErrTenantNotActive). That a slug
// or an external id is taken outside shows all the same, because both are unique in the whole tree.
//
// Every method returns one of this package's errors for what a caller can cause, the context's error when ctx ended
// first, and otherwise a *DatabaseError or the connection's error.
type Tenants struct {
	run     txRunner
	read    reader
	builder *builder // nil where all tenants share tables
	// changed is called after the commit of an operation that may have changed the tree. It may be nil.
	changed func(ctx context.Context)
}

// reader runs one SELECT as txRunner does its statements, in a single round trip.
type reader func(ctx context.Context, fn func(rows pgx.Rows) error, query string, args ...any) error

func newTenants(run txRunner, read reader) *Tenants { return &Tenants{run: run, read: read} }

// maxAttempts bounds how often an operation is tried that PostgreSQL ended as a deadlock's victim. The order of locks
// leaves no room for a deadlock among these operations, but another program may write to the table in its own order.
const maxAttempts = 4

// do is transact for an operation on the tree.
func (t *Tenants) do(ctx context.Context, op string, lock treeLock, fn func(s session) error) error {
	err := t.transact(ctx, op, lock, fn)
	if err == nil && lock != readOnly && t.changed != nil {
		t.changed(ctx)
	}
	return err
}

// transact runs fn in one transaction for whoever ctx says is calling, and gives its error the operation's name. fn may
// run more than once, so it must set its results and not add to them.
func (t *Tenants) transact(ctx context.Context, op string, lock treeLock, fn func(s session) error) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return operationError(op, err)
	}
	attempt := func(tx pgx.Tx) error {
		s, err := newSession(ctx, tx, sc, lock)
		if t.builder != nil {
			s.place = t.builder.st.checkLodging
		}
		if err == nil {
			err = fn(s)
		}
		return statementError(ctx, err)
	}
	for range maxAttempts {
		if err = t.run(ctx, attempt); !isTransient(err) || ctx.Err() != nil {
			break
		}
	}
	if _, raw := err.(*pgconn.PgError); raw { //nolint:errorlint // from BEGIN or COMMIT, and nobody has wrapped it
		err = statementError(ctx, err)
	}
	return operationError(op, err)
}

// session is one operation's transaction and whom it is for.
type session struct {
	tx     pgx.Tx
	caller caller
	// place refuses a place that the engine has not got; nil where it has all.
	place func(location) error
}

// newSession locks first and looks at the caller afterwards: whether its tenant is active must be no older than what
// is decided on it.
func newSession(ctx context.Context, tx pgx.Tx, sc scope.Scope, lock treeLock) (session, error) {
	if err := lock.take(ctx, tx); err != nil {
		return session{}, err
	}
	who, err := findCaller(ctx, tx, sc)
	return session{tx: tx, caller: who}, err
}
