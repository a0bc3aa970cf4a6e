package entstratum

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// entityEdge is an edge of the entity.
type entityEdge struct {
	name   string // as in the methods that ent generates
	to     *entity
	list   bool
	setter string // of updates, which links an entity; "" where ent generates none
}

// edgesOf are the edges of the entity: the fields that ent generates for what is loaded with it.
func (s *isolated) edgesOf() []entityEdge {
	loaded, ok := s.entity.typ.FieldByName("Edges")
	if !ok {
		return nil
	}
	update := reflect.New(s.entity.typ)
	var edges []entityEdge
	for i := range loaded.Type.NumField() {
		f := loaded.Type.Field(i)
		e := entityEdge{name: f.Name, setter: "Set" + f.Name}
		t := f.Type
		if t.Kind() == reflect.Slice {
			e.list, e.setter, t = true, "Add"+f.Name, t.Elem()
		}
		if !f.IsExported() || t.Kind() != reflect.Pointer {
			continue
		}
		if e.to = s.entities[t.Elem()]; e.to == nil {
			continue
		}
		if !has(call(s.own(), "UpdateOne", update), e.setter) {
			e.setter = ""
		}
		edges = append(edges, e)
	}
	return edges
}

// edgePaths take each edge of the entity.
func (s *isolated) edgePaths() []isolation.Path {
	paths := make([]isolation.Path, 0, 8*len(s.edges))
	for _, e := range s.edges {
		if e.to.table.Column == "" {
			const elsewhere = "it leads to no tenant-owned entity"
			paths = append(paths, isolation.Path{Name: "edge " + e.name, Skipped: elsewhere})
			continue
		}
		paths = append(paths, s.edgeReads(e)...)
		paths = append(paths, s.edgeWrites(e)...)
	}
	if len(paths) == 0 {
		return []isolation.Path{{Name: "edges", Skipped: "no edge"}}
	}
	return paths
}

func (s *isolated) edgeReads(e entityEdge) []isolation.Path {
	path := func(name string, fn runFunc) isolation.Path {
		return isolation.Path{Name: name, With: e.name, Sees: e.name, Run: fn}
	}
	to := func(ctx context.Context, query reflect.Value) ([]string, error) {
		rows, err := run(query, "All", ctx)
		return e.to.keysOf(rows), err
	}
	paths := []isolation.Path{
		path("Query"+e.name+" of the client", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return to(ctx, call(s.own(), "Query"+e.name, rowOf(a.Target).entity))
		}),
		path("Query"+e.name+" of the row itself", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return to(ctx, call(rowOf(a.Target).entity, "Query"+e.name))
		}),
		path("Query"+e.name+" of a query", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return to(ctx, call(s.query(a), "Query"+e.name))
		}),
		path("With"+e.name, func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.loaded(ctx, e, call(s.query(a), "With"+e.name), func(row reflect.Value) (reflect.Value, error) {
				return row.Elem().FieldByName("Edges").FieldByName(e.name), nil
			})
		}),
	}
	if named := "WithNamed" + e.name; has(call(s.own(), "Query"), named) {
		paths = append(paths, path(named, func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.loaded(ctx, e, call(s.query(a), named, "some"), func(row reflect.Value) (reflect.Value, error) {
				return run(row, "Named"+e.name, "some")
			})
		}))
	}
	return paths
}

// loaded are the keys of what an edge holds after a read of the entity.
func (s *isolated) loaded(
	ctx context.Context, e entityEdge, query reflect.Value, edge func(row reflect.Value) (reflect.Value, error),
) ([]string, error) {
	rows, err := run(query, "All", ctx)
	if err != nil {
		return nil, err
	}
	var keys []string
	for i := range rows.Len() {
		there, err := edge(rows.Index(i))
		switch {
		case err != nil:
			return keys, err
		case e.list:
			keys = append(keys, e.to.keysOf(there)...)
		case !there.IsNil():
			keys = append(keys, e.to.keyOf(there))
		}
	}
	return keys, nil
}

