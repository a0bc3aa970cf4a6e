package gormstratum

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// The tenant column as GORM is to want it. Its default is the tenant of the statement.
const (
	tenantDefault = "stratum.tenant_id()"
	tenantType    = "uuid"
)

// desired changes what GORM's migrator wants of the tables, so that it does not undo what Stratum adds: it changes the
// parsed schemas of a db that is used for migrations alone. What GORM cannot express is kept for package tables.
type desired struct {
	registry *registry
	db       *gorm.DB
	tables   map[string]*tables.Table
	order    []string
	keys     bool // make foreign keys
}

// describe returns the tables as package tables wants them. db has schemas of its own, and they are changed.
func describe(db *gorm.DB, r *registry) ([]tables.Table, error) {
	d := &desired{registry: r, db: db, tables: make(map[string]*tables.Table)}
	d.keys = !db.DisableForeignKeyConstraintWhenMigrating && !db.IgnoreRelationshipsWhenMigrating
	if err := d.setupJoins(); err != nil {
		return nil, err
	}
	schemas := make([]*schema.Schema, 0, len(r.models))
	for _, model := range r.models {
		s, err := parse(db, model)
		if err != nil {
			return nil, err
		}
		schemas = append(schemas, s)
	}
	for _, s := range schemas {
		d.addModel(s)
	}
	for _, s := range schemas {
		if err := d.addForeignKeys(s); err != nil {
			return nil, err
		}
	}
	return d.list(), nil
}

// setupJoins repeats the application's SetupJoinTable calls on the migrating db.
func (d *desired) setupJoins() error {
	for _, t := range d.registry.tables {
		if t.schema == nil {
			continue
		}
		for _, rel := range t.schema.Relationships.Many2Many {
			if rel.JoinTable.ModelType.Name() == "" {
				continue // a type that GORM made up
			}
			model, join := reflect.New(t.schema.ModelType).Interface(), reflect.New(rel.JoinTable.ModelType).Interface()
			if err := d.db.SetupJoinTable(model, rel.Field.Name, join); err != nil {
				return fmt.Errorf("%w %s: join table of %s: %w", ErrModel, t.schema.Name, rel.Name, err)
			}
		}
	}
	return nil
}

func (d *desired) table(name string, kind tables.Kind) *tables.Table {
	if t, ok := d.tables[name]; ok {
		return t
	}
	t := &tables.Table{Kind: kind, Column: d.registry.tables[name].column}
	t.Schema, t.Name = tables.SplitName(name)
	d.tables[name] = t
	d.order = append(d.order, name)
	return t
}

// addModel describes a model's table, and changes the schema of a tenant-owned one.
func (d *desired) addModel(s *schema.Schema) {
	known := d.registry.tables[s.Table]
	t := d.table(s.Table, known.kind)
	t.PrimaryKey = slices.Clone(s.PrimaryFieldDBNames)
	if !known.kind.HasTenant() {
		return
	}
	known.describeEncrypted(s)
	tenant := s.FieldsByDBName[known.column]
	tenant.HasDefaultValue, tenant.DefaultValue = true, tenantDefault
	tenant.NotNull = known.kind == tables.Owned
	tenant.DataType = tenantType // GORM would take text for a uuid.UUID without a tag
	t.Uniques, t.GlobalUniques = known.takeUniques(s), slices.Clone(known.globals)
	for _, index := range s.ParseIndexes() {
		if known.canLead(index) {
			known.leadIndex(tenant, index)
			t.Indexes = append(t.Indexes, tables.Index{Name: index.Name})
		}
	}
}

// takeUniques takes the unique constraints of single columns away from GORM, which has none of several columns. They
// keep their names. GORM keeps those that are to be unique across tenants.
func (t *table) takeUniques(s *schema.Schema) []tables.Unique {
	constraints := s.ParseUniqueConstraints()
	uniques := make([]tables.Unique, 0, len(constraints))
	for _, u := range constraints {
		if t.globallyUnique(u.Name) {
			continue
		}
		u.Field.Unique = false
		delete(u.Field.TagSettings, "UNIQUE")
		uniques = append(uniques, tables.Unique{Name: u.Name, Columns: []string{u.Field.DBName}})
	}
	slices.SortFunc(uniques, func(a, b tables.Unique) int { return strings.Compare(a.Name, b.Name) })
	return uniques
}

