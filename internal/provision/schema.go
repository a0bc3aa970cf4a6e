package provision

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Schema is a tenant's own schema as it is wanted.
type Schema struct {
	// Name is that of the schema.
	Name string
	// Label is the tenant's.
	Label string
	// Roles are the roles that statements run as.
	Roles install.Roles
}

// schemaComment is how a schema says that it is Stratum's.
const schemaComment = "stratum: a tenant's own schema"

// Make makes the schema and its tables, or what is missing of them, and looks that they are as they must be. All of it
// is in the transaction: after a crash there is either everything or nothing.
func (s Schema) Make(ctx context.Context, tx *sql.Tx, blueprint Blueprint) error {
	wanted, err := s.Shape(ctx, tx, blueprint.Model)
	if err != nil {
		return err
	}
	made, err := s.claim(ctx, tx)
	if err != nil {
		return err
	}
	if err := setPath(ctx, tx); err != nil {
		return err
	}
	statements := shape.Create(wanted)
	if !made {
		have, err := shape.Read(ctx, tx, s.Name, wanted.Names())
		if err != nil {
			return err
		}
		statements = shape.Statements(harmless(shape.Diff(have, wanted)))
	}
	if len(statements) > 0 {
		if _, err := tx.ExecContext(ctx, strings.Join(statements, ";\n")); err != nil {
			return fmt.Errorf("stratum: making the tables of schema %q: %w", s.Name, err)
		}
	}
	if err := s.verify(ctx, tx, wanted); err != nil {
		return err
	}
	return blueprint.Note(ctx, tx, s.Name)
}

// Shape is what the schema's tables must look like.
func (s Schema) Shape(ctx context.Context, tx *sql.Tx, model shape.Model) (shape.Shape, error) {
	r, err := residence(ctx, tx, s.Roles, Number(s.Label))
	if err != nil {
		return shape.Shape{}, err
	}
	r.Schema = s.Name
	return model.InSchema(r)
}

// residence is where the tables of a tenant, or a placement, of this number are: the login of tx owns them.
func residence(ctx context.Context, tx *sql.Tx, roles install.Roles, number int64) (shape.Residence, error) {
	var owner string
	if err := tx.QueryRowContext(ctx, "SELECT current_user").Scan(&owner); err != nil {
		return shape.Residence{}, fmt.Errorf("stratum: looking for the owner: %w", err)
	}
	return residenceOf(roles, number, owner), nil
}

func residenceOf(roles install.Roles, number int64, owner string) shape.Residence {
	return shape.Residence{
		Keys: Keys(number), Owner: owner,
		Roles: shape.Roles{
			Tenant: roles.Tenant, Subtree: roles.Subtree, System: roles.System, Schema: roles.Schema,
		},
	}
}

// claim makes the schema, or finds that it is Stratum's already. It reports whether it was made now.
func (s Schema) claim(ctx context.Context, tx *sql.Tx) (made bool, err error) {
	var comment sql.NullString
	err = tx.QueryRowContext(ctx, `SELECT pg_catalog.obj_description(n.oid, 'pg_namespace')
		FROM pg_catalog.pg_namespace n WHERE n.nspname = $1`, s.Name).Scan(&comment)
	switch {
	case err == nil && comment.String == schemaComment:
		return false, nil
	case err == nil:
		return false, fmt.Errorf("%w: schema %q (rename or drop it)", ErrForeign, s.Name)
	case !isNoRows(err):
		return false, fmt.Errorf("stratum: looking for schema %q: %w", s.Name, err)
	}
	if _, err = tx.ExecContext(ctx, s.createText()); err != nil {
		return false, fmt.Errorf("stratum: making schema %q: %w", s.Name, err)
	}
	return true, nil
}

// createText makes the schema, says whose it is, and lets those in who work there.
func (s Schema) createText() string {
	name := sqltext.Quote(s.Name)
	return "CREATE SCHEMA " + name + "; COMMENT ON SCHEMA " + name + " IS " + sqltext.Literal(schemaComment) +
		"; GRANT USAGE ON SCHEMA " + name + " TO " + sqltext.QuoteEach([]string{s.Roles.Schema, s.Roles.System})
}

// verify reads what there is and compares.
func (s Schema) verify(ctx context.Context, tx *sql.Tx, wanted shape.Shape) error {
	have, err := shape.Read(ctx, tx, s.Name, wanted.Names())
	if err != nil {
		return err
	}
	return unverified(shape.Diff(have, wanted))
}

// unverified is the error for what still differs.
func unverified(changes []shape.Change) error {
	if len(changes) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s (%d differences; see Fleet.Drift)", ErrUnverified, changes[0], len(changes))
}

// harmless leaves out what would lose data: that is for somebody to decide.
func harmless(changes []shape.Change) []shape.Change {
	kept := changes[:0:0]
	for _, c := range changes {
		if !c.Destructive {
			kept = append(kept, c)
		}
	}
	return kept
}

// setPath lasts until the transaction ends. The owner sees all rows meanwhile, so that what is validated is validated.
func setPath(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, pathText()); err != nil {
		return fmt.Errorf("stratum: setting the search_path: %w", err)
	}
	return nil
}

// Drop drops the schema with everything in it. One that is not there is no error.
func (s Schema) Drop(ctx context.Context, tx *sql.Tx) error {
	var comment sql.NullString
	err := tx.QueryRowContext(ctx, `SELECT pg_catalog.obj_description(n.oid, 'pg_namespace')
		FROM pg_catalog.pg_namespace n WHERE n.nspname = $1`, s.Name).Scan(&comment)
	switch {
	case isNoRows(err):
		return nil
	case err != nil:
		return fmt.Errorf("stratum: looking for schema %q: %w", s.Name, err)
	case comment.String != schemaComment:
		return fmt.Errorf("%w: schema %q (it is left alone)", ErrForeign, s.Name)
	}
	if _, err := tx.ExecContext(ctx, "DROP SCHEMA "+sqltext.Quote(s.Name)+" CASCADE"); err != nil {
		return fmt.Errorf("stratum: dropping schema %q: %w", s.Name, err)
	}
	return nil
}