// edgeWrites link and unlink rows.
func (s *isolated) edgeWrites(e entityEdge) []isolation.Path {
	with := freePrefix + e.name
	link := func(name string, fn func(context.Context, isolation.Attempt) error) isolation.Path {
		return isolation.Path{
			Name: name, Effect: isolation.Links, With: with,
			Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) { return nil, fn(ctx, a) },
		}
	}
	update := func(row, other isolation.Row) reflect.Value {
		return call(call(s.own(), "UpdateOne", rowOf(row).entity), e.setter, rowOf(other).free)
	}
	paths := []isolation.Path{
		link(e.setter+" of the other tenant's", func(ctx context.Context, a isolation.Attempt) error {
			return exec(update(a.Own, a.Target), "Exec", ctx)
		}),
		link(e.setter+" of the caller's to the other tenant's", func(ctx context.Context, a isolation.Attempt) error {
			return exec(update(a.Target, a.Own), "Exec", ctx)
		}),
	}
	if e.setter == "" {
		const reason = "ent does not change the edge"
		return []isolation.Path{
			{Name: "link by edge " + e.name, Skipped: reason}, {Name: "unlink by edge " + e.name, Skipped: reason},
		}
	}
	reason := s.fixed(e)
	return append(unless(reason == "", reason, paths...), s.createLinked(e, link), s.unlink(e))
}

// createLinked makes a new row with the target's at the other end.
func (s *isolated) createLinked(
	e entityEdge, link func(string, func(context.Context, isolation.Attempt) error) isolation.Path,
) isolation.Path {
	name := "Create with " + e.setter + " of the other tenant's"
	path := link(name, func(ctx context.Context, a isolation.Attempt) error {
		builder, err := s.builder(ctx, nil)
		if err != nil {
			return err
		}
		if !has(builder, e.setter) {
			return fmt.Errorf("%w: ent has no %s", isolation.ErrPrepare, e.setter)
		}
		return exec(call(builder, e.setter, rowOf(a.Target).free), "Exec", ctx)
	})
	if s.needed(e) {
		path.Skipped = needed
	}
	return path
}

// unlink clears an edge of the target.
func (s *isolated) unlink(e entityEdge) isolation.Path {
	path := writing("Clear"+e.name, func(ctx context.Context, a isolation.Attempt) error {
		return exec(call(call(s.own(), "UpdateOne", rowOf(a.Target).entity), "Clear"+e.name), "Exec", ctx)
	})
	path.With = e.name
	if s.needed(e) || s.needs(e) {
		path.Skipped = needed
	}
	return path
}

// needed is why rows are not linked or unlinked by an edge.
const needed = "a row at one end is never without one at the other"

// fixed is why existing rows cannot be linked by an edge, or "".
func (s *isolated) fixed(e entityEdge) string {
	inKey := func(name string) bool { return slices.Contains(s.facts.Primary, name) }
	switch {
	case s.needed(e):
		return needed
	case slices.ContainsFunc(s.facts.References, func(r isolation.Reference) bool {
		return s.rows.Referred(r) == e.to.entry && slices.ContainsFunc(r.Columns, inKey)
	}):
		return "the edge is part of the primary key"
	}
	return ""
}

// needed reports whether rows at the other end of an edge cannot be without the entity's.
func (s *isolated) needed(e entityEdge) bool {
	return s.mustRefer(e.to.entry, s.entity.entry)
}

// needs reports whether rows of the entity cannot be without one at the other end of an edge.
func (s *isolated) needs(e entityEdge) bool {
	return s.mustRefer(s.entity.entry, e.to.entry)
}

// mustRefer reports whether rows of a table cannot be without one of another that they refer to.
func (s *isolated) mustRefer(from, to *isolation.Entry) bool {
	facts := s.rows.Known(from)
	return slices.ContainsFunc(facts.References, func(r isolation.Reference) bool {
		return s.rows.Referred(r) == to && slices.ContainsFunc(r.Columns, func(name string) bool {
			return name != from.Column && facts.Column(name).NotNull
		})
	})
}
