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

// Maker makes many schemas that nobody has begun to make, with a message for each, and looks at them together.
type Maker struct {
	blueprint Blueprint
	roles     install.Roles
	owner     string
}

// NewMaker makes a Maker for schemas that the login owner is to own.
func NewMaker(b Blueprint, roles install.Roles, owner string) *Maker {
	return &Maker{blueprint: b, roles: roles, owner: owner}
}

// Make makes a schema. One that is there is refused by the server: see Schema.Make. What came of it is for Verify to say.
func (m *Maker) Make(ctx context.Context, tx *sql.Tx, s Schema) error {
	wanted, err := m.shape(s)
	if err != nil {
		return err
	}
	statements := append([]string{s.createText(), pathText()}, shape.Create(wanted)...)
	notes, err := m.blueprint.note(s.Name)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, strings.Join(append(statements, notes...), ";\n")); err != nil {
		return fmt.Errorf("stratum: making schema %q: %w", s.Name, err)
	}
	return nil
}

// Verify reads the schemas and looks that they are as they must be.
func (m *Maker) Verify(ctx context.Context, tx *sql.Tx, schemas []Schema) error {
	list := make([]string, len(schemas))
	for i, s := range schemas {
		list[i] = s.Name
	}
	first, err := m.shape(schemas[0])
	if err != nil {
		return err
	}
	have, err := shape.ReadMany(ctx, tx, list, names(first))
	if err != nil {
		return err
	}
	for _, s := range schemas {
		wanted, err := m.shape(s)
		if err != nil {
			return err
		}
		if err := unverified(shape.Diff(have[s.Name], wanted)); err != nil {
			return err
		}
	}
	return nil
}

func (m *Maker) shape(s Schema) (shape.Shape, error) {
	r := residenceOf(m.roles, Number(s.Label), m.owner)
	r.Schema = s.Name
	return m.blueprint.Model.InSchema(r)
}

// pathText sets what setPath does.
func pathText() string {
	return "SELECT pg_catalog.set_config('search_path', " + sqltext.Literal(shape.SearchPath) +
		", true), pg_catalog.set_config('stratum.owner', 'migrate', true)"
}
