package provision

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Satellite is a database other than the registry's, as it is wanted.
type Satellite struct {
	// Site is what the database is.
	Site Site
	// Roles are the roles that statements run as.
	Roles install.Roles
	// Number is that of its range of keys, 0 for a template, which has none yet.
	Number int64
}

// Make makes the tables of the satellite, or what is missing of them, and looks that they are as they must be. Schema
// stratum is there, and so is what Extras made.
func (s Satellite) Make(ctx context.Context, tx *sql.Tx, model shape.Model) error {
	if err := s.Site.Settle(ctx, tx); err != nil {
		return err
	}
	wanted, err := s.Shape(ctx, tx, model)
	if err != nil {
		return err
	}
	if err := setPath(ctx, tx); err != nil {
		return err
	}
	changes, err := compare(ctx, tx, wanted)
	if err != nil {
		return err
	}
	if statements := shape.Statements(harmless(changes)); len(statements) > 0 {
		if _, err := tx.ExecContext(ctx, strings.Join(statements, ";\n")); err != nil {
			return fmt.Errorf("stratum: making the tables of the database: %w", err)
		}
	}
	if changes, err = compare(ctx, tx, wanted); err != nil {
		return err
	}
	if err := unverified(changes); err != nil {
		return err
	}
	return declare(ctx, tx, model)
}

// Take makes a fresh copy of a template into the satellite, as Make does. The template was made of the same model and
// looked at, so that what is to be done is known, and nothing has to be read again.
func (s Satellite) Take(ctx context.Context, tx *sql.Tx, model shape.Model) error {
	if err := s.Site.Settle(ctx, tx); err != nil {
		return err
	}
	wanted, err := s.Shape(ctx, tx, model)
	if err != nil {
		return err
	}
	copied := s
	copied.Number = 0
	have, err := copied.Shape(ctx, tx, model)
	if err != nil {
		return err
	}
	changes := shape.Diff(have, wanted)
	if len(changes) == 0 {
		return nil
	}
	if err := setPath(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, strings.Join(shape.Statements(changes), ";\n")); err != nil {
		return fmt.Errorf("stratum: making the tables of the database: %w", err)
	}
	return nil
}

// Shape is what the database's tables must look like.
func (s Satellite) Shape(ctx context.Context, tx *sql.Tx, model shape.Model) (shape.Shape, error) {
	number := s.Number
	if number == 0 {
		number = 1 // a template's sequences are altered before they are used
	}
	r, err := residence(ctx, tx, s.Roles, number)
	if err != nil {
		return shape.Shape{}, err
	}
	return model.InDatabase(r)
}

// compare reads the tables that there are in the schemas of the wanted ones.
func compare(ctx context.Context, tx *sql.Tx, wanted shape.Shape) ([]shape.Change, error) {
	var schemas []string
	seen := map[string]bool{}
	for i := range wanted.Tables {
		if schema := wanted.Tables[i].Schema; !seen[schema] {
			seen[schema] = true
			schemas = append(schemas, schema)
		}
	}
	found, err := shape.ReadMany(ctx, tx, schemas, wanted.Names())
	if err != nil {
		return nil, err
	}
	var have shape.Shape
	for _, schema := range schemas {
		have.Tables = append(have.Tables, found[schema].Tables...)
		have.Views = append(have.Views, found[schema].Views...)
	}
	return shape.Diff(have, wanted), nil
}

// declare records the classes of the tables, for Verify and whoever else looks at the database.
func declare(ctx context.Context, tx *sql.Tx, model shape.Model) error {
	values := make([]string, 0, len(model.Specs))
	schemas := map[string]bool{}
	for _, s := range model.Specs {
		column := "NULL"
		if s.TenantColumn != "" {
			column = sqltext.Literal(s.TenantColumn)
		}
		values = append(values, "("+sqltext.Literal(s.Schema)+", "+sqltext.Literal(s.Name)+", "+
			sqltext.Literal(string(s.Class))+", "+column+")")
		schemas[s.Schema] = true
	}
	//nolint:gosec // the values are quoted
	_, err := tx.ExecContext(ctx, "INSERT INTO stratum.tables AS t (table_schema, table_name, class, "+
		"tenant_column) VALUES "+
		strings.Join(values, ", ")+" ON CONFLICT (table_schema, table_name) DO UPDATE SET class = excluded.class, "+
		"tenant_column = excluded.tenant_column WHERE (t.class, t.tenant_column) IS DISTINCT FROM "+
		"(excluded.class, excluded.tenant_column)")
	if err != nil {
		return fmt.Errorf("stratum: recording the tables: %w", err)
	}
	return nil
}

