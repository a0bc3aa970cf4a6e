package entstratum

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// asTarget is the context of the tenant whose row is aimed at.
func (s *isolated) asTarget(ctx context.Context, a isolation.Attempt) context.Context {
	id, _ := uuid.Parse(rowOf(a.Target).values[s.entity.table.Column]) // of the database
	return core.WithTenant(ctx, id)
}

func writing(name string, fn func(context.Context, isolation.Attempt) error) isolation.Path {
	return isolation.Path{
		Name: name, Effect: isolation.Writes,
		Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) { return nil, fn(ctx, a) },
	}
}

// unless says why paths are not tried, where they cannot be.
func unless(possible bool, reason string, paths ...isolation.Path) []isolation.Path {
	for i := range paths {
		if !possible {
			paths[i].Skipped = reason
		}
	}
	return paths
}

func (s *isolated) writes() []isolation.Path {
	hasID := has(s.own(), "DeleteOneID")
	tenant := func(a isolation.Attempt) isolation.Values {
		column := s.entity.table.Column
		return isolation.Values{column: rowOf(a.Target).values[column]}
	}
	return slices.Concat([]isolation.Path{
		writing("Create", func(ctx context.Context, _ isolation.Attempt) error {
			return s.create(ctx, nil, one)
		}),
		writing("Create with the tenant's id", func(ctx context.Context, a isolation.Attempt) error {
			return s.create(ctx, tenant(a), one)
		}),
		writing("CreateBulk with the tenant's id", func(ctx context.Context, a isolation.Attempt) error {
			return s.create(ctx, tenant(a), s.bulk)
		}),
		writing("MapCreateBulk with the tenant's id", func(ctx context.Context, a isolation.Attempt) error {
			return s.mapCreate(ctx, tenant(a))
		}),
	}, unless(hasID, noID,
		writing("DeleteOneID", func(ctx context.Context, a isolation.Attempt) error {
			return exec(call(s.own(), "DeleteOneID", s.keyValues(a.Target)[0]), "Exec", ctx)
		}),
		writing("DeleteOne", func(ctx context.Context, a isolation.Attempt) error {
			return exec(call(s.own(), "DeleteOne", rowOf(a.Target).entity), "Exec", ctx)
		}),
	), []isolation.Path{
		writing("Delete by primary key", func(ctx context.Context, a isolation.Attempt) error {
			return exec(where(call(s.own(), "Delete"), s.is(a.Target)), "Exec", ctx)
		}),
		writing("Delete behind a widening Or", func(ctx context.Context, a isolation.Attempt) error {
			return exec(where(call(s.own(), "Delete"), s.orTarget(a)), "Exec", ctx)
		}),
		writing("Delete in a transaction", func(ctx context.Context, a isolation.Attempt) error {
			_, err := s.withTx(ctx, func(tx reflect.Value) ([]string, error) {
				if err := exec(where(call(s.on(tx, s.entity), "Delete"), s.is(a.Target)), "Exec", ctx); err != nil {
					return nil, err
				}
				return nil, exec(tx, "Commit")
			})
			return err
		}),
	}, unless(has(s.client, "ExecContext"), "the feature sql/execquery is off",
		writing("ExecContext", func(ctx context.Context, a isolation.Attempt) error {
			text, args := s.sql.Delete(a.Target)
			return exec(s.client, "ExecContext", append([]any{ctx, text}, args...)...)
		}),
	), s.updates())
}

// orTarget is a condition that an AND behind it would not narrow.
func (s *isolated) orTarget(a isolation.Attempt) func(*sql.Selector) {
	return func(selector *sql.Selector) {
		selector.Where(sql.Or(sql.ExprP("1 = 0"), keyPredicate(selector, s.facts.Primary, s.keyValues(a.Target))))
	}
}

// one takes a create builder as it is.
func one(v reflect.Value) reflect.Value { return v }

func (s *isolated) bulk(v reflect.Value) reflect.Value { return call(s.own(), "CreateBulk", v) }

// create makes a new row of the caller's with ent. preset are values that it has.
func (s *isolated) create(
	ctx context.Context, preset isolation.Values, form func(builder reflect.Value) reflect.Value,
) error {
	builder, err := s.builder(ctx, preset)
	if err != nil {
		return err
	}
	return exec(form(builder), "Exec", ctx)
}

// builder is a create builder with all that a row needs. What it refers to is the caller's.
func (s *isolated) builder(ctx context.Context, preset isolation.Values) (reflect.Value, error) {
	values, err := s.sql.Fill(ctx, preset)
	if err != nil {
		return reflect.Value{}, err
	}
	builder := call(s.own(), "Create")
	return builder, s.setAll(builder, values)
}

func (s *isolated) setAll(builder reflect.Value, values isolation.Values) error {
	for column, text := range values {
		if err := s.set(builder, column, text); err != nil {
			return fmt.Errorf("%w: %s: %w", isolation.ErrPrepare, column, err)
		}
	}
	return nil
}

// mapCreate makes a new row with a function that ent calls for each element of a slice.
func (s *isolated) mapCreate(ctx context.Context, preset isolation.Values) error {
	values, err := s.sql.Fill(ctx, preset)
	if err != nil {
		return err
	}
	t := parameter(s.own().MethodByName("MapCreateBulk").Type(), 1)
	fill := reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
		err = s.setAll(args[0], values)
		return nil
	})
	builder := call(s.own(), "MapCreateBulk", []isolation.Values{values}, fill)
	if err != nil {
		return err
	}
	return exec(builder, "Exec", ctx)
}

