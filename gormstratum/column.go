package gormstratum

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// The words of the tag stratum on a field. A word that is none of them is refused: misspelled, it would leave undone
// what the model asks for.
const (
	tagKey    = "stratum"
	tagTenant = "tenant" // the field is the tenant column
	tagGlobal = "global" // and rows without a tenant are everyone's
)

// tenantField returns the field of the tenant column and what it makes of the table: Owned, Mixed, or Global where
// there is no such field.
func tenantField(s *schema.Schema, column string) (*schema.Field, tables.Kind, error) {
	field, kind, err := taggedField(s)
	if err != nil {
		return nil, kind, err
	}
	named := s.FieldsByDBName[column]
	switch {
	case field != nil && named != nil && named != field && column != tables.DefaultColumn:
		return nil, kind, fmt.Errorf("%w %s declares %q as its tenant column and has the one of Options.TenantColumn, "+
			"%q, too (remove one of the two)", ErrModel, s.Name, field.DBName, column)
	case field == nil && named == nil:
		return nil, tables.Global, nil
	case field == nil:
		field, kind = named, tables.Owned
	}
	return field, kind, checkTenantField(s, field, kind)
}

// taggedField returns the field that the model itself declares as its tenant column, or nil.
func taggedField(s *schema.Schema) (field *schema.Field, kind tables.Kind, err error) {
	for _, f := range s.Fields {
		tag, ok := f.Tag.Lookup(tagKey)
		if !ok || isEncrypted(f) { // which has words of its own
			continue
		}
		words := strings.Split(strings.ReplaceAll(tag, " ", ""), ",")
		for _, word := range words {
			if word != tagTenant && word != tagGlobal {
				return nil, kind, fmt.Errorf("%w %s: field %s has the unknown word %q in its tag stratum (use %s, or "+
					"%s,%s)", ErrModel, s.Name, f.Name, word, tagTenant, tagTenant, tagGlobal)
			}
		}
		if words[0] != tagTenant || f.DBName == "" {
			return nil, kind, fmt.Errorf("%w %s: the tag stratum:%q of field %s does not make it a tenant column (use "+
				"%s, or %s,%s, on a field with a column)",
				ErrModel, s.Name, tag, f.Name, tagTenant, tagTenant, tagGlobal)
		}
		if field != nil {
			return nil, kind, fmt.Errorf("%w %s has two tenant columns, %q and %q (remove one of the two)",
				ErrModel, s.Name, field.DBName, f.DBName)
		}
		field, kind = f, tables.Owned
		if slices.Contains(words, tagGlobal) {
			kind = tables.Mixed
		}
	}
	return field, kind, nil
}

// checkTenantField wants the type of a tenant's id. An application's own key, such as a bigint, stays where it is.
func checkTenantField(s *schema.Schema, f *schema.Field, kind tables.Kind) error {
	pointer := f.FieldType == reflect.TypeFor[*uuid.UUID]()
	switch {
	case kind == tables.Owned && f.FieldType == reflect.TypeFor[uuid.UUID](), kind == tables.Mixed && pointer:
		return nil
	case kind == tables.Mixed:
		return fmt.Errorf("%w %s: field %s of column %q is a %s, and nil is what makes a row everyone's (use "+
			"*uuid.UUID of github.com/google/uuid)", ErrModel, s.Name, f.Name, f.DBName, f.FieldType)
	case pointer:
		return fmt.Errorf("%w %s: field %s of column %q is a %s (use uuid.UUID of github.com/google/uuid; or, if rows "+
			"without a tenant are everyone's, embed gormstratum.OwnOrGlobal or tag it stratum:\"tenant,global\")",
			ErrModel, s.Name, f.Name, f.DBName, f.FieldType)
	}
	cure := "use uuid.UUID of github.com/google/uuid"
	if f.DataType == schema.Int || f.DataType == schema.Uint {
		cure = "a tenant's id is a uuid: leave this key as it is, give the model a tenant column beside it, and map " +
			"the key's values to the external ids of tenants with gormstratum.Adopt"
	}
	return fmt.Errorf("%w %s: field %s of column %q is a %s (%s)",
		ErrModel, s.Name, f.Name, f.DBName, f.FieldType, cure)
}

// checkNulls refuses unique keys that could hold NULL in an own-and-global table. What makes everyone's rows unique
// among themselves is that NULL equals NULL, in every column of the key.
func checkNulls(t *table) error {
	var fields []*schema.Field
	for _, u := range t.schema.ParseUniqueConstraints() {
		fields = append(fields, u.Field)
	}
	for _, index := range t.schema.ParseIndexes() {
		if index.Class != uniqueClass || !t.canLead(index) {
			continue
		}
		if index.Option != "" {
			return fmt.Errorf("%w %s: unique index %q has an option, and gets NULLS NOT DISTINCT because rows may be "+
				"everyone's (leave the option out)", ErrModel, t.schema.Name, index.Name)
		}
		for _, f := range index.Fields {
			fields = append(fields, f.Field)
		}
	}
	for _, f := range fields {
		if !f.NotNull && !f.PrimaryKey && holdsNull(f.FieldType) {
			return fmt.Errorf("%w %s: field %s is in a unique index and may be NULL, which can be there once because "+
				"rows may be everyone's (tag it not null)", ErrModel, t.schema.Name, f.Name)
		}
	}
	return nil
}

// holdsNull reports whether a field of the type is NULL in the database by its zero value.
func holdsNull(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		return true
	}
	valuer, ok := reflect.Zero(t).Interface().(driver.Valuer)
	if !ok {
		return false
	}
	value, err := valuer.Value()
	return err == nil && value == nil
}
