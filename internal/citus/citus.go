package citus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// InstalledSQL is an expression that says whether the database has the extension.
const InstalledSQL = `(EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'citus'))`

// Migrate makes the roles fit for connections from the coordinator to the workers, and has the workers know the
// functions that policies call. It does nothing where nothing is to be done. db is of the owner of the schema
// stratum.
func Migrate(ctx context.Context, db *sql.DB, roles []string) (err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("stratum: preparing the workers: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it says nothing new
	s, err := look(ctx, tx, roles)
	if err != nil {
		return err
	}
	for _, statement := range s.logins() {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return roleError(statement, err)
		}
	}
	for _, statement := range s.functions() {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("stratum: preparing the workers: %s: %w", statement, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("stratum: preparing the workers: %w", err)
	}
	return nil
}

// look finds out what is lacking. Names are read as texts, for which no mode of pgx needs a type.
func look(ctx context.Context, tx *sql.Tx, roles []string) (s state, err error) {
	s.Lacking, err = names(ctx, tx, `SELECT r.rolname FROM pg_catalog.pg_roles r
		WHERE NOT r.rolcanlogin AND r.rolname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[]) ORDER BY 1`, roles)
	if err != nil {
		return s, err
	}
	s.Unknown, err = names(ctx, tx, `SELECT f.name
		FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS f(name, n)
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_dist_object o
			WHERE o.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
				AND o.objid OPERATOR(pg_catalog.=) f.name::pg_catalog.regprocedure) ORDER BY f.n`, policyFunctions())
	return s, err
}

func names(ctx context.Context, tx *sql.Tx, query string, args []string) (found []string, err error) {
	rows, err := tx.QueryContext(ctx, query, pgx.QueryExecModeDescribeExec, args)
	if err != nil {
		return nil, fmt.Errorf("stratum: looking at the workers: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("stratum: looking at the workers: %w", err)
		}
		found = append(found, name)
	}
	return found, rows.Err()
}
