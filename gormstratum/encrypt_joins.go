package gormstratum

import (
	"context"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// dropMissing sets the relations of a LEFT JOIN that has found nothing to nil. GORM tells by the first of their columns
// whether there is something, and takes a field with a serializer for a value although it is NULL.
func (p *Plugin) dropMissing(db *gorm.DB) {
	stmt := db.Statement
	if !p.registry.encrypted || db.Error != nil || stmt.Schema == nil || len(stmt.Joins) == 0 {
		return
	}
	for _, row := range structsOf(stmt.ReflectValue) {
		if row.Type() != stmt.Schema.ModelType {
			return
		}
		for _, join := range stmt.Joins {
			dropIn(stmt.Context, stmt.Schema, row, strings.Split(join.Name, "."))
		}
	}
}

// dropIn follows the relations of a join and sets the first that is empty to nil.
func dropIn(ctx context.Context, s *schema.Schema, row reflect.Value, path []string) {
	rel := s.Relationships.Relations[path[0]]
	if rel == nil {
		return // raw SQL
	}
	field := rel.Field.ReflectValueOf(ctx, row)
	if field.Kind() == reflect.Pointer && !field.IsNil() && isMissing(ctx, rel.FieldSchema, field.Elem()) {
		field.SetZero()
		return
	}
	if related := reflect.Indirect(field); len(path) > 1 && related.IsValid() {
		dropIn(ctx, rel.FieldSchema, related, path[1:])
	}
}

// isMissing reports whether a related struct with encrypted fields has no primary key, which a row has.
func isMissing(ctx context.Context, s *schema.Schema, related reflect.Value) bool {
	encrypted := false
	for _, f := range s.Fields {
		encrypted = encrypted || isEncrypted(f)
	}
	for _, f := range s.PrimaryFields {
		if _, zero := f.ValueOf(ctx, related); !zero {
			return false
		}
	}
	return encrypted
}
