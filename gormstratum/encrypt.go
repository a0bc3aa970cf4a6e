package gormstratum

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
	"github.com/stratum-hq/stratum-go/internal/watch"
)

// serializerName is what stands in a model's tag: gorm:"serializer:encrypted".
const serializerName = "encrypted"

// registerSerializer makes GORM parse the tag. GORM knows serializers by name, for the whole process: this one has
// neither keys nor a handle, so that it does not matter how often it is registered, and for which of several handles.
func registerSerializer() { schema.RegisterSerializer(serializerName, serializer{}) }

// serializer is GORM's part in encrypted fields: it turns a field's value into bytes and back. What seals them is the
// plugin of the statement that they get into, and what opens them is that of the statement that they come from.
type serializer struct{}

// Value returns what the plugin seals. Where there is none, its own Value makes the statement fail.
func (serializer) Value(_ context.Context, _ *schema.Field, _ reflect.Value, value any) (any, error) {
	encoded, null, err := fieldcrypt.Encode(nil, value)
	if err != nil || null {
		return nil, err
	}
	return plain{encoded}, nil
}

// Scan sets the field to a value that the plugin has opened.
func (serializer) Scan(ctx context.Context, field *schema.Field, dst reflect.Value, value any) error {
	target := field.ReflectValueOf(ctx, dst)
	if value == nil {
		target.SetZero()
		return nil
	}
	if b, ok := value.([]byte); ok {
		w, opens := watch.From(ctx).(*watcher)
		if opens = opens && !w.stored; !opens && fields.LooksSealed(b) {
			return fmt.Errorf("%w: field %s of %s was read on a way that the plugin does not see (call db.Use first "+
				"and read with that db, and not under AsStored)", ErrEncrypted, field.Name, field.Schema.Name)
		}
	}
	if text, ok := value.(string); ok && field.FieldType.Kind() == reflect.String {
		target.SetString(text)
		return nil
	}
	encoded, _, err := fieldcrypt.Encode(nil, value)
	if err != nil {
		return err
	}
	v := reflect.New(field.FieldType)
	if err := fieldcrypt.Decode(encoded, v.Interface()); err != nil {
		return fmt.Errorf("field %s of %s: %w", field.Name, field.Schema.Name, err)
	}
	target.Set(v.Elem())
	return nil
}

// plain is a value on its way to being sealed. It never prints what it is, and no driver takes it.
type plain struct{ encoded []byte }

// Value refuses: nothing has sealed the value.
func (plain) Value() (driver.Value, error) {
	return nil, fmt.Errorf("%w: a value was not sealed (call db.Use(gormstratum.New(st, ...)) before the model is "+
		"used, with the model in Options.Models, and use that db)", ErrEncrypted)
}

// Format hides the value.
func (plain) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[encrypted]")) }

// plainOf returns what GORM's serializer has made of a model's field.
func plainOf(value any) (encoded []byte, ok bool, err error) {
	if p, ok := value.(plain); ok {
		return p.encoded, true, nil
	}
	// The type, in which a field with a serializer gets into statements, is one that GORM keeps to itself.
	valuer, ok := value.(driver.Valuer)
	if !ok || reflect.TypeOf(value).String() != "*schema.serializer" {
		return nil, false, nil
	}
	v, err := valuer.Value()
	if err != nil {
		return nil, true, err
	}
	if p, ok := v.(plain); ok {
		return p.encoded, true, nil
	}
	return nil, v == nil, nil
}

// blindIndex is what an encrypted column is looked up by, with the column that it is in.
type blindIndex struct {
	*fieldcrypt.Index

	column string
}

// encryptedField is a column of which the database sees nothing but sealed values.
type encryptedField struct {
	table   *schema.Schema
	field   *schema.Field
	sealed  *core.SealedColumn
	indexes []*blindIndex
	index   *blindIndex // what the column is looked up by under its own name, or nil
	plain   string      // the column of values in the clear while it is encrypted in place, or empty
}

// indexSuffix is what the name of a blind index' column ends in.
const indexSuffix = "_bidx"

// indexColumn is the column of the blind index of a name.
func indexColumn(f *schema.Field, name string) string {
	if name != "" {
		name = "_" + name
	}
	return f.DBName + name + indexSuffix
}

