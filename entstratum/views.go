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

// settleViews makes the views that are not there and that their schemas define, which ent's own migration does not, and
// refuses one that is missing, or that shows the rows of all tenants.
func (m *migration) settleViews(ctx context.Context, tx *sql.Tx, drv *ownerDriver) error {
	for _, t := range m.registry.Tables {
		if t.Class != ClassView {
			continue
		}
		name := t.quoted()
		var kind string
		var invoker bool
		err := tx.QueryRowContext(ctx, viewSQL, name).Scan(&kind, &invoker)
		missing := errors.Is(err, sql.ErrNoRows)
		switch {
		case missing && t.View != "":
			statement := "CREATE VIEW " + name + " WITH (security_invoker = true) AS " + t.View
			if err := drv.Exec(ctx, statement, []any{}, nil); err != nil {
				return fmt.Errorf("entstratum: making view %s: %w", name, err)
			}
			continue
		case missing:
			return fmt.Errorf("%w: view %s does not exist (define it in its schema with entsql.View, or let "+
				"client.Schema.Create make its tables and create it WITH (security_invoker = true))", ErrView, name)
		case err != nil:
			return fmt.Errorf("entstratum: looking at view %s: %w", name, err)
		}
		if err := checkView(name, kind, invoker); err != nil {
			return err
		}
	}
	return nil
}

// checkView refuses what does not check policies as whoever asks it. What becomes of a view whose definition has
// changed is for whoever changes it.
func checkView(name, kind string, invoker bool) error {
	switch {
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
