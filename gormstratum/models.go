package gormstratum

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// defaultColumn is the tenant column, which says whose a row is, where no other is named.
const defaultColumn = tables.DefaultColumn

// table is what the plugin knows of a table. It does not change after Use.
type table struct {
	kind    tables.Kind
	column  string         // the tenant column of a tenant-owned table
	schema  *schema.Schema // nil for an external table
	uniques [][]string     // columns that became unique per tenant
	rights  []string       // of an external table
}

// registry knows the application's tables by their names.
type registry struct {
	tables  map[string]*table
	unnamed map[string]*table // without their schema; nil where several have the name
	models  []any             // in the order of Options, for migrations
	order   []string          // names, in the order in which they were found
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
func readModels(db *gorm.DB, options Options) (*registry, error) {
	r := &registry{tables: make(map[string]*table), unnamed: make(map[string]*table)}
	errs := make([]error, 0, len(options.External)+len(options.Models)+len(options.Global))
	for _, name := range options.External {
		errs = append(errs, r.addExternal(name))
	}
	for _, model := range options.Models {
		errs = append(errs, r.addModel(db, model, false))
	}
	for _, model := range options.Global {
		errs = append(errs, r.addModel(db, model, true))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, r.addRelations()
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
	name, list, _ := strings.Cut(declared, ":")
	name = strings.TrimSpace(name)
	if name == "" {
		return fmt.Errorf("%w: Options.External holds an empty name", ErrModel)
	}
	t := &table{kind: tables.External}
	for right := range strings.SplitSeq(list, ",") {
		right = strings.ToUpper(strings.TrimSpace(right))
		switch right {
		case "":
		case "SELECT", "INSERT", "UPDATE", "DELETE":
			t.rights = append(t.rights, right)
		default:
			return fmt.Errorf("%w: Options.External %q: unknown right %q (use SELECT, INSERT, UPDATE, DELETE)",
				ErrModel, name, right)
		}
	}
	return r.add(name, t)
}

// addModel places one model as tenant-owned or global.
func (r *registry) addModel(db *gorm.DB, model any, global bool) error {
	s, err := parse(db, model)
	if err != nil {
		return err
	}
	t := &table{schema: s, kind: tables.Global, column: defaultColumn}
	field, err := tenantField(s, t.column)
	if err != nil {
		return err
	}
	_, marks := reflect.New(s.ModelType).Interface().(marked)
	switch {
	case field != nil && (global || marks):
		return fmt.Errorf("%w %s is declared global but has a column %q (remove one of the two)",
			ErrModel, s.Name, t.column)
	case field != nil:
		t.kind, t.uniques = tables.Owned, uniqueColumns(s, t.column)
		stampInstead(s, field)
	case !global && !marks:
		return placeError(s)
	}
	if t.kind == tables.Owned && len(s.PrimaryFields) == 0 {
		return fmt.Errorf("%w %s has no primary key (tag a field with gorm:\"primaryKey\")", ErrModel, s.Name)
	}
	r.models = append(r.models, model)
	return r.add(s.Table, t)
}

// stampInstead takes the column's default away from GORM, which would ask the database to return it for every new row.
// The plugin sets the field before.
func stampInstead(s *schema.Schema, field *schema.Field) {
	field.HasDefaultValue, field.DefaultValue = false, ""
	s.FieldsWithDefaultDBValue = slices.DeleteFunc(s.FieldsWithDefaultDBValue,
		func(f *schema.Field) bool { return f == field })
}

// placeError names the three things that a table can be.
func placeError(s *schema.Schema) error {
	return fmt.Errorf("%w %s is neither tenant-owned nor global nor external (embed gormstratum.Tenant, or embed "+
		"gormstratum.Global or name it in Options.Global, or name table %q in Options.External)",
		ErrModel, s.Name, s.Table)
}

func parse(db *gorm.DB, model any) (*schema.Schema, error) {
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(model); err != nil {
		return nil, fmt.Errorf("%w %T: %w", ErrModel, model, err)
	}
	return stmt.Schema, nil
}

// tenantField returns the field of the tenant column, or nil.
func tenantField(s *schema.Schema, column string) (*schema.Field, error) {
	f := s.FieldsByDBName[column]
	if f == nil {
		return nil, nil
	}
	if f.FieldType != reflect.TypeFor[uuid.UUID]() {
		return nil, fmt.Errorf("%w %s: field %s of column %q is a %s (use uuid.UUID of github.com/google/uuid)",
			ErrModel, s.Name, f.Name, column, f.FieldType)
	}
	return f, nil
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
		r.addJoin(t, other, rel.JoinTable)
		return nil
	}
	if rel.Type == schema.BelongsTo && t.kind == tables.Global && other.kind == tables.Owned {
		return fmt.Errorf("%w %s is global and belongs to tenant-owned %s by %s (a global row cannot refer to one "+
			"tenant's; make it tenant-owned)", ErrModel, t.schema.Name, rel.FieldSchema.Name, rel.Name)
	}
	return nil
}

// addJoin adds the join table of a many2many relation. It is tenant-owned as soon as one side is.
func (r *registry) addJoin(a, b *table, join *schema.Schema) {
	if _, ok := r.tables[join.Table]; ok {
		return // declared as a model of its own, or seen from the other side
	}
	t := &table{schema: join, kind: tables.Global, column: defaultColumn}
	if a.kind == tables.Owned || b.kind == tables.Owned {
		t.kind = tables.Owned
	}
	_ = r.add(join.Table, t) // it is not there yet
}
