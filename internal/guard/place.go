package guard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Router leads statements to the place where their tenant's data is. It is asked for each statement that is not in a
// transaction and for each transaction, so its answer comes from memory wherever it can. What it believes need not be
// true any more: each database refuses a tenant whose data it has not got.
type Router interface {
	// Place returns where statements of the scope run.
	Place(ctx context.Context, sc scope.Scope) (*Place, error)
	// Elsewhere is told that the data of the scope's tenant is not at p: detail is what the registry's database knows
	// of it, or empty where another one has no such tenant. It reports whether Place has another answer now.
	Elsewhere(sc scope.Scope, p *Place, detail string) bool
}

// Database is one database, and what is known of it.
type Database struct {
	// Name says in errors which one it is, or is empty for the registry's.
	Name string
	// Data lends connections for statements of one tenant, and System for statements across tenants.
	Data, System *Pool
	// Replicas are those of the database, or nil.
	Replicas *Replicas

	standing standing
	prover   prover
}

// NewDatabase returns a database that two pools lead to. proofKey reads the key with which signed Forms prove there
// that a tenant is admitted.
func NewDatabase(name string, data, system *Pool, proofKey func(context.Context) ([]byte, error)) *Database {
	return &Database{Name: name, Data: data, System: system, prover: prover{load: proofKey}}
}

// Ping reports whether the database answers to both logins. It reads nothing.
func (d *Database) Ping(ctx context.Context) error {
	return errors.Join(d.Data.Ping(ctx), d.System.Ping(ctx))
}

// Close closes all pools, see Pool.Close.
func (d *Database) Close() error {
	return errors.Join(d.Replicas.Close(), d.Data.Close(), d.System.Close())
}

// pool returns the pool for statements of a kind of scope.
func (d *Database) pool(kind scope.Kind) *Pool {
	if kind == scope.System {
		return d.System
	}
	return d.Data
}

// Place is where statements run: a database, and the schemas in it.
type Place struct {
	// Database is the place's database.
	Database *Database
	// SearchPath is set for every statement. pg_temp must be its last entry.
	SearchPath string
	// Schema is the schema that the tenant has of its own, which SearchPath begins with, or empty.
	Schema string

	path, schema []byte
}

// NewPlace returns a place.
func NewPlace(d *Database, searchPath, schema string) *Place {
	p := &Place{Database: d, SearchPath: searchPath, Schema: schema, path: []byte(searchPath)}
	if schema != "" {
		p.schema = []byte(schema)
	}
	return p
}

// role is what a statement of the scope runs as at the place.
func (c *Connector) role(p *Place, sc scope.Scope) string {
	// There are no descendants' rows in a tenant's own schema, so a subtree is the tenant.
	if p.schema != nil && sc.Kind != scope.System {
		return c.config.Roles.Schema
	}
	return c.config.Roles.of(sc.Kind)
}

// place returns where statements of the scope run, as far as is known.
func (c *Connector) place(ctx context.Context, sc scope.Scope) (*Place, error) {
	if c.config.Router == nil {
		return c.config.Home, nil
	}
	return c.config.Router.Place(ctx, sc)
}

// acquire borrows a session where statements of the scope run. The place is returned also where it is out of reach.
func (c *Connector) acquire(ctx context.Context, sc scope.Scope) (*Place, *session, error) {
	p, err := c.place(ctx, sc)
	if err != nil {
		return nil, nil, err
	}
	s, err := p.Database.pool(sc.Kind).acquire(ctx)
	switch {
	case err == nil:
		return p, s, nil
	case p != c.config.Home:
		err = Unreached(err)
	case isLogin(err):
		err = &unreached{ErrLogin, err}
	}
	if p.Database.Name != "" {
		err = &PlacementError{Placement: p.Database.Name, Err: err}
	}
	return p, nil, err
}

// Unreached says what the error of a connection to another database than the registry's means.
func Unreached(err error) error {
	if sqlState(err) == codeProtocolError {
		return throughPooler(err)
	}
	switch {
	case sqlState(err) == codeNoDatabase:
		return &unreached{ErrDatabaseMissing, err}
	case isLogin(err):
		return &unreached{ErrLogin, err}
	case isDown(err):
		return &unreached{ErrDatabaseDown, err}
	}
	return err
}

// throughPooler reads what a PgBouncer says that was not let in itself: it has one code for all that a server may have
// answered, and passes on the text, in English unless the server speaks another language.
func throughPooler(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "database") && strings.Contains(text, "does not exist"):
		return &unreached{ErrDatabaseMissing, err}
	case strings.Contains(text, "authentication failed"):
		return &unreached{ErrLogin, err}
	}
	return &unreached{ErrDatabaseDown, err}
}

func isLogin(err error) bool {
	return sqlState(err) == codePassword || sqlState(err) == codeLogin
}

// unreached is why no connection was had. The server's words name the login and the database: they are left to
// errors.As.
type unreached struct{ sentinel, cause error }

// Error says what to do.
func (e *unreached) Error() string {
	if code := sqlState(e.cause); code != "" {
		return e.sentinel.Error() + ": SQLSTATE " + code
	}
	return e.sentinel.Error()
}

// Unwrap returns both.
func (e *unreached) Unwrap() []error { return []error{e.sentinel, e.cause} }

// isDown reports whether a connection was not had because nobody answers, or nobody is let in.
func isDown(err error) bool {
	var errno syscall.Errno
	switch sqlState(err) {
	case codeNotNow, codeNotAccepting, codeShutdown:
		return true
	}
	return errors.Is(err, errUnreachable) || errors.As(err, &errno)
}

// PlacementError is why a placement could not be reached.
type PlacementError struct {
	// Placement is the name it is registered by.
	Placement string
	// Err is the reason, without what the DSN says.
	Err error
}

// Error names the placement.
func (e *PlacementError) Error() string { return fmt.Sprintf("%v (placement %q)", e.Err, e.Placement) }

// Unwrap returns the reason.
func (e *PlacementError) Unwrap() error { return e.Err }

// maxMoves is how often a statement follows its tenant.
const maxMoves = 2

// moved reports whether a statement or a transaction is to be tried once more, since the tenant's data is elsewhere
// than it was believed to be: the server has refused it before it did anything.
func (c *Connector) moved(err error, p *Place, sc scope.Scope, moves int) bool {
	if c.config.Router == nil || p == nil || moves >= maxMoves {
		return false
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	switch pgErr.Code {
	case codeElsewhere:
		return c.config.Router.Elsewhere(sc, p, pgErr.Detail)
	case codeUnknown, codeNoSchema:
		return c.gone(p, sc, moves)
	}
	return errors.Is(err, ErrDatabaseMissing) && c.gone(p, sc, moves)
}

// gone reports whether the registry may lead elsewhere than to a place that is not there.
func (c *Connector) gone(p *Place, sc scope.Scope, moves int) bool {
	// Where the registry has just led there, it would only lead there once more: what is missing is missing.
	return moves == 0 && p != c.config.Home && c.config.Router.Elsewhere(sc, p, "")
}