// addIndexes keeps the blind indexes of the declaration. That without a name answers for the column, or the only one.
func (e *encryptedField) addIndexes() {
	for _, i := range e.sealed.Column().Indexes() {
		e.indexes = append(e.indexes, &blindIndex{i, indexColumn(e.field, i.Name())})
		if i.Name() == "" {
			e.index = e.indexes[len(e.indexes)-1]
		}
	}
	if len(e.indexes) == 1 {
		e.index = e.indexes[0]
	}
}

// indexIn returns the blind index in a column, or nil.
func (e *encryptedField) indexIn(column string) *blindIndex {
	for _, i := range e.indexes {
		if i.column == column {
			return i
		}
	}
	return nil
}

// String names the column, for errors.
func (e *encryptedField) String() string { return fmt.Sprintf("%q.%q", e.table.Table, e.field.DBName) }

// encode returns the bytes of a value that is to be sealed or looked up, or nil for NULL. What is no field of a model
// becomes one first, so that it is stored as the model will read it.
func (e *encryptedField) encode(ctx context.Context, value any) ([]byte, error) {
	if encoded, ok, err := plainOf(value); ok || err != nil {
		return encoded, err
	}
	if value == nil {
		return nil, nil
	}
	if isExpression(value) {
		return nil, fmt.Errorf("%w: column %s cannot take an expression or a sub-query, whose value only the database "+
			"knows (read the value first, and give that)", ErrEncrypted, e)
	}
	row := reflect.New(e.table.ModelType).Elem()
	if err := e.field.Set(ctx, row, value); err != nil { // it quotes the value
		return nil, fmt.Errorf("column %s: %w", e, &fieldcrypt.TypeError{Go: fmt.Sprintf("%T", value)})
	}
	encoded, _, err := fieldcrypt.Encode(nil, e.field.ReflectValueOf(ctx, row).Interface())
	return encoded, err
}

// isExpression reports whether a value is for the database to compute.
func isExpression(value any) bool {
	switch v := value.(type) {
	case subquery, clause.Interface, clause.Expression, clause.Column, clause.Table, gorm.Valuer, *gorm.DB, []*gorm.DB:
		return true
	case []any:
		for _, one := range v {
			if isExpression(one) {
				return true
			}
		}
	}
	return false
}

// seal returns what is stored of a value: the column's and those of the blind indexes. All are nil for NULL.
func (e *encryptedField) seal(
	ctx context.Context, tenant uuid.UUID, value any, primaryKey []byte,
) (sealed any, indexes []any, err error) {
	indexes = make([]any, len(e.indexes))
	encoded, err := e.encode(ctx, value)
	if err != nil || encoded == nil {
		return nil, indexes, err
	}
	bytes, err := e.sealed.Seal(ctx, tenant, nil, encoded, primaryKey)
	if err != nil {
		return nil, nil, fmt.Errorf("column %s: %w", e, err)
	}
	for i, index := range e.indexes {
		blind, err := e.sealed.Index(ctx, tenant, index.Index, nil, encoded)
		if err != nil {
			return nil, nil, fmt.Errorf("column %s: %w", e, err)
		}
		indexes[i] = blind
	}
	return bytes, indexes, nil
}

// asStoredKey is the place of AsStored in a context.
type asStoredKey struct{}

// AsStored returns ctx for statements that see encrypted columns as they are stored: conditions, orders and expressions
// on them are not looked at, and what is read of them is bytea and ciphertext. It is the way out for statements such as
// a count of values that are there, or a copy to another database; reading a model under it is ErrEncrypted. What is
// written through a model is sealed as ever.
func AsStored(ctx context.Context) context.Context {
	return context.WithValue(ctx, asStoredKey{}, true)
}

func wantsStored(ctx context.Context) bool { return ctx.Value(asStoredKey{}) == true }

// forget takes the values out of a statement that was refused: GORM gives them to its logger.
func (p *Plugin) forget(db *gorm.DB) {
	if p.registry.encrypted && db.Error != nil && isRefusal(db.Error) && !db.DryRun {
		db.Statement.Vars = nil
		db.Statement.SQL.Reset()
	}
}

func isRefusal(err error) bool {
	return errors.Is(err, ErrEncrypted) || errors.Is(err, fieldcrypt.ErrType) || errors.Is(err, core.ErrDecrypt)
}