// Create copies a template. It reports false where the database is there already. The connection of conn is one to
// another database, outside of a transaction, of a login that may create databases.
func Create(ctx context.Context, conn Conn, name, template string) (made bool, err error) {
	there, open, err := look(ctx, conn, name)
	if err != nil {
		return false, err
	}
	if !there {
		if made, err = create(ctx, conn, name, template); err != nil {
			return false, err
		}
	}
	// The rights on a database are not among what is copied. A program may have ended before it came to this.
	if there && !open {
		return made, nil
	}
	_, err = conn.ExecContext(ctx, "REVOKE TEMPORARY ON DATABASE "+sqltext.Quote(name)+" FROM PUBLIC")
	if err != nil {
		return made, fmt.Errorf("stratum: database %q: %w", name, err)
	}
	return made, nil
}

// look reports whether there is a database of this name, and whether everybody may make temporary tables in it.
func look(ctx context.Context, conn Conn, name string) (there, open bool, err error) {
	const query = `SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1), EXISTS (
		SELECT FROM pg_catalog.pg_database d,
			pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) g
		WHERE d.datname = $1 AND g.grantee = 0 AND g.privilege_type = 'TEMPORARY')`
	if err := conn.QueryRowContext(ctx, query, name).Scan(&there, &open); err != nil {
		return false, false, fmt.Errorf("stratum: looking for database %q: %w", name, err)
	}
	return there, open, nil
}

func create(ctx context.Context, conn Conn, name, template string) (made bool, err error) {
	_, err = conn.ExecContext(ctx, createText(name)+" TEMPLATE "+sqltext.Quote(template)+" STRATEGY WAL_LOG")
	switch {
	case hasCode(err, codeDuplicateDatabase), hasCode(err, codeUnique): // somebody else was first, or a moment before
		return false, nil
	case hasCode(err, codePrivilege):
		return false,
			fmt.Errorf("stratum: the login of OwnerDSN may not create databases (ALTER ROLE ... CREATEDB): %w",
				err)
	case err != nil:
		return false, fmt.Errorf("stratum: making database %q: %w", name, err)
	}
	return true, nil
}

// createText begins the statement that makes a database.
func createText(name string) string { return "CREATE DATABASE " + sqltext.Quote(name) }

// Conn is a connection or a pool of them.
type Conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DropDatabase drops a database and ends what is still connected to it. One that is not there is no error. Nobody may
// be about to make it but a program that has ended meanwhile, whose server process goes on: that is ended first.
func DropDatabase(ctx context.Context, conn Conn, name string) error {
	if err := endCreation(ctx, conn, name); err != nil {
		return fmt.Errorf("stratum: dropping database %q: %w", name, err)
	}
	_, err := conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+sqltext.Quote(name)+" WITH (FORCE)")
	if err != nil {
		return fmt.Errorf("stratum: dropping database %q: %w", name, err)
	}
	return nil
}

// endCreation ends statements that are still making the database, and waits until they are gone.
func endCreation(ctx context.Context, conn Conn, name string) error {
	const query = `SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
		WHERE usename = current_user AND pid <> pg_catalog.pg_backend_pid() AND state <> 'idle'
			AND pg_catalog.starts_with(query, $1)`
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		var left int
		err := conn.QueryRowContext(ctx, query, createText(name)+" TEMPLATE").Scan(&left)
		if err != nil || left == 0 {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

const (
	codeDuplicateDatabase = "42P04"
	codeUnique            = "23505"
	codePrivilege         = "42501"
)

func hasCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}
