package gormstratum

import (
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// EncryptedTables returns the tables of db's models that have encrypted columns, for core.Keys: Reencrypt brings them
// under a tenant's newest key, and Retire destroys an old one. It returns ErrNotUsed for a db without the plugin.
//
//	encrypted, err := gormstratum.EncryptedTables(db)
//	report, err := st.Keys.Reencrypt(ctx, core.ReencryptOptions{Tables: encrypted})
func EncryptedTables(db *gorm.DB) ([]core.EncryptedTable, error) {
	p, err := pluginOf(db)
	if err != nil {
		return nil, err
	}
	var list []core.EncryptedTable
	for _, name := range p.registry.order {
		t := p.registry.tables[name]
		if len(t.encrypted) == 0 {
			continue
		}
		table := core.EncryptedTable{TenantColumn: t.column, PrimaryKey: slices.Clone(t.schema.PrimaryFieldDBNames)}
		table.Schema, table.Name = tables.SplitName(strings.TrimSpace(name))
		for _, column := range slices.Sorted(maps.Keys(t.encrypted)) {
			e := t.encrypted[column]
			c := core.EncryptedColumn{Name: column, Sealed: e.sealed}
			for _, i := range e.indexes {
				if c.Indexes == nil {
					c.Indexes = make(map[string]string, len(e.indexes))
				}
				c.Indexes[i.Name()] = i.column
			}
			if e.plain != "" {
				c.Plain, c.PlainJSON, c.FromPlain = e.plain, true, e.fromJob(db.Statement.Context)
			}
			table.Columns = append(table.Columns, c)
		}
		list = append(list, table)
	}
	return list, nil
}
