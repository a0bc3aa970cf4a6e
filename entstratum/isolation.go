package entstratum

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// errEntity is returned for what is no tenant-owned entity of the client.
var errEntity = errors.New("entstratum: entity")

// adapter makes the inspections, which are the same for every adapter.
const adapter = isolation.Adapter("entstratum")

// Isolation returns what stratumtest.AssertIsolated needs to know of a generated client. The generated method
// StratumIsolation calls it.
func Isolation(client any, drv dialect.Driver, r *Registry) any {
	st, err := Stratum(drv)
	return &isolator{client: client, st: st, registry: r, err: err}
}

// isolator is a client as stratumtest knows it.
type isolator struct {
	client   any
	st       *core.Stratum
	registry *Registry
	err      error // why there is no st
}

// Stratum returns the handle that the client is on, or nil where Isolation returns an error.
func (i *isolator) Stratum(access.Token) *core.Stratum { return i.st }

// Isolation describes an entity for stratumtest.AssertIsolated: the ways to its rows through the client, and how to
// make some. ctx is the system's. It returns ErrDriver for a client that is not on a guarded pool.
func (i *isolator) Isolation(
	ctx context.Context, _ access.Token, _ any, options isolation.Options,
) (*isolation.Subject, error) {
	if i.err != nil {
		return nil, i.err
	}
	if i.registry.wanted == nil {
		return nil, ErrGenerated
	}
	s := &isolated{client: reflect.ValueOf(i.client), registry: i.registry, entities: make(map[reflect.Type]*entity)}
	if err := s.choose(options); err != nil {
		return nil, err
	}
	s.rows = isolation.NewRows(i.st.DB(), adapter, s.tables)
	facts, err := s.rows.Facts(ctx, s.entity.entry)
	if err != nil {
		return nil, err
	}
	s.facts = facts
	s.sql, err = isolation.NewStatements(ctx, s.rows, s.entity.entry, func(row isolation.Row) isolation.Values {
		return rowOf(row).values
	})
	if err != nil {
		return nil, err
	}
	for _, e := range s.entities {
		if known := s.rows.Known(e.entry); known != nil {
			if err := e.readKey(known); err != nil {
				return nil, err
			}
		}
	}
	s.edges = s.edgesOf()
	return &isolation.Subject{
		Model: s.entity.table.Entity, Reached: s.reached(), Owned: s.owned(), Seed: s.seed, Close: s.rows.Close,
		Paths: slices.Concat([]isolation.Path{adapter.Secured(s.entity.table.Name, facts)}, s.reads(), s.sql.Reads(),
			s.writes(), s.sql.Writes(), s.sql.Keys(s.entity.table.globallyUnique), s.upserts(), s.edgePaths(),
			s.sql.Children(s.isJoin)),
	}, nil
}

// isolated is one entity under stratumtest.AssertIsolated. It is not safe for concurrent use.
type isolated struct {
	client   reflect.Value // a pointer to the generated client
	registry *Registry
	entities map[reflect.Type]*entity
	tables   []*isolation.Entry // of all entities and join tables

	entity *entity
	facts  *isolation.Facts // of entity
	rows   *isolation.Rows
	sql    *isolation.Statements
	edges  []entityEdge
}

// entity is an entity that ent has generated.
type entity struct {
	table Table
	entry *isolation.Entry
	typ   reflect.Type // a struct

	columns []string // as ent wants them
	key     []int    // the fields of the primary key, in its order
}

// choose finds the entity among those of the client.
func (s *isolated) choose(options isolation.Options) error {
	for _, t := range s.registry.Tables {
		if e := s.generated(t); e != nil {
			s.entities[e.typ] = e
		}
	}
	chosen, err := s.declared(options.Model)
	if err != nil {
		return err
	}
	switch chosen.table.Class {
	case ClassGlobal:
		return fmt.Errorf("%w %s is global: its rows are every tenant's (only a tenant-owned entity can be isolated)",
			errEntity, chosen.table.Entity)
	case ClassView:
		return fmt.Errorf("%w %s is a view: its rows are those of tables (only a tenant-owned entity can be isolated)",
			errEntity, chosen.table.Entity)
	case ClassOwned, ClassMixed:
	}
	s.entity = chosen
	for _, model := range append([]any{options.Model}, options.Related...) {
		related, err := s.declared(model)
		if err != nil {
			return err
		}
		related.entry.Sample = func() (isolation.Values, error) { return related.template(reflect.ValueOf(model)) }
	}
	if options.Sample != nil {
		chosen.entry.Sample = func() (isolation.Values, error) { return chosen.valuesOf(options.Sample()) }
	}
	return nil
}

