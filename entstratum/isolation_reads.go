package entstratum

import (
	"context"
	stdsql "database/sql"
	"fmt"
	"reflect"
	"slices"

	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

type runFunc = func(context.Context, isolation.Attempt) ([]string, error)

// is is the condition on the primary key of a row.
func (s *isolated) is(row isolation.Row) func(*sql.Selector) {
	return isKey(s.facts.Primary, s.keyValues(row))
}

func (s *isolated) keyValues(row isolation.Row) []any {
	key := make([]any, len(s.entity.key))
	for i, n := range s.entity.key {
		key[i] = rowOf(row).entity.Elem().Field(n).Interface()
	}
	return key
}

// query is a query for the row aimed at.
func (s *isolated) query(a isolation.Attempt) reflect.Value {
	return where(call(s.own(), "Query"), s.is(a.Target))
}

// all are the keys of what a query of the entity returns.
func (s *isolated) all(ctx context.Context, query reflect.Value) ([]string, error) {
	rows, err := run(query, "All", ctx)
	return s.entity.keysOf(rows), err
}

// reads are what ent offers to read an entity with.
func (s *isolated) reads() []isolation.Path {
	all := func(narrow func(reflect.Value, isolation.Attempt) reflect.Value) runFunc {
		return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.all(ctx, narrow(call(s.own(), "Query"), a))
		}
	}
	by := func(condition func(*sql.Selector, isolation.Attempt) *sql.Predicate) runFunc {
		return all(func(q reflect.Value, a isolation.Attempt) reflect.Value {
			return where(q, func(selector *sql.Selector) { selector.Where(condition(selector, a)) })
		})
	}
	paths := []isolation.Path{
		s.get(),
		{Name: "All by primary key", Run: all(func(q reflect.Value, a isolation.Attempt) reflect.Value {
			return where(q, s.is(a.Target))
		})},
		{Name: "All of everything", Run: all(func(q reflect.Value, _ isolation.Attempt) reflect.Value { return q })},
		{Name: "All behind a widening Or", Run: by(func(q *sql.Selector, a isolation.Attempt) *sql.Predicate {
			return sql.Or(keyPredicate(q, s.facts.Primary, s.keyValues(a.Own)), sql.ExprP("1 = 1"))
		})},
		{Name: "All behind a raw condition", Run: by(func(*sql.Selector, isolation.Attempt) *sql.Predicate {
			return sql.ExprP("1 = 0\nOR\t1 = 1")
		})},
		{Name: "All with a sub-query", Run: by(func(q *sql.Selector, a isolation.Attempt) *sql.Predicate {
			first := s.facts.Primary[0]
			t := sql.Table(s.entity.table.Name).Schema(s.entity.table.Schema)
			inner := sql.Select(t.C(first)).From(t)
			return sql.In(q.C(first), inner.Where(keyPredicate(inner, s.facts.Primary, s.keyValues(a.Target))))
		})},
		{Name: "All without the other conditions", Run: all(func(q reflect.Value, _ isolation.Attempt) reflect.Value {
			return where(q, func(selector *sql.Selector) { selector.SetP(nil) })
		})},
		{Name: "All of a query that its tenant has run", Run: s.runBefore},
		{Name: "First", Run: s.one("First")},
		{Name: "Only", Run: s.one("Only")},
		{Name: "Count", Run: s.told("Count")},
		{Name: "Exist", Run: s.told("Exist")},
		{Name: "Aggregate", Run: s.aggregate},
		{Name: "Select and Scan", Run: s.selected("Select")},
		{Name: "GroupBy and Scan", Run: s.selected("GroupBy")},
		{Name: "All in a transaction", Run: s.inTransaction},
		{Name: "All by the transaction's client", Run: s.byClientOfTransaction},
		{Name: "Debug", Skipped: "it would log all statements, and sends them by the same driver"},
	}
	return slices.Concat(paths, s.idReads(), s.featureReads())
}

func (s *isolated) get() isolation.Path {
	path := isolation.Path{Name: "Get"}
	if !has(s.own(), "Get") {
		path.Skipped = noID
		return path
	}
	path.Run = func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		return s.found(run(s.own(), "Get", ctx, s.keyValues(a.Target)[0]))
	}
	return path
}

// noID is why paths by a single id are not tried.
const noID = "ent generates it for entities with a single id"

// found is the key of one row.
func (s *isolated) found(v reflect.Value, err error) ([]string, error) {
	if err != nil || !v.IsValid() || v.IsNil() {
		return nil, err
	}
	return []string{s.entity.keyOf(v)}, nil
}

func (s *isolated) one(method string) runFunc {
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		return s.found(run(s.query(a), method, ctx))
	}
}

// told sees a row by a number, or by whether there is one.
func (s *isolated) told(method string) runFunc {
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		v, err := run(s.query(a), method, ctx)
		return whether(a, v, err)
	}
}

func whether(a isolation.Attempt, v reflect.Value, err error) ([]string, error) {
	if err != nil || v.IsZero() {
		return nil, err
	}
	return []string{a.Target.Keys[""]}, nil
}

func (s *isolated) aggregate(ctx context.Context, a isolation.Attempt) ([]string, error) {
	count := func(selector *sql.Selector) string { return sql.Count(selector.C(s.facts.Primary[0])) }
	v, err := run(call(s.query(a), "Aggregate", count), "Int", ctx)
	return whether(a, v, err)
}

