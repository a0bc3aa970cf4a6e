package gormstratum

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// scopeConflict gives an ON CONFLICT the tenant column where the columns that it names became unique per tenant, and
// keeps its WHERE off the rows of other tenants.
func (p *Plugin) scopeConflict(stmt *gorm.Statement, c clause.Clause) clause.Clause {
	conflict, ok := c.Expression.(clause.OnConflict)
	t := p.target(stmt)
	if !ok || t == nil || !t.kind.HasTenant() {
		return c
	}
	if len(conflict.Columns) > 0 && t.uniquePerTenant(conflict.Columns) {
		conflict.Columns = slices.Insert(slices.Clone(conflict.Columns), 0, clause.Column{Name: t.column})
	}
	t.sealConflict(stmt, &conflict)
	if len(conflict.Where.Exprs) > 0 {
		conflict.Where.Exprs = []clause.Expression{p.lookUp(stmt, clause.Where{Exprs: conflict.Where.Exprs})}
	}
	if s, err := scope.Check(stmt.Context); err == nil && !conflict.DoNothing {
		t.scopeUpdate(s, &conflict)
	}
	c.Expression = conflict
	return c
}

// scopeUpdate changes the WHERE of DO UPDATE. PostgreSQL evaluates it before the policies look at the row that is there
// already: on another tenant's row it would tell something of that row, and a row that it leaves out is no error.
func (t *table) scopeUpdate(s scope.Scope, conflict *clause.OnConflict) {
	switch {
	case s.Kind == scope.System:
		// No policy stops the system from overwriting a row of another tenant than the new row's. See checkConflict.
		excluded := clause.Column{Table: "excluded", Name: t.column}
		same := clause.Expr{
			SQL:  "? IS NOT DISTINCT FROM ?", // everyone's rows have no tenant
			Vars: []any{clause.Column{Table: clause.CurrentTable, Name: t.column}, excluded},
		}
		conflict.Where = narrow(same, conflict.Where, len(conflict.Where.Exprs) == 0)
	case len(conflict.Where.Exprs) > 0:
		own := t.ownedBy(s.Tenant, clause.CurrentTable)
		conflict.Where = clause.Where{Exprs: []clause.Expression{onOwnRow{own, conflict.Where}}}
	}
}

// onOwnRow is a condition that is evaluated for rows of the tenant alone. It is true for any other, so that the update
// goes on to where the policies refuse it. CASE is what keeps PostgreSQL to the order.
type onOwnRow struct{ own, conditions clause.Expression }

// Build writes the condition.
func (w onOwnRow) Build(b clause.Builder) {
	_, _ = b.WriteString("CASE WHEN ") // a statement's builder does not fail
	w.own.Build(b)
	_, _ = b.WriteString(" THEN (")
	w.conditions.Build(b)
	_, _ = b.WriteString(") ELSE true END")
}

// uniquePerTenant reports whether a unique key of the model has just these columns besides the tenant's.
func (t *table) uniquePerTenant(columns []clause.Column) bool {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	slices.Sort(names)
	return slices.ContainsFunc(t.uniques, func(set []string) bool { return slices.Equal(set, names) })
}

// leadPrimaryKeys notes that primary keys are unique per tenant: GORM's Save names their columns in its ON CONFLICT.
func (r *registry) leadPrimaryKeys() {
	for _, t := range r.tables {
		if t.kind != tables.Owned || t.schema == nil || slices.Contains(t.schema.PrimaryFieldDBNames, t.column) {
			continue
		}
		t.uniques = append(t.uniques, slices.Sorted(slices.Values(t.schema.PrimaryFieldDBNames)))
	}
}

// readUniques notes the sets of columns that the model declares as unique, each in order: those that Stratum makes
// unique per tenant, and those that stay unique across tenants. An expression stands for itself. GORM writes to the
// schema while it parses indexes, so this must not be called while the schema is in use.
func (t *table) readUniques() {
	for name, u := range t.schema.ParseUniqueConstraints() {
		t.addUnique(name, []string{u.Field.DBName})
	}
	for _, index := range t.schema.ParseIndexes() {
		if index.Class != uniqueClass || !t.canLead(index) && !t.globallyUnique(index.Name) {
			continue
		}
		columns := make([]string, len(index.Fields))
		for i, f := range index.Fields {
			columns[i] = f.DBName
			if f.Expression != "" {
				columns[i] = f.Expression
			}
		}
		slices.Sort(columns)
		t.addUnique(index.Name, columns)
	}
}

func (t *table) addUnique(name string, columns []string) {
	if t.globallyUnique(name) {
		t.crossing = append(t.crossing, columns)
		return
	}
	t.uniques = append(t.uniques, columns)
}
