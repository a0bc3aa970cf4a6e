package gormstratum

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// scopeConflict gives an ON CONFLICT the tenant column where the columns that it names became unique per tenant.
func (t *table) scopeConflict(stmt *gorm.Statement) {
	c, ok := stmt.Clauses[conflictClause]
	if !ok {
		return
	}
	conflict, ok := c.Expression.(clause.OnConflict)
	if !ok || len(conflict.Columns) == 0 || !t.uniquePerTenant(conflict.Columns) {
		return
	}
	conflict.Columns = slices.Insert(slices.Clone(conflict.Columns), 0, clause.Column{Name: t.column})
	c.Expression = conflict
	stmt.Clauses[conflictClause] = c
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

// uniqueColumns returns the sets of columns that the model declares as unique and Stratum makes unique per tenant, each
// in order. An expression stands for itself. GORM writes to the schema while it parses indexes, so this must not be
// called while the schema is in use.
func uniqueColumns(s *schema.Schema, column string) [][]string {
	var sets [][]string
	for _, u := range s.ParseUniqueConstraints() {
		sets = append(sets, []string{u.Field.DBName})
	}
	for _, index := range s.ParseIndexes() {
		if index.Class != uniqueClass || !canLead(index, column) {
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
		sets = append(sets, columns)
	}
	return sets
}
