package tables

import (
	"context"
)

// Classes of tables, as in stratum.tables.
const (
	classOwned    = "owned"
	classMixed    = "mixed"
	classGlobal   = "global"
	classExternal = "external"
)

// class is the kind's name in the database.
func (k Kind) class() string {
	switch k {
	case Owned:
		return classOwned
	case Mixed:
		return classMixed
	case Global:
		return classGlobal
	case External:
	}
	return classExternal
}

// record writes down what the table is declared as, for those who look at the database without the declarations. Rows
// of tables that are not declared here are another program's and stay.
func (m *Migration) record(ctx context.Context, _ *view, t *target) error {
	wanted, column := record{Class: t.Kind.class()}, "NULL"
	if t.Kind.HasTenant() {
		wanted.Column, column = t.Column, literal(t.Column)
	}
	if t.rel.Recorded != nil && *t.rel.Recorded == wanted {
		return nil
	}
	t.rel.Recorded = &wanted
	return m.exec(ctx, t.rel, "INSERT INTO stratum.tables (table_schema, table_name, class, tenant_column) VALUES ("+
		literal(t.rel.Schema)+", "+literal(t.rel.Name)+", "+literal(wanted.Class)+", "+column+
		") ON CONFLICT (table_schema, table_name) DO UPDATE SET class = excluded.class, "+
		"tenant_column = excluded.tenant_column, declared_at = pg_catalog.now()")
}
