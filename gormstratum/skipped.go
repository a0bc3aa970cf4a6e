package gormstratum

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
	"gorm.io/gorm/utils"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// checkConflict looks at what an ON CONFLICT has skipped: nothing that is there because of another tenant may pass for
// success. It costs nothing where each row was written.
func (p *Plugin) checkConflict(db *gorm.DB) {
	p.forget(db)
	conflict, ok := db.Statement.Clauses[conflictClause].Expression.(clause.OnConflict)
	if !ok || db.Error != nil || db.DryRun {
		return
	}
	t := p.target(db.Statement)
	rows := structsOf(db.Statement.ReflectValue)
	if t == nil || !t.kind.HasTenant() || db.Statement.Schema == nil || int(db.RowsAffected) >= len(rows) {
		return
	}
	s, err := scope.Check(db.Statement.Context)
	switch {
	case err != nil:
	case s.Kind != scope.System && conflict.DoNothing:
		err = t.checkSkipped(db, s, conflict.Columns, rows)
	case s.Kind == scope.System && !conflict.DoNothing && len(conflict.Where.Exprs) == 0:
		err = fmt.Errorf("gormstratum: ON CONFLICT met a row of another tenant than the new row's (give it another "+
			"key, or update the row by a statement of its own): %w", core.ErrCrossTenant)
	}
	if err != nil {
		_ = db.AddError(err) // AddError keeps it and returns it
	}
}

// structsOf returns the new rows, where they are structs. Maps are left alone: most have no primary key.
func structsOf(v reflect.Value) []reflect.Value {
	switch v.Kind() { //nolint:exhaustive // there are no rows in the others
	case reflect.Struct:
		return []reflect.Value{v}
	case reflect.Slice, reflect.Array:
		rows := make([]reflect.Value, 0, v.Len())
		for i := range v.Len() {
			if row := reflect.Indirect(v.Index(i)); row.Kind() == reflect.Struct {
				rows = append(rows, row)
			}
		}
		return rows
	}
	return nil
}

// checkSkipped refuses a DO NOTHING that has skipped a row for the sake of another tenant's: one that neither the
// tenant's row of the same primary key explains nor one with the same values in another unique key. Keys of
// expressions are not compared, so a model that has one is not looked at.
func (t *table) checkSkipped(db *gorm.DB, s scope.Scope, target []clause.Column, rows []reflect.Value) error {
	keys, ok := t.keysOf(db.Statement.Schema, target)
	if !ok {
		return nil
	}
	own := reflect.New(reflect.SliceOf(db.Statement.Schema.ModelType))
	ctx := context.WithValue(db.Statement.Context, asStoredKey{}, false) // it compares fields
	tx := db.Session(&gorm.Session{NewDB: true, SkipHooks: true, Context: ctx}).Unscoped().Table(t.schema.Table)
	if s.Kind == scope.Subtree { // whose reads see more than its writes
		tx = tx.Where(t.ownedBy(s.Tenant, clause.CurrentTable))
	}
	var same []clause.Expression
	for _, key := range keys {
		if values := key.values(db, rows); len(values) > 0 {
			column, in := schema.ToQueryValues(clause.CurrentTable, key.columns(), values)
			same = append(same, clause.IN{Column: column, Values: in})
		}
	}
	if err := tx.Where(clause.Or(same...)).Find(own.Interface()).Error; err != nil {
		return err
	}
	return t.explain(db, s.Tenant, keys, rows, structsOf(own.Elem()))
}

// uniqueKey are the fields of a unique key, the primary key or another one.
type uniqueKey []*schema.Field

// keysOf returns the unique keys that can have made a row clash, the primary key first. It reports false where that
// cannot be known.
func (t *table) keysOf(s *schema.Schema, target []clause.Column) ([]uniqueKey, bool) {
	keys := []uniqueKey{s.PrimaryFields}
	if len(s.PrimaryFields) == 0 || s.Table != t.schema.Table {
		return nil, false
	}
	if t.uniquePerTenant(target) {
		return nil, false // a clash of any other key has been an error already
	}
	if isPrimaryKey(s, target) {
		return keys, true
	}
	for _, columns := range slices.Concat(t.uniques, t.crossing) {
		key := make(uniqueKey, len(columns))
		for i, column := range columns {
			if key[i] = s.FieldsByDBName[column]; key[i] == nil {
				return nil, false
			}
		}
		keys = append(keys, key)
	}
	return keys, true
}

func isPrimaryKey(s *schema.Schema, columns []clause.Column) bool {
	for _, c := range columns {
		if f := s.FieldsByDBName[c.Name]; f == nil || !f.PrimaryKey {
			return false
		}
	}
	return len(columns) == len(s.PrimaryFields)
}

func (k uniqueKey) columns() []string { return columnsOf(k) }

// values returns the key's values in the rows that have one.
func (k uniqueKey) values(db *gorm.DB, rows []reflect.Value) [][]any {
	var values [][]any
	for _, row := range rows {
		if value, ok := k.in(db, row); ok {
			values = append(values, value)
		}
	}
	return values
}

// in returns the key's value in a row. A primary key of nothing is one that the database makes.
func (k uniqueKey) in(db *gorm.DB, row reflect.Value) ([]any, bool) {
	value, primary, empty := make([]any, len(k)), true, true
	for i, f := range k {
		v, zero := f.ValueOf(db.Statement.Context, row)
		value[i], primary, empty = v, primary && f.PrimaryKey, empty && zero
	}
	return value, !primary || !empty
}

// explain returns an error for a row that clashes with none of the tenant's own rows. One without a primary key can
// only clash with them, unless a key of the table is unique across tenants.
func (t *table) explain(db *gorm.DB, tenant uuid.UUID, keys []uniqueKey, rows, own []reflect.Value) error {
	taken := make(map[string]bool)
	for _, row := range own {
		for i, key := range keys {
			text, err := t.keyText(db, tenant, key, row)
			if err != nil {
				return err
			}
			taken[strconv.Itoa(i)+text] = true
		}
	}
	for _, row := range rows {
		_, hasPrimary := keys[0].in(db, row)
		explained := !hasPrimary && len(t.crossing) == 0
		for i, key := range keys {
			text, err := t.keyText(db, tenant, key, row)
			if err != nil {
				return err
			}
			explained = explained || taken[strconv.Itoa(i)+text]
		}
		if !explained {
			return fmt.Errorf("gormstratum: ON CONFLICT DO NOTHING skipped a row whose key is taken, though not by a "+
				"row of this tenant (give it another key): %w", core.ErrDuplicateKey)
		}
	}
	return nil
}

// keyText returns what two rows with the same key have in common: of an encrypted column it is the blind index.
func (t *table) keyText(db *gorm.DB, tenant uuid.UUID, key uniqueKey, row reflect.Value) (string, error) {
	value, _ := key.in(db, row)
	for i, f := range key {
		e := t.encrypted[f.DBName]
		if e == nil || e.index == nil {
			continue
		}
		encoded, err := e.encode(db.Statement.Context, value[i])
		if err == nil && encoded != nil {
			encoded, err = e.sealed.Index(db.Statement.Context, tenant, e.index.Index, nil, encoded)
		}
		if err != nil {
			return "", err
		}
		value[i] = encoded
	}
	return utils.ToStringKey(value...), nil
}
