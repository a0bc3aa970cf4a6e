package entstratum

import (
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Desire changes the tables that ent wants to those that the boundary needs, so that no migration of ent's undoes what
// Stratum adds: a tenant column in each join table, unique indexes and other indexes led by the tenant column, foreign
// keys that compare it, and the keys that they refer to. It is called by the generated package migrate, once.
func Desire(wanted []*schema.Table, r *Registry) {
	r.wanted, r.uniques = wanted, make(map[string][][]string)
	d := desired{registry: r, tables: wanted}
	for _, t := range wanted {
		if known, ok := r.Table(t.Name); ok && known.kind().HasTenant() {
			d.leadTable(t, known)
		}
	}
	for _, t := range wanted {
		if known, ok := r.Table(t.Name); ok && known.kind().HasTenant() {
			d.leadForeignKeys(t, known)
		}
	}
}

// desired is the change of what ent wants.
type desired struct {
	registry *Registry
	tables   []*schema.Table
}

// leadTable gives a table its tenant column, and its indexes the column in front.
func (d desired) leadTable(t *schema.Table, known Table) {
	tenant := tenantColumn(t, known)
	for _, c := range t.Columns {
		if c.Unique && !isPrimary(t, c) {
			d.leadUniqueColumn(t, known, tenant, c)
		}
	}
	for _, index := range t.Indexes {
		if !known.canLead(index) {
			continue
		}
		if index.Unique {
			d.registry.noteUnique(t.Name, index.Columns)
		}
		index.Columns = slices.Insert(slices.Clone(index.Columns), 0, tenant)
		index.Annotation = namedColumns(index)
	}
}

// leadUniqueColumn makes the unique index of a single column, which ent declares at the column and names so.
func (d desired) leadUniqueColumn(t *schema.Table, known Table, tenant, c *schema.Column) {
	name := fmt.Sprintf("%s_%s_key", t.Name, c.Name)
	declared := func(i *schema.Index) bool { return i.Name == name }
	if known.globallyUnique(name) || slices.ContainsFunc(t.Indexes, declared) {
		return
	}
	c.Unique = false
	d.registry.noteUnique(t.Name, []*schema.Column{c})
	t.Indexes = append(t.Indexes, &schema.Index{Name: name, Unique: true, Columns: []*schema.Column{tenant, c}})
}

// noteUnique keeps which columns became unique per tenant, for ON CONFLICT.
func (r *Registry) noteUnique(table string, columns []*schema.Column) {
	names := columnNames(columns)
	slices.Sort(names)
	r.uniques[table] = append(r.uniques[table], names)
}

// canLead reports whether the tenant column can be put in front of an index that does not have it.
func (t Table) canLead(index *schema.Index) bool {
	if t.globallyUnique(index.Name) || slices.Contains(columnNames(index.Columns), t.Column) {
		return false
	}
	if index.Annotation == nil {
		return true
	}
	// Other kinds of index, such as GIN, have no operators for a uuid.
	method := index.Annotation.Type
	if method == "" {
		method = index.Annotation.Types["postgres"]
	}
	return method == "" || strings.EqualFold(method, "BTREE")
}

// namedColumns writes out by column what an annotation of an index of one column says without naming it: with two
// columns ent would not know which one is meant.
func namedColumns(index *schema.Index) *entsql.IndexAnnotation {
	if index.Annotation == nil || len(index.Columns) != 2 {
		return index.Annotation
	}
	a, column := *index.Annotation, index.Columns[1].Name
	if a.Desc {
		a.Desc, a.DescColumns = false, map[string]bool{column: true}
	}
	if a.OpClass != "" {
		a.OpClassColumns, a.OpClass = map[string]string{column: a.OpClass}, ""
	}
	return &a
}

// tenantColumn returns the tenant column as ent is to want it. Its default is the tenant of the statement; as a string
// ent takes it for what it is, and does not have the server evaluate it.
func tenantColumn(t *schema.Table, known Table) *schema.Column {
	at := slices.IndexFunc(t.Columns, func(c *schema.Column) bool { return c.Name == known.Column })
	if at < 0 {
		t.Columns = append(t.Columns, &schema.Column{Name: known.Column})
		at = len(t.Columns) - 1
	}
	c := t.Columns[at]
	c.Type, c.Nullable, c.Default = field.TypeUUID, known.Class == ClassMixed, tables.TenantDefault
	return c
}

func isPrimary(t *schema.Table, c *schema.Column) bool {
	return len(t.PrimaryKey) == 1 && t.PrimaryKey[0].Name == c.Name
}

// leadForeignKeys makes a table's keys to tenant-owned tables compare the tenant, and adds what such a key needs.
func (d desired) leadForeignKeys(t *schema.Table, known Table) {
	tenant := tenantColumn(t, known)
	for _, key := range t.ForeignKeys {
		if key.RefTable == nil {
			continue
		}
		other, ok := d.registry.Table(key.RefTable.Name)
		if !ok || other.Class != ClassOwned {
			continue
		}
		referred := tenantColumn(key.RefTable, other)
		primary := columnNames(key.RefTable.PrimaryKey)
		addIndex(key.RefTable, &schema.Index{
			Name:    tables.ReferredKeyName(key.RefTable.Name, columnNames(key.RefColumns), primary),
			Unique:  true,
			Columns: append([]*schema.Column{referred}, key.RefColumns...),
		})
		key.Columns = append([]*schema.Column{tenant}, key.Columns...)
		key.RefColumns = append([]*schema.Column{referred}, key.RefColumns...)
		if !isIndexed(t, key.Columns) {
			addIndex(t, &schema.Index{
				Name: tables.ReferenceIndexName(t.Name, columnNames(key.Columns[1:])), Columns: key.Columns,
			})
		}
	}
}

func addIndex(t *schema.Table, index *schema.Index) {
	if !slices.ContainsFunc(t.Indexes, func(other *schema.Index) bool { return other.Name == index.Name }) {
		t.Indexes = append(t.Indexes, index)
	}
}

// isIndexed reports whether an index of the table begins with the columns, in whatever order.
func isIndexed(t *schema.Table, columns []*schema.Column) bool {
	wanted := columnNames(columns)
	slices.Sort(wanted)
	return slices.ContainsFunc(t.Indexes, func(index *schema.Index) bool {
		if len(index.Columns) < len(wanted) || index.Annotation != nil && index.Annotation.Where != "" {
			return false
		}
		first := columnNames(index.Columns[:len(wanted)])
		slices.Sort(first)
		return slices.Equal(first, wanted)
	})
}

func columnNames(columns []*schema.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}
