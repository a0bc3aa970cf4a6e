package install

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier is what is needed to look at a database: a pgx.Conn, a pgx.Tx or a pool.
type Querier interface {
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}

// rowQuerier is the part that database/sql's Conn and Tx have in common.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// sqlQuerier makes a Querier of a connection of database/sql, over pgx's driver.
type sqlQuerier struct{ rowQuerier }

func (q sqlQuerier) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return q.QueryRowContext(ctx, query, args...)
}

// State is what is installed in a database.
type State struct {
	// Installed says whether there is a schema of Stratum's at all. Without one the other fields are zero.
	Installed bool
	// Version is the version of the installed schema.
	Version int
	// MinCompatible is the lowest Version that a binary must have to work with it.
	MinCompatible int
	// Prefix is the prefix of the roles that it was installed with.
	Prefix string
}

// ReadState looks at what is installed. Any login may.
func ReadState(ctx context.Context, q Querier) (State, error) {
	var s State
	// The catalog is asked instead of to_regclass, which fails where the login may not use a schema of that name.
	// QueryExecModeExec leaves no prepared statement behind on a connection that a pooler may share.
	err := q.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'stratum' AND c.relname = 'schema_info')`, pgx.QueryExecModeExec).Scan(&s.Installed)
	if err != nil {
		return State{}, fmt.Errorf("stratum: looking for the schema: %w", err)
	}
	if !s.Installed {
		return State{}, nil
	}
	err = q.QueryRow(ctx, "SELECT version, min_compatible, prefix FROM stratum.schema_info", pgx.QueryExecModeExec).
		Scan(&s.Version, &s.MinCompatible, &s.Prefix)
	if err != nil {
		return State{}, fmt.Errorf("stratum: reading the schema's version: %w", err)
	}
	return s, nil
}

// Check says whether this binary can work with the schema: nil, ErrNotInstalled, ErrOutdated or ErrIncompatible.
func (s State) Check() error {
	return s.check(Version)
}

func (s State) check(binary int) error {
	switch {
	case !s.Installed:
		return ErrNotInstalled
	case s.MinCompatible > binary:
		return fmt.Errorf("%w: it serves binaries that know schema version %d or newer, this one knows %d",
			ErrIncompatible, s.MinCompatible, binary)
	case s.Version < binary:
		return fmt.Errorf("%w: it has version %d, this binary needs %d", ErrOutdated, s.Version, binary)
	}
	return nil
}

// CheckPrefix says whether the schema was installed with the configured prefix of roles: nil or ErrPrefix. Under
// another prefix the roles have no rights on it.
func (s State) CheckPrefix(roles Roles) error {
	if s.Installed && s.Prefix != roles.prefix() {
		return fmt.Errorf("%w: it was %q, configured is %q (configure %q)",
			ErrPrefix, s.Prefix, roles.prefix(), s.Prefix)
	}
	return nil
}