// declared returns the entity of a model.
func (s *isolated) declared(model any) (*entity, error) {
	v := reflect.ValueOf(model)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: %T is not a pointer to an entity (pass &ent.Invoice{})", errEntity, model)
	}
	if e := s.entities[v.Type().Elem()]; e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("%w %s is none of the client's, a %s (pass an entity of the same generated package, and "+
		"run go generate)", errEntity, v.Type().Elem(), s.client.Type())
}

// generated finds the type of a table's entity by the client of its own that it has in the client.
func (s *isolated) generated(t Table) *entity {
	entry := &isolation.Entry{Schema: t.Schema, Name: t.Name, Column: t.Column, Refine: s.registry.refine(t.Name)}
	if t.Class != ClassView {
		s.tables = append(s.tables, entry)
	}
	own := s.client.Elem().FieldByName(t.Entity)
	if t.Entity == "" || !own.IsValid() {
		return nil
	}
	query := own.MethodByName("Query")
	if !query.IsValid() || query.Type().NumOut() != 1 {
		return nil
	}
	first, ok := query.Type().Out(0).MethodByName("First")
	if !ok || first.Type.NumOut() != 2 || first.Type.Out(0).Kind() != reflect.Pointer {
		return nil
	}
	e := &entity{table: t, entry: entry, typ: first.Type.Out(0).Elem()}
	for _, c := range s.registry.columnsOf(t.Name) {
		e.columns = append(e.columns, c.Name)
	}
	return e
}

// columnsOf are the columns that ent wants in a table.
func (r *Registry) columnsOf(table string) []*schema.Column {
	i := slices.IndexFunc(r.wanted, func(t *schema.Table) bool { return t.Name == table })
	if i < 0 {
		return nil // a view
	}
	return r.wanted[i].Columns
}

// refine adds what ent knows of a table's columns: which texts an enumeration has and how long a text may be, which ent
// checks itself. An empty JSON value is read into whatever the field is.
func (r *Registry) refine(table string) func(*isolation.Facts) {
	columns := r.columnsOf(table)
	return func(facts *isolation.Facts) {
		for _, wanted := range columns {
			c := facts.Column(wanted.Name)
			if c == nil || len(c.Labels) > 0 {
				continue
			}
			c.Labels = wanted.Enums
			if wanted.Type == field.TypeJSON {
				c.Labels = []string{"null"}
			}
			if size := int(wanted.Size); wanted.Type == field.TypeString && size > 0 && c.Length == 0 {
				c.Length = size
			}
		}
	}
}

func (s *isolated) isJoin(e *isolation.Entry) bool {
	return slices.ContainsFunc(s.registry.Tables, func(t Table) bool {
		return t.Join && t.Name == e.Name && t.Schema == e.Schema
	})
}

// reached are the tables that a path may change: the entity's, those of its edges, and what refers to it.
func (s *isolated) reached() []isolation.Table {
	list := []*isolation.Entry{s.entity.entry}
	for _, e := range s.edges {
		list = append(list, e.to.entry)
	}
	return ownedTables(append(list, s.sql.Referring()...))
}

func (s *isolated) owned() []isolation.Table { return ownedTables(s.tables) }

func ownedTables(list []*isolation.Entry) []isolation.Table {
	var owned []isolation.Table
	for _, e := range list {
		t := isolation.Table{Name: e.SQL(), Column: isolation.Quote(e.Column)}
		if e.Column != "" && !slices.Contains(owned, t) {
			owned = append(owned, t)
		}
	}
	return owned
}
