package provision

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// ReadModel reads the shared tables of the registry's database, as they were declared by the last migration.
func ReadModel(ctx context.Context, tx *sql.Tx) (shape.Model, error) {
	model, err := readModel(ctx, tx)
	return capped(model), err
}

func readModel(ctx context.Context, tx *sql.Tx) (shape.Model, error) {
	specs, err := readSpecs(ctx, tx)
	if err != nil {
		return shape.Model{}, err
	}
	if len(specs) == 0 {
		return shape.Model{}, ErrNoModel
	}
	return shape.ReadModel(ctx, tx, specs)
}

func readSpecs(ctx context.Context, tx *sql.Tx) ([]shape.Spec, error) {
	rows, err := tx.QueryContext(ctx, `SELECT table_schema, table_name, class, coalesce(tenant_column, '')
		FROM stratum.tables WHERE class <> 'external' ORDER BY table_schema, table_name`)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the declared tables: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells
	var specs []shape.Spec
	for rows.Next() {
		var s shape.Spec
		if err := rows.Scan(&s.Schema, &s.Name, &s.Class, &s.TenantColumn); err != nil {
			return nil, fmt.Errorf("stratum: reading the declared tables: %w", err)
		}
		specs = append(specs, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("stratum: reading the declared tables: %w", err)
	}
	return specs, nil
}

// Model is ReadModel after it has kept the sequences of the shared tables in the range that is theirs. That is DDL,
// once.
func Model(ctx context.Context, tx *sql.Tx) (shape.Model, error) {
	model, err := readModel(ctx, tx)
	if err != nil {
		return model, err
	}
	for i := range model.Shape.Tables {
		if err := limit(ctx, tx, &model.Shape.Tables[i]); err != nil {
			return model, err
		}
	}
	return capped(model), nil
}

// capped is the model with the sequences in their range, whether they have been told or not.
func capped(model shape.Model) shape.Model {
	for _, t := range model.Shape.Tables {
		for i := range t.Sequences {
			if most, over := overrun(t, t.Sequences[i]); over {
				t.Sequences[i].Max = most
			}
		}
	}
	return model
}

// overrun returns the last number that a sequence of a shared table may give, and whether it could give more.
func overrun(t shape.Table, s shape.Sequence) (most int64, over bool) {
	most = bigHome
	if t.ColumnType(s.Column) == "integer" {
		most = intHome
	}
	return most, s.Max > most && s.Increment > 0
}

func limit(ctx context.Context, tx *sql.Tx, t *shape.Table) error {
	for _, s := range t.Sequences {
		most, over := overrun(*t, s)
		if !over {
			continue
		}
		name := sqltext.Quote(t.Schema, s.Name)
		var last int64
		if err := tx.QueryRowContext(ctx, "SELECT last_value FROM "+name).Scan(&last); err != nil {
			return fmt.Errorf("stratum: sequence %s: %w", name, err)
		}
		if last > most {
			return fmt.Errorf("%w: %s", ErrKeysSpent, name)
		}
		_, err := tx.ExecContext(ctx, "ALTER SEQUENCE "+name+" MAXVALUE "+strconv.FormatInt(most, 10))
		if err != nil {
			return fmt.Errorf("stratum: sequence %s: %w", name, err)
		}
	}
	return nil
}