// leadIndex adds the tenant's field to the index, in the one place where GORM looks: the field's tag.
func (t *table) leadIndex(tenant *schema.Field, index *schema.Index) {
	key := "INDEX"
	if index.Class == uniqueClass {
		key = "UNIQUEINDEX"
	}
	setting := strings.ToLower(key) + ":" + index.Name + ",priority:-1"
	if t.kind == tables.Mixed && index.Class == uniqueClass {
		setting += ",option:NULLS NOT DISTINCT"
	}
	tag := tenant.Tag.Get("gorm")
	tenant.Tag = reflect.StructTag(fmt.Sprintf("gorm:%q", tag+";"+setting))
	tenant.TagSettings[key] = index.Name
	for _, f := range index.Fields {
		f.UniqueIndex = "" // GORM had noted that the column alone is unique
	}
}

// addForeignKeys takes over the foreign keys that GORM would make of a model's table to tenant-owned ones.
func (d *desired) addForeignKeys(s *schema.Schema) error {
	// The constraints are read before any is taken away, because GORM compares relations with each other.
	constraints := make(map[*schema.Relationship]*schema.Constraint)
	for _, rel := range s.Relationships.Relations {
		if rel.JoinTable != nil {
			if err := d.addJoin(rel); err != nil {
				return err
			}
			continue
		}
		// As GORM does it: the side of the table itself has the constraint, so that a polymorphic relation has none.
		if c := rel.ParseConstraint(); c != nil && c.Schema == s && !rel.Field.IgnoreMigration {
			constraints[rel] = c
		}
	}
	for rel, c := range constraints {
		if d.kindOf(c.Schema).HasTenant() && d.kindOf(c.ReferenceSchema).HasTenant() {
			d.addForeignKey(c)
			rel.Field.TagSettings["CONSTRAINT"] = "-"
		}
	}
	return nil
}

func (d *desired) kindOf(s *schema.Schema) tables.Kind {
	if t := d.registry.tables[s.Table]; t != nil {
		return t.kind
	}
	return tables.External
}

// addJoin describes the join table of a many2many relation. Both its foreign keys share the relation's field.
func (d *desired) addJoin(rel *schema.Relationship) error {
	if d.registry.tables[rel.JoinTable.Table] == nil {
		return fmt.Errorf("%w: join table %q of %s.%s was not there at db.Use (call SetupJoinTable before it)",
			ErrModel, rel.JoinTable.Table, rel.Schema.Name, rel.Name)
	}
	kind := d.kindOf(rel.JoinTable)
	t := d.table(rel.JoinTable.Table, kind)
	if kind != tables.Owned {
		return nil
	}
	t.Join = true
	if len(t.PrimaryKey) == 0 {
		t.PrimaryKey = columnsOf(rel.JoinTable.PrimaryFields)
	}
	for _, side := range rel.JoinTable.Relationships.Relations {
		if c := side.ParseConstraint(); c != nil && c.Schema == rel.JoinTable {
			d.addForeignKey(c)
		}
	}
	rel.Field.TagSettings["CONSTRAINT"] = "-"
	return nil
}

// addForeignKey keeps a constraint, under GORM's name, for package tables to make.
func (d *desired) addForeignKey(c *schema.Constraint) {
	t := d.tables[c.Schema.Table]
	if !d.keys || slices.ContainsFunc(t.ForeignKeys, func(fk tables.ForeignKey) bool { return fk.Name == c.Name }) {
		return
	}
	fk := tables.ForeignKey{
		Name:     c.Name,
		OnDelete: c.OnDelete,
		OnUpdate: c.OnUpdate,
		RefOwned: d.kindOf(c.ReferenceSchema) == tables.Owned,
	}
	fk.RefSchema, fk.RefTable = tables.SplitName(c.ReferenceSchema.Table)
	for i, f := range c.ForeignKeys {
		if f.DBName != t.Column { // where the model names it itself: package tables puts it in front
			fk.Columns = append(fk.Columns, f.DBName)
			fk.RefColumns = append(fk.RefColumns, c.References[i].DBName)
		}
	}
	t.ForeignKeys = append(t.ForeignKeys, fk)
}

func columnsOf(fields []*schema.Field) []string {
	columns := make([]string, len(fields))
	for i, f := range fields {
		columns[i] = f.DBName
	}
	return columns
}

// list returns the tables in a fixed order, external ones last.
func (d *desired) list() []tables.Table {
	list := make([]tables.Table, 0, len(d.registry.order))
	for _, name := range d.order {
		t := d.tables[name]
		slices.SortFunc(t.ForeignKeys, func(a, b tables.ForeignKey) int { return strings.Compare(a.Name, b.Name) })
		list = append(list, *t)
	}
	for _, name := range d.registry.order {
		if known := d.registry.tables[name]; known.kind == tables.External {
			t := tables.Table{Kind: tables.External, Rights: known.rights}
			t.Schema, t.Name = tables.SplitName(name)
			list = append(list, t)
		}
	}
	return list
}
