package gormstratum

import (
	"fmt"
	"reflect"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/stamp"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// beforeCreate stamps new rows with the tenant of the context. It runs after the model's own hooks, so that what they
// set is checked too.
func (p *Plugin) beforeCreate(db *gorm.DB) {
	p.guardPool(db)
	p.watch(db)
	if db.Error != nil || db.Statement.SQL.Len() > 0 || !p.known(db) {
		return
	}
	t := p.target(db.Statement)
	if t == nil || !t.kind.HasTenant() {
		return
	}
	s, err := scope.Check(db.Statement.Context)
	if err == nil {
		err = t.stamp(db.Statement, s)
	}
	if err != nil {
		_ = db.AddError(err) // AddError keeps it and returns it
	}
}

// stamp sets the tenant of every new row in the statement, whatever form the rows have.
func (t *table) stamp(stmt *gorm.Statement, s scope.Scope) error {
	switch dest := stmt.Dest.(type) {
	case map[string]any:
		return t.stampMaps(stmt, s, dest)
	case *map[string]any:
		return t.stampMaps(stmt, s, *dest)
	case []map[string]any:
		return t.stampMaps(stmt, s, dest...)
	case *[]map[string]any:
		return t.stampMaps(stmt, s, *dest...)
	}
	// The statement's own schema, for the value may be of another type than the model: db.Table("tickets").Create(&v).
	if stmt.Schema == nil || stmt.Schema.FieldsByDBName[t.column] == nil {
		return nil // no field, such as in a join table that GORM made up: the column has a default
	}
	return t.stampValue(stmt, stmt.Schema.FieldsByDBName[t.column], s)
}

func (t *table) stampMaps(stmt *gorm.Statement, s scope.Scope, rows ...map[string]any) error {
	for _, row := range rows {
		if row == nil {
			continue // a row of defaults
		}
		key, id, err := t.tenantIn(stmt.Schema, row)
		if err != nil {
			return err
		}
		if id, err = t.settle(id, s); err != nil {
			return err
		}
		row[key] = orNil(id)
	}
	return nil
}

// tenantIn looks for the tenant in a map, under any of the names that GORM takes for the column's.
func (t *table) tenantIn(s *schema.Schema, row map[string]any) (key string, id uuid.UUID, err error) {
	for key, value := range row {
		name := key
		if s != nil {
			if field := s.LookUpField(key); field != nil {
				name = field.DBName
			}
		}
		if name == t.column {
			id, err = asUUID(value)
			return key, id, err
		}
	}
	return t.column, uuid.Nil, nil
}

// asUUID reads a tenant's id in the forms that a row may hold it in.
func asUUID(v any) (uuid.UUID, error) {
	switch id := v.(type) {
	case nil:
		return uuid.Nil, nil
	case uuid.UUID:
		return id, nil
	case *uuid.UUID:
		if id == nil {
			return uuid.Nil, nil
		}
		return *id, nil
	case string:
		if parsed, err := uuid.Parse(id); err == nil {
			return parsed, nil
		}
	}
	return uuid.Nil, fmt.Errorf("%w cannot be read from a %T (leave it out, or give a uuid.UUID)", ErrTenantID, v)
}

// stampValue stamps a struct, or each struct of a slice or array.
func (t *table) stampValue(stmt *gorm.Statement, field *schema.Field, s scope.Scope) error {
	if kind := stmt.ReflectValue.Kind(); kind == reflect.Struct || kind == reflect.Array {
		stmt.Dest, stmt.ReflectValue = addressable(stmt.Dest, stmt.ReflectValue)
	}
	switch stmt.ReflectValue.Kind() { //nolint:exhaustive // GORM refuses what is left
	case reflect.Slice, reflect.Array:
		for i := range stmt.ReflectValue.Len() {
			if err := t.stampStruct(stmt, field, s, reflect.Indirect(stmt.ReflectValue.Index(i))); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return t.stampStruct(stmt, field, s, stmt.ReflectValue)
	}
	return nil
}

// addressable returns a value that can be set: a copy, where the application has passed in a struct and not a pointer.
func addressable(dest any, v reflect.Value) (any, reflect.Value) {
	if v.CanAddr() {
		return dest, v
	}
	pointer := reflect.New(v.Type())
	pointer.Elem().Set(v)
	return pointer.Interface(), pointer.Elem()
}

func (t *table) stampStruct(stmt *gorm.Statement, field *schema.Field, s scope.Scope, row reflect.Value) error {
	if row.Kind() != reflect.Struct {
		return nil // a nil pointer, which GORM refuses
	}
	value, zero := field.ValueOf(stmt.Context, row)
	if zero {
		value = uuid.Nil
	}
	id, err := asUUID(value)
	if err != nil {
		return err
	}
	// In an own-and-global table a pointer may be there and hold no id.
	none := zero || id == uuid.Nil
	if id, err = t.settle(id, s); err != nil || !none {
		return err
	}
	return field.Set(stmt.Context, row, orNil(id))
}

// orNil is nothing, which becomes NULL, in the place of no tenant.
func orNil(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id
}

// settle returns the tenant of a new row that the application has given id.
func (t *table) settle(id uuid.UUID, s scope.Scope) (uuid.UUID, error) {
	return stamp.Settle(s, id, t.kind == tables.Mixed)
}

// beforeUpdate stamps a struct whose every field is written, as by Save: one that was not read from the database has no
// tenant, and the system would give its row to none.
func (p *Plugin) beforeUpdate(db *gorm.DB) {
	p.beforeChange(db)
	if db.Error != nil || db.Statement.SQL.Len() > 0 {
		return
	}
	t := p.target(db.Statement)
	if t == nil || !t.kind.HasTenant() {
		return
	}
	if written, _ := db.Statement.SelectAndOmitColumns(false, true); !written[t.column] {
		return
	}
	if err := t.restamp(db.Statement); err != nil {
		_ = db.AddError(err) // AddError keeps it and returns it
	}
}

// restamp gives a struct that an UPDATE takes its values from the tenant, where it has none. A foreign one is the
// database's to refuse.
func (t *table) restamp(stmt *gorm.Statement) error {
	value := reflect.Indirect(reflect.ValueOf(stmt.Dest))
	if value.Kind() != reflect.Struct {
		return nil
	}
	updating := &gorm.Statement{DB: stmt.DB}
	if err := updating.Parse(stmt.Dest); err != nil {
		return nil //nolint:nilerr // GORM parses it again and says so
	}
	field := updating.Schema.FieldsByDBName[t.column]
	if field == nil {
		return nil
	}
	if _, zero := field.ValueOf(stmt.Context, value); !zero {
		return nil
	}
	s, err := scope.Check(stmt.Context)
	if err != nil {
		return err
	}
	id, err := t.settle(uuid.Nil, s)
	if err != nil || id == uuid.Nil {
		return err
	}
	stmt.Dest, value = addressable(stmt.Dest, value)
	return field.Set(stmt.Context, value, id)
}
