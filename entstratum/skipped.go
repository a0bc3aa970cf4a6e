package entstratum

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/dialect/sql/sqlgraph"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// settle looks at what an ON CONFLICT has skipped, once the statement is through: nothing that is not there because of
// another tenant may pass for success. Other errors are left as they are.
func (m *Mutation) settle(ctx context.Context, err error) error {
	if m.check == nil || err != nil && !errors.Is(err, stdsql.ErrNoRows) {
		return nil
	}
	if err != nil {
		ctx = context.WithValue(ctx, skippedKey{}, true)
	}
	return m.check(ctx)
}

// skippedKey marks the context of a check after a statement that has returned no row.
type skippedKey struct{}

// explain returns a check that each of the rows is there, under its tenant: the new one, or one with the same value in
// a key that made ON CONFLICT skip it. told says that ent itself returns sql.ErrNoRows for a row that was skipped, so
// that nothing is to be asked where it did not.
func (u *upsert) explain(rows func() []values, told bool) func(context.Context) error {
	return func(ctx context.Context) error {
		if skipped := ctx.Value(skippedKey{}) != nil; told && !skipped {
			return nil
		}
		unexplained, err := u.anyMissing(ctx, rows())
		switch {
		case err != nil:
			return err
		case !unexplained:
			return nil
		case u.scope.Kind == scope.System:
			return fmt.Errorf("entstratum: ON CONFLICT met a row of another tenant than the new row's (give it "+
				"another key, or update the row by a statement of its own): %w", core.ErrCrossTenant)
		}
		return fmt.Errorf("entstratum: ON CONFLICT DO NOTHING skipped a row whose key is taken, though not by a "+
			"row of this tenant (give it another key): %w", core.ErrDuplicateKey)
	}
}

// anyMissing asks the database, in one statement, whether a row is not there under its tenant.
func (u *upsert) anyMissing(ctx context.Context, rows []values) (bool, error) {
	keys := u.keys()
	builder := sql.Dialect(dialect.Postgres)
	var missing []*sql.Predicate
	for _, r := range rows {
		var same []*sql.Predicate
		for _, key := range keys {
			if p, ok := u.same(r, key); ok {
				same = append(same, p)
			}
		}
		if len(same) == 0 {
			continue // it has no key that could be taken
		}
		own := sql.IsNull(u.table.Column)
		if tenant := r[u.table.Column]; tenant != nil {
			own = sql.EQ(u.table.Column, tenant)
		}
		table := builder.Table(u.table.Name).Schema(u.table.Schema)
		missing = append(missing, sql.NotExists(builder.Select().From(table).Where(sql.And(own, sql.Or(same...)))))
	}
	if len(missing) == 0 {
		return false, nil
	}
	query, args := builder.SelectExpr(sql.Or(missing...)).Query()
	found := &sql.Rows{}
	if err := u.driver.Query(ctx, query, args, found); err != nil {
		return false, fmt.Errorf("entstratum: looking at what ON CONFLICT has skipped: %w", err)
	}
	defer func() { _ = found.Close() }() // reading it tells more
	return sql.ScanBool(found)
}

// keys are the unique keys that can have made a row clash, without the tenant column.
func (u *upsert) keys() [][]string {
	at := slices.IndexFunc(u.registry.wanted, func(t *schema.Table) bool { return t.Name == u.table.Name })
	if at < 0 {
		return nil
	}
	t := u.registry.wanted[at]
	primary := columnNames(t.PrimaryKey)
	keys := [][]string{primary}
	if slices.Equal(slices.Sorted(slices.Values(u.conflict.columns)), slices.Sorted(slices.Values(primary))) {
		return keys // a clash of any other key has been an error already
	}
	for _, index := range t.Indexes {
		if index.Unique {
			named := columnNames(index.Columns)
			keys = append(keys, slices.DeleteFunc(named, func(c string) bool { return c == u.table.Column }))
		}
	}
	return keys
}

// values are those of a new row, by column.
type values map[string]any

func valuesOf(spec *sqlgraph.CreateSpec) values {
	r := make(values, len(spec.Fields))
	for _, f := range spec.Fields {
		r[f.Column] = f.Value
	}
	for _, e := range spec.Edges {
		if owns := e.Rel == sqlgraph.M2O || e.Rel == sqlgraph.O2O && (e.Inverse || e.Bidi); owns {
			r[e.Columns[0]] = e.Target.Nodes[0]
		}
	}
	if spec.ID != nil && spec.ID.Value != nil {
		r[spec.ID.Column] = copied(spec.ID.Value)
	}
	return r
}

// copied returns what a pointer points to, or what is none.
func copied(v any) any {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		return p.Elem().Interface()
	}
	return v
}

// same is the condition that another row has the same values in a key. It reports false where the row has not all of
// them: a NULL is equal to nothing, and what the database makes is new.
func (u *upsert) same(r values, key []string) (*sql.Predicate, bool) {
	equal := make([]*sql.Predicate, 0, len(key))
	for _, column := range key {
		column, encrypted := u.table.valued(column)
		value, ok := r[column]
		if !ok || value == nil {
			return nil, false
		}
		if encrypted {
			value = ofTenant(r[u.table.Column], value)
		}
		equal = append(equal, sql.EQ(column, value))
	}
	return sql.And(equal...), len(equal) > 0
}
