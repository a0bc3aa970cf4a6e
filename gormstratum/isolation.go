package gormstratum

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// Stratum returns the handle that the plugin puts under its db, for this module's other packages.
func (p *Plugin) Stratum(access.Token) *core.Stratum { return p.st }

// Isolation describes a model for stratumtest.AssertIsolated: the ways to its rows through db, which is the *gorm.DB
// that has the plugin, and how to make some. ctx is the system's. It returns ErrModel for a model that is not
// tenant-owned.
func (p *Plugin) Isolation(
	ctx context.Context, _ access.Token, db any, options isolation.Options,
) (*isolation.Subject, error) {
	session, ok := db.(*gorm.DB)
	if !ok || p.registry == nil {
		return nil, ErrNotUsed
	}
	// Refusals are what is expected, hence nothing for the application's log.
	s := &isolated{plugin: p, db: session.Session(&gorm.Session{NewDB: true, Logger: logger.Discard})}
	if err := s.choose(options); err != nil {
		return nil, err
	}
	facts, err := s.factsOf(ctx, s.table)
	if err != nil {
		return nil, err
	}
	s.facts = facts
	if err := s.readRelated(ctx); err != nil {
		return nil, err
	}
	subject := &isolation.Subject{
		Model: s.table.schema.Name, Reached: s.reached(), Owned: s.owned(), Seed: s.seed, Close: s.close,
	}
	inspections, err := s.inspections(ctx)
	if err != nil {
		return nil, err
	}
	subject.Paths = slices.Concat(inspections, s.reads(), s.rawReads(), s.writes(), s.rawWrites(), s.keyPaths(),
		s.relationPaths())
	return subject, nil
}

// isolated is one model under stratumtest.AssertIsolated. It is not safe for concurrent use.
type isolated struct {
	plugin *Plugin
	db     *gorm.DB
	table  *table
	facts  *isolation.Facts // of table

	known   map[*table]*isolation.Facts
	samples map[*table]func() reflect.Value
	globals []made // global rows that tenants' rows refer to, in the order in which they were made
}

// made is a row that was not there before.
type made struct {
	table *table
	value reflect.Value // a pointer to the model
}

// choose finds the model among those of the plugin.
func (s *isolated) choose(options isolation.Options) error {
	s.known = make(map[*table]*isolation.Facts)
	s.samples = make(map[*table]func() reflect.Value)
	t, err := s.declared(options.Model)
	if err != nil {
		return err
	}
	if !t.kind.HasTenant() {
		return fmt.Errorf("%w %s is global: its rows are every tenant's (only a tenant-owned model can be isolated)",
			ErrModel, t.schema.Name)
	}
	s.table = t
	for _, model := range append([]any{options.Model}, options.Related...) {
		related, err := s.declared(model)
		if err != nil {
			return err
		}
		s.samples[related] = s.templateOf(related, model)
	}
	if options.Sample != nil {
		s.samples[t] = func() reflect.Value { return reflect.ValueOf(options.Sample()) }
	}
	return nil
}

// declared returns the table of a model that db.Use was given.
func (s *isolated) declared(model any) (*table, error) {
	v := reflect.ValueOf(model)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: %T is not a pointer to a model (pass &Invoice{})", ErrModel, model)
	}
	parsed, err := parse(s.db, model)
	if err != nil {
		return nil, err
	}
	t := s.plugin.registry.find(parsed.Table)
	switch {
	case t == nil:
		return nil, fmt.Errorf("%w %s is not declared (add it to Options.Models of the plugin)", ErrModel, parsed.Name)
	case t.schema == nil:
		return nil, fmt.Errorf("%w %s is external: it is not Stratum's business (only a tenant-owned model can be "+
			"isolated)", ErrModel, parsed.Name)
	}
	return t, nil
}

// templateOf copies what is set in a model, but for its keys: they are another row's.
func (s *isolated) templateOf(t *table, model any) func() reflect.Value {
	return func() reflect.Value {
		v := reflect.New(t.schema.ModelType)
		v.Elem().Set(reflect.ValueOf(model).Elem())
		for _, f := range t.schema.PrimaryFields {
			s.unset(f, v)
		}
		if f := t.schema.FieldsByDBName[t.column]; f != nil {
			s.unset(f, v)
		}
		return v
	}
}

func (s *isolated) unset(f *schema.Field, v reflect.Value) {
	f.ReflectValueOf(s.db.Statement.Context, v.Elem()).SetZero()
}

// factsOf is what the database knows of a table.
func (s *isolated) factsOf(ctx context.Context, t *table) (*isolation.Facts, error) {
	if f := s.known[t]; f != nil {
		return f, nil
	}
	column := ""
	if t.kind.HasTenant() {
		column = t.column
	}
	f, err := isolation.ReadFacts(ctx, s.plugin.st.DB(), isolation.Quote(t.schema.Table), column)
	if err == nil {
		t.inClear(f)
		s.known[t] = f
	}
	return f, err
}

// inClear changes what the database knows of encrypted columns to what the model has: values of any kind, which are
// unique where their blind indexes are.
func (t *table) inClear(f *isolation.Facts) {
	for name, e := range t.encrypted {
		if c := f.Column(name); c != nil {
			c.Type, c.Labels, c.Checked = "text", nil, false
		}
		if e.index == nil {
			continue
		}
		for _, u := range f.Uniques {
			if i := slices.Index(u.Columns, e.index.column); i >= 0 {
				u.Columns[i] = name
			}
		}
	}
}

// readRelated asks for the facts of the models that relations lead to, which relationPaths needs.
func (s *isolated) readRelated(ctx context.Context) error {
	for _, name := range s.relationNames() {
		other := s.plugin.registry.find(s.table.schema.Relationships.Relations[name].FieldSchema.Table)
		if other == nil || !other.kind.HasTenant() {
			continue
		}
		if _, err := s.factsOf(ctx, other); err != nil {
			return err
		}
	}
	return nil
}

// reached are the tables that a path may change: the model's, those of its relations, and what joins them.
func (s *isolated) reached() []isolation.Table {
	list := []*table{s.table}
	for _, name := range s.relationNames() {
		rel := s.table.schema.Relationships.Relations[name]
		list = append(list, s.plugin.registry.find(rel.FieldSchema.Table))
		if rel.JoinTable != nil {
			list = append(list, s.plugin.registry.find(rel.JoinTable.Table))
		}
	}
	return ownedTables(list)
}

func (s *isolated) owned() []isolation.Table {
	list := make([]*table, 0, len(s.plugin.registry.order))
	for _, name := range s.plugin.registry.order {
		list = append(list, s.plugin.registry.tables[name])
	}
	return ownedTables(list)
}

func ownedTables(list []*table) []isolation.Table {
	var owned []isolation.Table
	for _, t := range list {
		if t == nil || !t.kind.HasTenant() {
			continue
		}
		entry := isolation.Table{Name: isolation.Quote(t.schema.Table), Column: isolation.Quote(t.column)}
		if !slices.Contains(owned, entry) {
			owned = append(owned, entry)
		}
	}
	return owned
}

// close removes the global rows that were made.
func (s *isolated) close(ctx context.Context) error {
	var errs []error
	for _, m := range slices.Backward(s.globals) {
		errs = append(errs, s.on(ctx).Unscoped().Delete(m.value.Interface()).Error)
	}
	s.globals = nil
	return errors.Join(errs...)
}

// on is a session of the caller that ctx says.
func (s *isolated) on(ctx context.Context) *gorm.DB {
	return s.db.Session(&gorm.Session{NewDB: true, Context: ctx})
}
