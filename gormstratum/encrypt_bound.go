package gormstratum

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
)

// Values of fields with the word bound have their row's primary key authenticated with them. So the key must be known
// when a value is sealed, and must never change.

// mayBind refuses a field whose row has a key that the database assigns.
func (t *table) mayBind(f *schema.Field) error {
	for _, key := range t.schema.PrimaryFields {
		if key.AutoIncrement || key.HasDefaultValue || key.TagSettings["DEFAULT"] != "" {
			return fmt.Errorf("%w %s: encrypted field %s is bound to the primary key, which the database assigns to "+
				"%s (assign it in the application, such as a uuid in a BeforeCreate hook, and tag it "+
				"gorm:\"autoIncrement:false\" where it is a number)", ErrModel, t.schema.Name, f.Name, key.Name)
		}
	}
	return nil
}

func (e *encryptedField) bound() bool { return e.sealed.Column().PrimaryKey() }

// hasBound reports whether some value of the table is bound to its row.
func (t *table) hasBound() bool {
	for _, e := range t.encrypted {
		if e.bound() {
			return true
		}
	}
	return false
}

// errNoKey says that a row's key is not known.
func (e *encryptedField) errNoKey(cure string) error {
	return fmt.Errorf("%w: column %s is bound to the primary key of its row (%s)", ErrEncrypted, e, cure)
}

// keyOfRow is what a new row's value is bound to, or nil.
func (t *table) keyOfRow(e *encryptedField, values clause.Values, row int) ([]byte, error) {
	if !e.bound() {
		return nil, nil
	}
	var key []byte
	for _, name := range t.schema.PrimaryFieldDBNames {
		at := slices.IndexFunc(values.Columns, func(c clause.Column) bool { return c.Name == name })
		if at < 0 {
			return nil, e.errNoKey("assign it before the row is created")
		}
		var err error
		if key, err = fieldcrypt.PrimaryKey(key, values.Values[row][at]); err != nil {
			return nil, errors.Join(e.errNoKey("assign it before the row is created"), err)
		}
	}
	return key, nil
}

// keyOfModel is what the value of an UPDATE is bound to: the key of the one row that GORM has taken from the model and
// put into the condition.
func (t *table) keyOfModel(stmt *gorm.Statement, e *encryptedField) ([]byte, error) {
	if !e.bound() {
		return nil, nil
	}
	const cure = "update one row at a time, with its key in the model, as in db.Model(&row).Update"
	row := reflect.Indirect(stmt.ReflectValue)
	if row.Kind() != reflect.Struct || stmt.Schema == nil || row.Type() != stmt.Schema.ModelType || !isUpdate(stmt) ||
		!slices.Equal(stmt.Schema.PrimaryFieldDBNames, t.schema.PrimaryFieldDBNames) {
		return nil, e.errNoKey(cure)
	}
	var key []byte
	for _, f := range stmt.Schema.PrimaryFields {
		value, zero := f.ValueOf(stmt.Context, row)
		if zero {
			return nil, e.errNoKey(cure)
		}
		var err error
		if key, err = fieldcrypt.PrimaryKey(key, value); err != nil {
			return nil, errors.Join(e.errNoKey(cure), err)
		}
	}
	return key, nil
}

func isUpdate(stmt *gorm.Statement) bool {
	return len(stmt.BuildClauses) > 0 && stmt.BuildClauses[0] == "UPDATE"
}

// keepsKey refuses an assignment to a key that values are bound to.
func (t *table) keepsKey(a clause.Assignment) error {
	if !slices.Contains(t.schema.PrimaryFieldDBNames, a.Column.Name) {
		return nil
	}
	return t.refuseKey(a.Column.Name)
}

func (t *table) refuseKey(column string) error {
	for _, e := range t.encrypted {
		if e.bound() {
			return fmt.Errorf("%w: column %q of %q cannot change, because the values of %s are bound to it (make a "+
				"new row and delete the old one)", ErrEncrypted, column, t.schema.Table, e)
		}
	}
	return nil
}

// keepsRow refuses an upsert that would write a value into a row with another key than the one that it was sealed for.
func (t *table) keepsRow(conflict clause.OnConflict) error {
	var names []string
	for _, c := range conflict.Columns {
		if c.Name != t.column {
			names = append(names, c.Name)
		}
	}
	keys := slices.DeleteFunc(slices.Clone(t.schema.PrimaryFieldDBNames), func(name string) bool {
		return name == t.column
	})
	slices.Sort(names)
	slices.Sort(keys)
	for _, a := range conflict.DoUpdates {
		e := t.encrypted[a.Column.Name]
		if e != nil && e.bound() && (conflict.OnConstraint != "" || !slices.Equal(names, keys)) {
			return e.errNoKey("let ON CONFLICT be on the primary key")
		}
	}
	return nil
}

// movesKey returns the column of a key that values are bound to and that raw SQL assigns.
func (s *statementReader) movesKey(r fields.Reference) error {
	f := s.top()
	assigned := f.clause == "SET" && isAssigned(r, fields.TextAt(s.words, r.First-1), fields.TextAt(s.words, r.Last+1))
	if !s.watcher.raw || !assigned && f.before != "SET" {
		return nil
	}
	for _, t := range s.watcher.names.called("") {
		if slices.Contains(t.schema.PrimaryFieldDBNames, r.Name) && t.hasBound() {
			return t.refuseKey(r.Name)
		}
	}
	return nil
}

// bindRows finds the columns of a result that have the key which a value is bound to.
func (w *watcher) bindRows(o *opening, columns []string, prefix string) error {
	if !o.field.bound() {
		return nil
	}
	for _, name := range o.field.table.PrimaryFieldDBNames {
		at := slices.Index(columns, prefix+name)
		if at < 0 {
			return fmt.Errorf("%w: column %s is bound to the primary key of its row, which is not in the result "+
				"(select %q too)", ErrEncrypted, o.field, name)
		}
		o.keys = append(o.keys, at)
	}
	return nil
}
