package gormstratum

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// table is what the plugin knows of a table. It does not change after Use.
type table struct {
	kind    tables.Kind
	column  string         // the tenant column of a tenant-owned table
	schema  *schema.Schema // nil for an external table
	rights  []string       // of an external table
	uniques [][]string     // columns that became unique per tenant
	// crossing are columns that stay unique across tenants, by the declarations in globals.
	crossing [][]string
	globals  []tables.GlobalUnique
	// encrypted are the encrypted columns by their names.
	encrypted map[string]*encryptedField
}

// registry knows the application's tables by their names.
type registry struct {
	tables  map[string]*table
	unnamed map[string]*table // without their schema; nil where several have the name
	models  []any             // in the order of Options, for migrations
	order   []string          // names, in the order in which they were found
	column  string            // the tenant column where a model declares no other

	keys      *core.Keys
	encrypted bool // some table has encrypted columns
}

// find returns the table of a name. Where only one of tickets and public.tickets is declared, both mean that one.
func (r *registry) find(name string) *table {
	if t := r.tables[name]; t != nil {
		return t
	}
	return r.unnamed[lastPart(name)]
}

// lastPart is a table's name without its schema.
func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// readModels places every model of the options, and reports all that it cannot place at once.
func readModels(db *gorm.DB, keys *core.Keys, options Options) (*registry, error) {
	r := &registry{
		tables: make(map[string]*table), unnamed: make(map[string]*table), column: options.TenantColumn, keys: keys,
	}
	if r.column == "" {
		r.column = tables.DefaultColumn
	}
	uniques := options.GlobalUnique
	errs := make([]error, 0, len(options.External)+len(options.Models)+len(options.Global))
	for _, name := range options.External {
		errs = append(errs, r.addExternal(name))
	}
	for _, model := range options.Models {
		errs = append(errs, r.addModel(db, model, uniques, false))
	}
	for _, model := range options.Global {
		errs = append(errs, r.addModel(db, model, uniques, true))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, errors.Join(r.checkGlobalUnique(db, uniques), r.addRelations())
}

func (r *registry) add(name string, t *table) error {
	if _, ok := r.tables[name]; ok {
		return fmt.Errorf("%w: table %q is declared twice (name it once in Options)", ErrModel, name)
	}
	r.tables[name] = t
	r.order = append(r.order, name)
	if _, ok := r.unnamed[lastPart(name)]; ok {
		t = nil // a.tickets and b.tickets: tickets alone could be either
	}
	r.unnamed[lastPart(name)] = t
	return nil
}

// addExternal reads "name" or "name: SELECT, INSERT".
func (r *registry) addExternal(declared string) error {
	t, err := tables.ParseExternal(declared)
	if err != nil {
		return fmt.Errorf("%w: Options.External %w", ErrModel, err)
	}
	name := strings.TrimPrefix(t.Schema+"."+t.Name, ".")
	return r.add(name, &table{kind: tables.External, rights: t.Rights})
}

// addModel places one model as tenant-owned, own-and-global or global.
func (r *registry) addModel(db *gorm.DB, model any, uniques []GlobalUnique, global bool) error {
	s, err := parse(db, model)
	if err != nil {
		return err
	}
	field, kind, err := tenantField(s, r.column)
	if err != nil {
		return err
	}
	t := &table{schema: s, kind: kind}
	_, marks := reflect.New(s.ModelType).Interface().(marked)
	switch {
	case field != nil && (global || marks):
		return fmt.Errorf("%w %s is declared global but has a column %q (remove one of the two)",
			ErrModel, s.Name, field.DBName)
	case field != nil:
		err = t.own(db, field, uniques)
	case !global && !marks:
		err = placeError(s, r.column)
	}
	if err == nil {
		err = t.readEncrypted(r.keys)
	}
	if err != nil {
		return err
	}
	r.encrypted = r.encrypted || len(t.encrypted) > 0
	r.models = append(r.models, model)
	return r.add(s.Table, t)
}

// own takes over what makes the rows of a table a tenant's.
func (t *table) own(db *gorm.DB, field *schema.Field, uniques []GlobalUnique) (err error) {
	if len(t.schema.PrimaryFields) == 0 {
		return fmt.Errorf("%w %s has no primary key (tag a field with gorm:\"primaryKey\")", ErrModel, t.schema.Name)
	}
	t.column = field.DBName
	if t.globals, err = globalUniques(db, t.schema, t.column, uniques); err != nil {
		return err
	}
	t.readUniques()
	stampInstead(t.schema, field)
	if t.kind == tables.Mixed {
		return checkNulls(t)
	}
	return nil
}

// stampInstead takes the column's default away from GORM, which would ask the database to return it for every new row.
// The plugin sets the field before.
func stampInstead(s *schema.Schema, field *schema.Field) {
	field.HasDefaultValue, field.DefaultValue = false, ""
	s.FieldsWithDefaultDBValue = slices.DeleteFunc(s.FieldsWithDefaultDBValue,
		func(f *schema.Field) bool { return f == field })
}

// placeError names what a table can be.
func placeError(s *schema.Schema, column string) error {
	own := "embed gormstratum.Tenant"
	if column != tables.DefaultColumn {
		own = fmt.Sprintf("declare a field of column %q and type uuid.UUID", column)
	}
	return fmt.Errorf("%w %s is neither tenant-owned nor global nor external (%s, or embed "+
		"gormstratum.Global or name it in Options.Global, or name table %q in Options.External)",
		ErrModel, s.Name, own, s.Table)
}

func parse(db *gorm.DB, model any) (*schema.Schema, error) {
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(model); err != nil {
		return nil, fmt.Errorf("%w %T: %w", ErrModel, model, err)
	}
	return stmt.Schema, nil
}

// addRelations adds the join tables, and refuses relations that lead out of the registry or over the boundary.
func (r *registry) addRelations() error {
	var errs []error
	for _, name := range slices.Clone(r.order) {
		t := r.tables[name]
		if t.schema == nil {
			continue
		}
		for _, rel := range t.schema.Relationships.Relations {
			errs = append(errs, r.addRelation(t, rel))
		}
	}
	return errors.Join(errs...)
}

func (r *registry) addRelation(t *table, rel *schema.Relationship) error {
	other := r.tables[rel.FieldSchema.Table]
	if other == nil {
		return fmt.Errorf("%w %s, reached from %s.%s, is not in Options.Models or Options.Global",
			ErrModel, rel.FieldSchema.Name, t.schema.Name, rel.Name)
	}
	if rel.JoinTable != nil {
		return r.addJoin(t, other, rel.JoinTable)
	}
	if rel.Type == schema.BelongsTo && t.kind == tables.Global && other.kind.HasTenant() {
		return fmt.Errorf("%w %s is global and belongs to tenant-owned %s by %s (a global row cannot refer to one "+
			"tenant's; make it tenant-owned)", ErrModel, t.schema.Name, rel.FieldSchema.Name, rel.Name)
	}
	return nil
}

// addJoin adds the join table of a many2many relation. It is tenant-owned as soon as one side is.
func (r *registry) addJoin(a, b *table, join *schema.Schema) error {
	if _, ok := r.tables[join.Table]; ok {
		return nil // declared as a model of its own, or seen from the other side
	}
	t := &table{schema: join, kind: tables.Global}
	if a.kind.HasTenant() || b.kind.HasTenant() {
		t.kind, t.column = tables.Owned, r.column
	}
	if i := slices.IndexFunc(join.Fields, isEncrypted); i >= 0 {
		return fmt.Errorf("%w %s: field %s is encrypted, and the model is not in Options.Models (add it)",
			ErrModel, join.Name, join.Fields[i].Name)
	}
	// A model of its own, by SetupJoinTable, may declare the column.
	field, kind, err := tenantField(join, r.column)
	switch {
	case err != nil:
		return err
	case kind == tables.Mixed:
		return fmt.Errorf("%w %s is a join table and has rows of everyone (embed gormstratum.Tenant: each of its rows "+
			"joins rows for one tenant)", ErrModel, join.Name)
	case field != nil && t.kind == tables.Owned:
		t.column = field.DBName
	}
	return r.add(join.Table, t)
}
