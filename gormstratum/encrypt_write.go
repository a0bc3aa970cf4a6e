package gormstratum

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Values are sealed when GORM writes VALUES and SET, because there all the ways of giving some have come together:
// structs, maps, clauses, upserts, generics.

// sealValues seals the new rows of an INSERT, and adds their blind indexes.
func (p *Plugin) sealValues(stmt *gorm.Statement, c clause.Clause) clause.Clause {
	values, ok := c.Expression.(clause.Values)
	t := p.target(stmt)
	if !ok || t == nil || len(t.encrypted) == 0 {
		return c
	}
	sealed, err := t.sealRows(stmt, values)
	if err != nil {
		_ = stmt.AddError(err) // AddError keeps it and returns it
	}
	c.Expression = sealed
	return c
}

// sealRows returns a copy. It has no values where there is an error.
func (t *table) sealRows(stmt *gorm.Statement, values clause.Values) (clause.Values, error) {
	tenants, err := t.tenantsOf(stmt, values)
	if err != nil {
		return clause.Values{}, err
	}
	columns := slices.Clone(values.Columns)
	rows := make([][]any, len(values.Values))
	for i, row := range values.Values {
		rows[i] = slices.Clone(row)
	}
	for at, column := range values.Columns {
		e, err := t.writes(column)
		if err != nil {
			return clause.Values{}, err
		}
		if e == nil {
			continue
		}
		for _, i := range e.indexes {
			columns = append(columns, clause.Column{Name: i.column})
		}
		for i := range rows {
			key, err := t.keyOfRow(e, values, i)
			if err != nil {
				return clause.Values{}, err
			}
			sealed, indexes, err := e.seal(stmt.Context, tenants(i), rows[i][at], key)
			if err != nil {
				return clause.Values{}, err
			}
			rows[i][at] = sealed
			rows[i] = append(rows[i], indexes...)
		}
	}
	return clause.Values{Columns: columns, Values: rows}, nil
}

// writes returns the encrypted column that is to be written. A blind index is not for the application to write.
func (t *table) writes(column clause.Column) (*encryptedField, error) {
	for _, e := range t.encrypted {
		if e.indexIn(column.Name) != nil {
			return nil, fmt.Errorf("%w: column %q of %q is a blind index and is written along with its column (leave "+
				"it out)", ErrEncrypted, column.Name, e.table.Table)
		}
	}
	return t.encrypted[column.Name], nil
}

// tenantsOf returns whose keys each new row is sealed with.
func (t *table) tenantsOf(stmt *gorm.Statement, values clause.Values) (func(row int) uuid.UUID, error) {
	s, err := scope.Check(stmt.Context)
	if err != nil {
		return nil, err
	}
	if s.Kind != scope.System {
		return func(int) uuid.UUID { return s.Tenant }, nil
	}
	at := slices.IndexFunc(values.Columns, func(c clause.Column) bool { return c.Name == t.column })
	tenants := make([]uuid.UUID, len(values.Values))
	for i, row := range values.Values {
		if at >= 0 {
			tenants[i], err = asUUID(row[at])
		}
		if err != nil || tenants[i] == uuid.Nil {
			return nil, fmt.Errorf("%w is missing from a row with encrypted fields (set it)", ErrTenantID)
		}
	}
	return func(row int) uuid.UUID { return tenants[row] }, nil
}

// sealSet seals the assignments of an UPDATE.
func (p *Plugin) sealSet(stmt *gorm.Statement, c clause.Clause) clause.Clause {
	set, ok := c.Expression.(clause.Set)
	t := p.target(stmt)
	if !ok || t == nil || len(t.encrypted) == 0 {
		return c
	}
	sealed, err := t.sealAssignments(stmt, set)
	if err != nil {
		_ = stmt.AddError(err) // AddError keeps it and returns it
	}
	c.Expression = sealed
	return c
}

// sealAssignments returns a copy with the blind indexes in it. What DO UPDATE takes from the new row is sealed already.
func (t *table) sealAssignments(stmt *gorm.Statement, set clause.Set) (clause.Set, error) {
	sealed := make(clause.Set, 0, len(set)+len(t.encrypted))
	for _, a := range set {
		e, err := t.writes(a.Column)
		if err == nil {
			err = t.keepsKey(a)
		}
		if err != nil {
			return nil, err
		}
		if e == nil {
			sealed = append(sealed, a)
			continue
		}
		var indexes []any
		if from, ok := a.Value.(clause.Column); ok && from.Table == "excluded" && from.Name == a.Column.Name {
			for _, i := range e.indexes {
				indexes = append(indexes, clause.Column{Table: from.Table, Name: i.column})
			}
		} else if a.Value, indexes, err = t.sealOne(stmt, e, a.Value); err != nil {
			return nil, err
		}
		sealed = append(sealed, a)
		for n, i := range e.indexes {
			column := clause.Column{Table: a.Column.Table, Name: i.column}
			sealed = append(sealed, clause.Assignment{Column: column, Value: indexes[n]})
		}
		if e.plain != "" {
			sealed = append(sealed, e.clearPlain(a.Column.Table))
		}
	}
	return sealed, nil
}

// sealOne seals a value that may be written to several rows. They must be one tenant's, which the system's are not.
func (t *table) sealOne(
	stmt *gorm.Statement, e *encryptedField, value any,
) (sealed any, indexes []any, err error) {
	s, err := scope.Check(stmt.Context)
	if err != nil {
		return nil, nil, err
	}
	if s.Kind == scope.System {
		return nil, nil, fmt.Errorf("%w: column %s is sealed with the keys of the row's tenant, and the system's "+
			"statement may concern several (update it with a ctx from core.WithTenant)", ErrEncrypted, e)
	}
	key, err := t.keyOfModel(stmt, e)
	if err != nil {
		return nil, nil, err
	}
	return e.seal(stmt.Context, s.Tenant, value, key)
}

// sealConflict seals what ON CONFLICT assigns, and has it look at blind indexes.
func (t *table) sealConflict(stmt *gorm.Statement, conflict *clause.OnConflict) {
	if len(t.encrypted) == 0 {
		return
	}
	set, err := t.sealAssignments(stmt, conflict.DoUpdates)
	if err == nil {
		err = t.keepsRow(*conflict)
	}
	if err != nil {
		_ = stmt.AddError(err) // AddError keeps it and returns it
	}
	conflict.DoUpdates = set
	conflict.Columns = slices.Clone(conflict.Columns)
	for i, c := range conflict.Columns {
		conflict.Columns[i].Name = t.storedColumns([]string{c.Name})[0]
	}
}
