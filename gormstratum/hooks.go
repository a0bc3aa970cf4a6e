package gormstratum

import (
	"fmt"
	"reflect"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// beforeCreate stamps new rows with the tenant of the context. It runs after the model's own hooks, so that what they
// set is checked too.
func (p *Plugin) beforeCreate(db *gorm.DB) {
	if db.Error != nil || db.Statement.SQL.Len() > 0 || !p.known(db) {
		return
	}
	name, ok := targetTable(db.Statement)
	if !ok {
		return
	}
	t := p.registry.tables[name]
	if t == nil || t.kind != tables.Owned {
		return
	}
	s, err := scope.Check(db.Statement.Context)
	if err != nil {
		_ = db.AddError(err) // AddError keeps it and returns it
		return
	}
	if err := stamp(db.Statement, t, s); err != nil {
		_ = db.AddError(err)
		return
	}
	t.scopeConflict(db.Statement)
}

// stamp sets the tenant of every new row in the statement, whatever form the rows have.
func stamp(stmt *gorm.Statement, t *table, s scope.Scope) error {
	switch dest := stmt.Dest.(type) {
	case map[string]any:
		return stampMap(dest, t, s)
	case *map[string]any:
		return stampMap(*dest, t, s)
	case []map[string]any:
		return stampMaps(dest, t, s)
	case *[]map[string]any:
		return stampMaps(*dest, t, s)
	}
	if t.field == nil {
		return nil // a join table that GORM made up: its column has the default
	}
	return stampValue(stmt, t.field, s)
}

func stampMaps(rows []map[string]any, t *table, s scope.Scope) error {
	for _, row := range rows {
		if err := stampMap(row, t, s); err != nil {
			return err
		}
	}
	return nil
}

// stampMap knows the tenant by the column's name and by the field's.
func stampMap(row map[string]any, t *table, s scope.Scope) error {
	for _, key := range t.tenantKeys() {
		if v, ok := row[key]; ok {
			id, err := asUUID(v)
			if err != nil {
				return err
			}
			return check(id, s)
		}
	}
	if s.Kind == scope.System {
		return check(uuid.Nil, s)
	}
	row[tenantColumn] = s.Tenant
	return nil
}

func (t *table) tenantKeys() []string {
	if t.field == nil {
		return []string{tenantColumn}
	}
	return []string{tenantColumn, t.field.Name}
}

// asUUID reads a tenant's id in the forms that a map may hold it in.
func asUUID(v any) (uuid.UUID, error) {
	switch id := v.(type) {
	case uuid.UUID:
		return id, nil
	case *uuid.UUID:
		if id != nil {
			return *id, nil
		}
	case string:
		if parsed, err := uuid.Parse(id); err == nil {
			return parsed, nil
		}
	}
	return uuid.Nil, fmt.Errorf("%w cannot be read from a %T (leave it out, or give a uuid.UUID)", ErrTenantID, v)
}

// stampValue stamps a struct or each struct of a slice.
func stampValue(stmt *gorm.Statement, field *schema.Field, s scope.Scope) error {
	switch stmt.ReflectValue.Kind() { //nolint:exhaustive // GORM refuses what is left
	case reflect.Slice, reflect.Array:
		for i := range stmt.ReflectValue.Len() {
			if err := stampStruct(stmt, field, s, reflect.Indirect(stmt.ReflectValue.Index(i))); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return stampStruct(stmt, field, s, stmt.ReflectValue)
	}
	return nil
}

func stampStruct(stmt *gorm.Statement, field *schema.Field, s scope.Scope, row reflect.Value) error {
	if !row.IsValid() || row.Kind() != reflect.Struct || row.Type() != field.Schema.ModelType && !row.CanAddr() {
		return nil
	}
	value, zero := field.ValueOf(stmt.Context, row)
	if zero && s.Kind != scope.System {
		return field.Set(stmt.Context, row, s.Tenant)
	}
	id, err := asUUID(value)
	if err != nil {
		return err
	}
	return check(id, s)
}

// check compares a tenant that the application has set itself with the one of the context.
func check(id uuid.UUID, s scope.Scope) error {
	switch {
	case s.Kind == scope.System && id == uuid.Nil:
		return fmt.Errorf("%w is missing (the system says whose a new row is: set TenantID)", ErrTenantID)
	case s.Kind != scope.System && id != s.Tenant:
		return fmt.Errorf("%w is not the tenant of ctx (leave it empty): %w", ErrTenantID, core.ErrCrossTenant)
	}
	return nil
}

// scopeConflict gives an ON CONFLICT the tenant column where the columns that it names became unique per tenant.
func (t *table) scopeConflict(stmt *gorm.Statement) {
	c, ok := stmt.Clauses["ON CONFLICT"]
	if !ok {
		return
	}
	conflict, ok := c.Expression.(clause.OnConflict)
	if !ok || len(conflict.Columns) == 0 || t.schema == nil || !t.uniquePerTenant(conflict.Columns) {
		return
	}
	conflict.Columns = append([]clause.Column{{Name: tenantColumn}}, conflict.Columns...)
	c.Expression = conflict
	stmt.Clauses["ON CONFLICT"] = c
}

// uniquePerTenant reports whether a unique index of the model has just these columns besides the tenant's.
func (t *table) uniquePerTenant(columns []clause.Column) bool {
	names := make(map[string]bool, len(columns))
	for _, c := range columns {
		names[c.Name] = true
	}
	if names[tenantColumn] {
		return false
	}
	for _, unique := range uniqueColumns(t.schema) {
		if len(unique) != len(names) {
			continue
		}
		same := true
		for _, column := range unique {
			same = same && names[column]
		}
		if same {
			return true
		}
	}
	return false
}