// set gives a column its value in a create or update builder: by the field, or for a foreign key without one by the
// edge.
func (s *isolated) set(builder reflect.Value, column, text string) error {
	setters := []string{s.setter(column)}
	if setters[0] == "" {
		setters = s.edgeSetters(column)
	}
	for _, name := range setters {
		setter := builder.MethodByName(name)
		if !setter.IsValid() {
			return fmt.Errorf("ent has no %s", name)
		}
		value, err := valueFrom(text, setter.Type().In(0))
		if err != nil {
			return err
		}
		setter.Call([]reflect.Value{value})
	}
	return nil
}

// setter is the name of a field's setter, or "".
func (s *isolated) setter(column string) string {
	i := s.entity.fieldOf(column)
	if len(s.facts.Primary) == 1 && s.facts.Primary[0] == column {
		i = s.entity.key[0]
	}
	if i < 0 {
		return ""
	}
	return "Set" + s.entity.typ.Field(i).Name
}

// edgeSetters are the setters of edges that a column without a field may be the foreign key of.
func (s *isolated) edgeSetters(column string) []string {
	var names []string
	for _, r := range s.facts.References {
		for _, e := range s.edges {
			if slices.Contains(r.Columns, column) && !e.list && s.rows.Referred(r) == e.to.entry {
				names = append(names, "Set"+e.name+"ID")
			}
		}
	}
	return names
}

// changeable is a column that ent writes to, or "".
func (s *isolated) changeable() string {
	updates := call(s.own(), "Update")
	return s.sql.Changeable(func(column string) bool {
		setter := s.setter(column)
		return setter != "" && has(updates, setter)
	})
}

func (s *isolated) updates() []isolation.Path {
	column := s.changeable()
	change := func(ctx context.Context, a isolation.Attempt, builder reflect.Value) (reflect.Value, error) {
		if err := s.set(builder, column, s.sql.Changed(column, a.Target)); err != nil {
			return builder, fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
		}
		return run(builder, "Save", ctx)
	}
	update := func(name string, fn runFunc) isolation.Path {
		return isolation.Path{Name: name, Effect: isolation.Writes, Run: fn}
	}
	return unless(column != "", isolation.NoColumn, append(
		unless(has(s.own(), "UpdateOneID"), noID, update("UpdateOneID", func(
			ctx context.Context, a isolation.Attempt,
		) ([]string, error) {
			return s.found(change(ctx, a, call(s.own(), "UpdateOneID", s.keyValues(a.Target)[0])))
		})),
		update("UpdateOne", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.found(change(ctx, a, call(s.own(), "UpdateOne", rowOf(a.Target).entity)))
		}),
		update("UpdateOne in a transaction", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.withTx(ctx, func(tx reflect.Value) ([]string, error) {
				keys, err := s.found(change(ctx, a, call(s.on(tx, s.entity), "UpdateOne", rowOf(a.Target).entity)))
				if err != nil {
					return keys, err
				}
				return keys, exec(tx, "Commit")
			})
		}),
		update("Update by primary key", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			_, err := change(ctx, a, where(call(s.own(), "Update"), s.is(a.Target)))
			return nil, err
		}),
		update("Update behind a widening Or", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			_, err := change(ctx, a, where(call(s.own(), "Update"), s.orTarget(a)))
			return nil, err
		}),
	)...)
}

// upserts name the primary key and each unique key in an ON CONFLICT, for a row that the target's values collide with.
func (s *isolated) upserts() []isolation.Path {
	create := call(s.own(), "Create")
	if !has(create, "OnConflictColumns") {
		return []isolation.Path{{Name: "upsert", Skipped: "the feature sql/upsert is off"}}
	}
	column := s.changeable()
	settable := !slices.ContainsFunc(s.facts.Primary, func(name string) bool { return !has(create, s.setter(name)) })
	paths := unless(settable, "ent does not set the primary key",
		s.upsertsOn("the primary key", s.facts.Primary, column)...)
	for _, u := range s.facts.Uniques {
		if s.sql.HasPrimary(u.Columns) {
			continue
		}
		upserts := unless(s.sql.Shareable(u) != nil, "it has references or expressions, or is partial",
			s.upsertsOn(u.Name, s.conflictColumns(u), column)...)
		paths = append(paths, unless(!slices.Contains(u.Columns, column), isolation.NoColumn, upserts...)...)
	}
	return unless(column != "", isolation.NoColumn, paths...)
}

// conflictColumns are what the application names in an ON CONFLICT: without the tenant's column, where it is Stratum
// that has put it into the key.
func (s *isolated) conflictColumns(u isolation.Unique) []string {
	if columns := s.sql.Shareable(u); s.registry.uniquePerTenant(s.entity.table.Name, columns) {
		return columns
	}
	return u.Columns
}

func (s *isolated) upsertsOn(key string, columns []string, change string) []isolation.Path {
	type attempt = func(context.Context, isolation.Attempt) error
	upsert := func(form func(reflect.Value) reflect.Value, update string) attempt {
		return func(ctx context.Context, a isolation.Attempt) error {
			preset := isolation.Values{change: s.sql.Changed(change, a.Target)}
			names := make([]any, len(columns))
			for i, name := range columns {
				names[i], preset[name] = name, rowOf(a.Target).values[name]
			}
			delete(preset, s.entity.table.Column) // the new row is the caller's
			builder, err := s.builder(ctx, preset)
			if err != nil {
				return err
			}
			return exec(call(call(form(builder), "OnConflictColumns", names...), update), "Exec", ctx)
		}
	}
	update := "Update" + strings.TrimPrefix(s.setter(change), "Set")
	return []isolation.Path{
		writing("upsert on "+key, upsert(one, update)),
		writing("upsert on "+key+" with UpdateNewValues", upsert(one, "UpdateNewValues")),
		writing("upsert in bulk on "+key, upsert(s.bulk, update)),
	}
}