// selected reads the columns of the primary key alone.
func (s *isolated) selected(method string) runFunc {
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		fields := make([]reflect.StructField, len(s.entity.key))
		columns := make([]any, len(fields))
		for i, n := range s.entity.key {
			columns[i] = s.facts.Primary[i]
			fields[i] = reflect.StructField{
				Name: fmt.Sprintf("Key%d", i), Type: s.entity.typ.Field(n).Type,
				Tag: reflect.StructTag(fmt.Sprintf("sql:%q", s.facts.Primary[i])),
			}
		}
		rows := reflect.New(reflect.SliceOf(reflect.StructOf(fields)))
		err := exec(call(s.query(a), method, columns...), "Scan", ctx, rows)
		keys := make([]string, rows.Elem().Len())
		for i := range keys {
			v := reflect.New(s.entity.typ)
			for j, n := range s.entity.key {
				v.Elem().Field(n).Set(rows.Elem().Index(i).Field(j))
			}
			keys[i] = s.entity.keyOf(v)
		}
		return keys, err
	}
}

// runBefore runs a query again that was built, and run, for the tenant of the row.
func (s *isolated) runBefore(ctx context.Context, a isolation.Attempt) ([]string, error) {
	query := s.query(a)
	if _, err := run(query, "All", s.asTarget(ctx, a)); err != nil {
		return nil, fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
	}
	return s.all(ctx, query)
}

// withTx takes a path in a transaction of the client, which is left to be rolled back unless fn commits it.
func (s *isolated) withTx(ctx context.Context, fn func(tx reflect.Value) ([]string, error)) ([]string, error) {
	tx, err := run(s.client, "Tx", ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = exec(tx, "Rollback") }() // after Commit it has nothing to do
	return fn(tx)
}

func (s *isolated) inTransaction(ctx context.Context, a isolation.Attempt) ([]string, error) {
	return s.withTx(ctx, func(tx reflect.Value) ([]string, error) {
		keys, err := s.all(ctx, where(call(s.on(tx, s.entity), "Query"), s.is(a.Target)))
		if err != nil {
			return keys, err
		}
		return keys, exec(tx, "Commit")
	})
}

func (s *isolated) byClientOfTransaction(ctx context.Context, a isolation.Attempt) ([]string, error) {
	return s.withTx(ctx, func(tx reflect.Value) ([]string, error) {
		return s.all(ctx, where(call(s.on(call(tx, "Client"), s.entity), "Query"), s.is(a.Target)))
	})
}

// idReads are those of entities with a single id.
func (s *isolated) idReads() []isolation.Path {
	paths := []isolation.Path{
		{Name: "IDs", Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			ids, err := run(s.query(a), "IDs", ctx)
			keys := make([]string, ids.Len())
			for i := range keys {
				keys[i] = s.keyOfID(ids.Index(i))
			}
			return keys, err
		}},
		{Name: "FirstID", Run: s.oneID("FirstID")},
		{Name: "OnlyID", Run: s.oneID("OnlyID")},
		{Name: "UpdateOneID without changes", Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			// Rolled back, for there may be a field that changes by itself.
			return s.withTx(ctx, func(tx reflect.Value) ([]string, error) {
				update := call(s.on(tx, s.entity), "UpdateOneID", s.keyValues(a.Target)[0])
				return s.found(run(update, "Save", ctx))
			})
		}},
	}
	if !has(s.own(), "Get") {
		for i := range paths {
			paths[i].Skipped = noID
		}
	}
	return paths
}

func (s *isolated) oneID(method string) runFunc {
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		id, err := run(s.query(a), method, ctx)
		if err != nil {
			return nil, err
		}
		return []string{s.keyOfID(id)}, nil
	}
}

func (s *isolated) keyOfID(id reflect.Value) string {
	v := reflect.New(s.entity.typ)
	v.Elem().Field(s.entity.key[0]).Set(id)
	return s.entity.keyOf(v)
}

// featureReads are those that ent generates with a feature.
func (s *isolated) featureReads() []isolation.Path {
	query := call(s.own(), "Query")
	feature := func(name, method, feature string, v reflect.Value, fn runFunc) isolation.Path {
		path := isolation.Path{Name: name, Run: fn}
		if !has(v, method) {
			path.Skipped = "the feature " + feature + " is off"
		}
		return path
	}
	return []isolation.Path{
		feature("All with ForUpdate", "ForUpdate", "sql/lock", query, func(
			ctx context.Context, a isolation.Attempt,
		) ([]string, error) {
			return s.all(ctx, call(s.query(a), "ForUpdate"))
		}),
		feature("All with a modifier that drops conditions", "Modify", "sql/modifier", query, func(
			ctx context.Context, a isolation.Attempt,
		) ([]string, error) {
			q := s.query(a)
			call(q, "Modify", func(selector *sql.Selector) { selector.SetP(sql.ExprP("1 = 1")) })
			return s.all(ctx, q)
		}),
		feature("QueryContext", "QueryContext", "sql/execquery", s.client, func(
			ctx context.Context, a isolation.Attempt,
		) ([]string, error) {
			text, args := s.sql.Select(a.Target)
			v, err := run(s.client, "QueryContext", append([]any{ctx, text}, args...)...)
			rows, _ := v.Interface().(*stdsql.Rows)
			return s.sql.Selected(rows, err)
		}),
	}
}
