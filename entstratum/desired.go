package entstratum

import (
	"crypto/md5" //nolint:gosec // for names, as ent does it
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Desire changes the tables that ent wants to those that the boundary needs, so that no migration of ent's undoes what
// Stratum adds: a tenant column in each join table, unique indexes and other indexes led by the tenant column, foreign
// keys that compare it, and the keys that they refer to. It is called by the generated package migrate, once all of
// ent's own has been set up; Migrate, Script and Verify return ErrGenerated where it was not.
func Desire(wanted []*schema.Table, r *Registry) {
	r.wanted, r.uniques = wanted, make(map[string][][]string)
	d := desired{registry: r, tables: wanted}
	for _, t := range wanted {
		shorten(t)
		if known, ok := r.Table(t.Name); ok && known.kind().HasTenant() {
			d.sealTable(t, known)
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

// maxName is the length in bytes at which PostgreSQL cuts off a name.
const maxName = 63

// shorten gives indexes and keys the names that ent gives them in the database.
func shorten(t *schema.Table) {
	for _, index := range t.Indexes {
		index.Name = symbol(index.Name)
	}
	for _, key := range t.ForeignKeys {
		key.Symbol = symbol(key.Symbol)
	}
}

// symbol does with a name that is too long what ent's migration does: it is of no use to find out by the server's rule.
func symbol(name string) string {
	if len(name) <= maxName {
		return name
	}
	const kept = maxName - 1 - 2*md5.Size
	return fmt.Sprintf("%s_%x", name[:kept], md5.Sum([]byte(name))) //nolint:gosec // a name, and no secret
}

// leadTable gives a table its tenant column, a key beside the primary key for others to refer to, and its indexes the
// column in front.
func (d desired) leadTable(t *schema.Table, known Table) {
	tenant := tenantColumn(t, known)
	if primary := columnNames(t.PrimaryKey); len(primary) > 0 && !slices.Contains(primary, known.Column) {
		d.addKey(t, tenant, t.PrimaryKey)
	}
	for _, c := range t.Columns {
		if c.Unique && !isPrimary(t, c) {
			d.leadUniqueColumn(t, known, tenant, c)
		}
	}
	for _, index := range t.Indexes {
		d.noteLed(t, known, index)
		if !known.canLead(index) {
			continue
		}
		led := slices.DeleteFunc(slices.Clone(index.Columns), func(c *schema.Column) bool {
			return c.Name == tenant.Name
		})
		if index.Unique && len(led) == len(index.Columns) {
			d.registry.noteUnique(t.Name, index.Columns)
		}
		index.Columns = slices.Insert(led, 0, tenant)
		index.Annotation = namedColumns(index)
	}
}

// noteLed keeps the columns of a unique index that the schema itself declares with the tenant: an ON CONFLICT on the
// others, from the time before there were tenants, means that index. Where a globally unique one has just them it means
// that.
func (d desired) noteLed(t *schema.Table, known Table, index *schema.Index) {
	if !index.Unique || len(index.Columns) < 2 || index.Columns[0].Name != known.Column ||
		strings.HasSuffix(index.Name, tables.KeySuffix) {
		return
	}
	others := columnNames(index.Columns[1:])
	slices.Sort(others)
	for _, u := range t.Indexes {
		global := columnNames(u.Columns)
		slices.Sort(global)
		if known.globallyUnique(u.Name) && slices.Equal(global, others) {
			return
		}
	}
	d.registry.noteUnique(t.Name, index.Columns[1:])
}

// leadUniqueColumn makes the unique index of a single column, which ent declares at the column and names so.
func (desired) leadUniqueColumn(t *schema.Table, known Table, tenant, c *schema.Column) {
	name := symbol(fmt.Sprintf("%s_%s_key", t.Name, c.Name))
	declared := func(i *schema.Index) bool { return i.Name == name }
	if slices.ContainsFunc(t.Indexes, declared) {
		return
	}
	c.Unique = false
	if known.globallyUnique(name) {
		t.Indexes = append(t.Indexes, &schema.Index{Name: name, Unique: true, Columns: []*schema.Column{c}})
		return
	}
	t.Indexes = append(t.Indexes, &schema.Index{Name: name, Unique: true, Columns: []*schema.Column{tenant, c}})
}

// noteUnique keeps which columns became unique per tenant, for ON CONFLICT.
func (r *Registry) noteUnique(table string, columns []*schema.Column) {
	names := columnNames(columns)
	slices.Sort(names)
	r.uniques[table] = append(r.uniques[table], names)
}

// canLead reports whether the tenant column can be put in front of an index, which does not have it there.
func (t Table) canLead(index *schema.Index) bool {
	led := len(index.Columns) > 0 && index.Columns[0].Name == t.Column
	return !led && !t.globallyUnique(index.Name) && isTree(index)
}

// isTree reports whether an index can have a uuid for a column: other kinds, such as GIN, have no operators for it.
func isTree(index *schema.Index) bool {
	if index.Annotation == nil {
		return true
	}
	method := index.Annotation.Types[dialect.Postgres]
	if method == "" {
		method = index.Annotation.Type
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
		if key.RefTable == nil || slices.Contains(columnNames(key.Columns), known.Column) {
			continue
		}
		other, ok := d.registry.Table(key.RefTable.Name)
		if !ok || other.Class != ClassOwned {
			continue
		}
		referred := tenantColumn(key.RefTable, other)
		d.addKey(key.RefTable, referred, key.RefColumns)
		key.Columns = append([]*schema.Column{tenant}, key.Columns...)
		key.RefColumns = append([]*schema.Column{referred}, key.RefColumns...)
		if !isIndexed(t, key.Columns) {
			addIndex(t, &schema.Index{
				Name: tables.ReferenceIndexName(t.Name, columnNames(key.Columns[1:])), Columns: key.Columns,
			})
		}
	}
}

// addKey adds the unique index that foreign keys to the columns refer to.
func (desired) addKey(t *schema.Table, tenant *schema.Column, columns []*schema.Column) {
	addIndex(t, &schema.Index{
		Name:    tables.ReferredKeyName(t.Name, columnNames(columns), columnNames(t.PrimaryKey)),
		Unique:  true,
		Columns: append([]*schema.Column{tenant}, columns...),
	})
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
		if len(index.Columns) < len(wanted) || !isTree(index) ||
			index.Annotation != nil && index.Annotation.Where != "" {
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
