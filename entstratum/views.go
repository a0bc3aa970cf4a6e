package entstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// viewSQL finds a view by its name, in the schema given or on the search_path, and whether it checks policies as
// whoever asks it.
const viewSQL = `SELECT c.relkind::text, coalesce((
        SELECT o.option_value::boolean FROM pg_catalog.pg_options_to_table(c.reloptions) o
        WHERE o.option_name = 'security_invoker'), false)
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)`

// makeViews makes the views that are not there and that their schemas define. ent's own migration makes none.
func (m *migration) makeViews(ctx context.Context, tx *sql.Tx, drv *ownerDriver) error {
	for _, t := range m.registry.Tables {
		if t.Class != ClassView || t.View == "" {
			continue
		}
		var kind string
		var invoker bool
		err := tx.QueryRowContext(ctx, viewSQL, t.quoted()).Scan(&kind, &invoker)
		if err == nil {
			continue // what becomes of it is for whoever changes its definition
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("entstratum: looking at view %s: %w", t.quoted(), err)
		}
		statement := "CREATE VIEW " + t.quoted() + " WITH (security_invoker = true) AS " + t.View
		if err := drv.Exec(ctx, statement, []any{}, nil); err != nil {
			return fmt.Errorf("entstratum: making view %s: %w", t.quoted(), err)
		}
	}
	return nil
}

// checkViews refuses a view that is missing, or that shows the rows of all tenants.
func (m *migration) checkViews(ctx context.Context, tx *sql.Tx) error {
	for _, t := range m.registry.Tables {
		if t.Class != ClassView {
			continue
		}
		if err := checkView(ctx, tx, t.quoted()); err != nil {
			return err
		}
	}
	return nil
}

func checkView(ctx context.Context, tx *sql.Tx, name string) error {
	var kind string
	var invoker bool
	err := tx.QueryRowContext(ctx, viewSQL, name).Scan(&kind, &invoker)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: view %s does not exist (define it in its schema with entsql.View, or let client.Schema."+
			"Create make its tables and create it WITH (security_invoker = true))", ErrView, name)
	case err != nil:
		return fmt.Errorf("entstratum: looking at view %s: %w", name, err)
	case kind != "v" && kind != "m":
		return fmt.Errorf("%w: %s is no view (declare it as a table)", ErrView, name)
	case kind == "m":
		return fmt.Errorf("%w: %s is a materialized view, which has no policies (make it a view)", ErrView, name)
	case !invoker:
		return fmt.Errorf("%w: %s checks policies as its owner (ALTER VIEW %s SET (security_invoker = true))",
			ErrView, name, name)
	}
	return nil
}
