package entstratum

import (
	"fmt"
	"slices"

	atlas "ariga.io/atlas/sql/schema"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"

	"github.com/stratum-hq/stratum-go/core"
)

// byteaType is the type of encrypted columns and blind indexes.
const byteaType = "bytea"

// sealTable changes what ent wants of encrypted columns: their type, columns for their blind indexes, and indexes on
// these in the place of those on the values.
func (d desired) sealTable(t *schema.Table, known Table) {
	for _, f := range known.encrypted() {
		at := slices.IndexFunc(t.Columns, func(c *schema.Column) bool { return c.Name == f.Column })
		if at < 0 {
			continue
		}
		c := t.Columns[at]
		*c = schema.Column{Name: c.Name, Type: field.TypeBytes, Nullable: c.Nullable, Comment: c.Comment}
		c.SchemaType = map[string]string{dialect.Postgres: byteaType}
		for n, index := range f.Indexes {
			blind := blindColumn(t, f.IndexColumn(index.Name))
			if indexed := n == 0 && indexBlind(t, c, blind); !indexed {
				addIndex(t, &schema.Index{Name: symbol(t.Name + "_" + blind.Name), Columns: []*schema.Column{blind}})
			}
		}
	}
}

// blindColumn returns the column of a blind index.
func blindColumn(t *schema.Table, name string) *schema.Column {
	at := slices.IndexFunc(t.Columns, func(c *schema.Column) bool { return c.Name == name })
	if at < 0 {
		at = len(t.Columns)
		t.Columns = append(t.Columns, &schema.Column{Name: name})
	}
	c := t.Columns[at]
	c.Type, c.Nullable, c.SchemaType = field.TypeBytes, true, map[string]string{dialect.Postgres: byteaType}
	return c
}

// indexBlind has indexes on a column be on its blind index. It reports whether there is one.
func indexBlind(t *schema.Table, column, blind *schema.Column) bool {
	found := false
	for _, index := range t.Indexes {
		for i, c := range index.Columns {
			if c.Name == column.Name {
				index.Columns[i] = blind
			}
			found = found || index.Columns[i] == blind
		}
	}
	return found
}

// sealedCheck refuses values that are not in the form of sealed ones: by their first byte, the version of the key and
// the least length, see package fieldcrypt.
func (f Field) sealedCheck(table string) *atlas.Check {
	column := quote(f.Column)
	return &atlas.Check{
		Name: symbol(table + "_" + f.Column + "_sealed"),
		Expr: fmt.Sprintf(`pg_catalog.octet_length(%[1]s) >= 33 AND `+
			`pg_catalog.substring(%[1]s, 1, 1) IN ('\x01'::bytea, '\x02'::bytea) AND `+
			`pg_catalog.substring(%[1]s, 2, 4) <> '\x00000000'::bytea`, column),
	}
}

// checkSealed says of a wanted table what ent's schema cannot. A check that is there is left as PostgreSQL prints it.
func checkSealed(known Table, wanted, found *atlas.Table) {
	for _, f := range known.encrypted() {
		check := f.sealedCheck(wanted.Name)
		if found != nil {
			for _, attr := range found.Attrs {
				if there, ok := attr.(*atlas.Check); ok && there.Name == check.Name {
					check = there
				}
			}
		}
		wanted.AddChecks(check)
	}
}

// EncryptedTables returns the tables of a client that have encrypted columns, for core.Keys: Reencrypt brings them
// under a tenant's newest key, and Retire destroys an old one. The generated ent.StratumEncryptedTables(client) calls
// it.
//
//	report, err := st.Keys.Reencrypt(ctx, core.ReencryptOptions{Tables: ent.StratumEncryptedTables(client)})
//
// It returns none where the client has no keys, or no encrypted fields.
func EncryptedTables(drv dialect.Driver) []core.EncryptedTable {
	s, ok := drv.(*sealer)
	if !ok || s.fields.err != nil {
		return nil
	}
	var list []core.EncryptedTable
	for _, known := range s.fields.registry.Tables {
		t := s.fields.tables[known.Name]
		if t == nil {
			continue
		}
		table := core.EncryptedTable{
			Schema: known.Schema, Name: known.Name, TenantColumn: known.Column, PrimaryKey: slices.Clone(t.PrimaryKey),
		}
		for _, f := range known.encrypted() {
			c := core.EncryptedColumn{
				Name: f.Column, Sealed: t.columns[f.Column].sealed, Indexes: make(map[string]string),
			}
			for _, index := range f.Indexes {
				c.Indexes[index.Name] = f.IndexColumn(index.Name)
			}
			table.Columns = append(table.Columns, c)
		}
		list = append(list, table)
	}
	return list
}
