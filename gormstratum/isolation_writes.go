package gormstratum

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// noColumn is why paths that change a column are not tried.
const noColumn = "no column that any value may be written to"

// changeable returns a field whose column takes another value without any other row knowing, or nil. One that is
// encrypted is the last to be taken.
func (s *isolated) changeable() *schema.Field {
	if f := s.changeableOf(func(f *schema.Field) bool { return f.Serializer == nil }); f != nil {
		return f
	}
	return s.changeableOf(func(f *schema.Field) bool {
		e := s.table.encrypted[f.DBName]
		return e != nil && !e.bound()
	})
}

func (s *isolated) changeableOf(accept func(*schema.Field) bool) *schema.Field {
	referring := make(map[*schema.Field]bool)
	for _, l := range s.linksOf(s.table, s.facts) {
		for _, f := range l.fields {
			referring[f] = true
		}
	}
	i := slices.IndexFunc(s.table.schema.Fields, func(f *schema.Field) bool {
		c := s.facts.Column(f.DBName)
		return c != nil && f.DBName != s.table.column && f.Updatable && !f.PrimaryKey && !referring[f] &&
			accept(f) && f.AutoCreateTime+f.AutoUpdateTime == 0 && !s.facts.IsUnique(f.DBName) &&
			hasOther(f, c)
	})
	if i < 0 {
		return nil
	}
	return s.table.schema.Fields[i]
}

// hasOther reports whether changed knows another value for each value of the column.
func hasOther(f *schema.Field, c *isolation.Column) bool {
	if f.IndirectFieldType == reflect.TypeFor[time.Time]() {
		return !c.Checked
	}
	switch f.IndirectFieldType.Kind() { //nolint:exhaustive // the others' values are not known
	case reflect.String:
		_, ok := c.Other(c.Text())
		return ok
	case reflect.Bool, reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return !c.Checked
	}
	return false
}

// changed is another value than the row has.
func (s *isolated) changed(f *schema.Field, row isolation.Row) any {
	old := f.ReflectValueOf(s.db.Statement.Context, valueOf(row).Elem())
	for old.Kind() == reflect.Pointer {
		if old.IsNil() {
			old = reflect.Zero(f.IndirectFieldType)
			break
		}
		old = old.Elem()
	}
	switch {
	case f.IndirectFieldType == reflect.TypeFor[time.Time]():
		return time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	case old.Kind() == reflect.String:
		text, _ := s.facts.Column(f.DBName).Other(old.String())
		return clipTo(text, f.Size)
	case old.Kind() == reflect.Bool:
		return !old.Bool()
	case old.CanFloat():
		return old.Float() + 1
	}
	return old.Int() + 1
}

func (s *isolated) writes() []isolation.Path {
	return append([]isolation.Path{
		writing("Create", func(ctx context.Context, _ isolation.Attempt) error {
			_, err := s.make(ctx, s.table, nil)
			return err
		}),
		writing("Create with the tenant's id", func(ctx context.Context, a isolation.Attempt) error {
			return s.create(ctx, a.Target, func(v any) error {
				return s.on(ctx).Omit(clause.Associations).Create(v).Error
			})
		}),
		writing("Create of a slice with the tenant's id", func(ctx context.Context, a isolation.Attempt) error {
			return s.create(ctx, a.Target, func(v any) error {
				rows := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(v)), 0, 1)
				rows = reflect.Append(rows, reflect.ValueOf(v))
				return s.on(ctx).Omit(clause.Associations).Create(rows.Interface()).Error
			})
		}),
		writing("Delete by primary key", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Delete(s.keyed(a.Target)).Error
		}),
		writing("Delete with Unscoped", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Unscoped().Where(s.is(a.Target)).Delete(s.blank()).Error
		}),
		writing("Delete behind a widening Or", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Where("1 = 0").Or(s.is(a.Target)).Delete(s.blank()).Error
		}),
		writing("Delete in a transaction", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Transaction(func(tx *gorm.DB) error { return tx.Delete(s.keyed(a.Target)).Error })
		}),
	}, s.updates()...)
}

func writing(name string, run func(context.Context, isolation.Attempt) error) isolation.Path {
	return isolation.Path{
		Name: name, Effect: isolation.Writes,
		Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) { return nil, run(ctx, a) },
	}
}

// create makes a new row that says to be the target's tenant's. What it refers to is the caller's.
func (s *isolated) create(ctx context.Context, target isolation.Row, insert func(any) error) error {
	v, err := s.fill(ctx, s.table, nil, []*table{s.table})
	if err != nil {
		return fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
	}
	field := s.table.schema.FieldsByDBName[s.table.column]
	tenant, _ := field.ValueOf(ctx, valueOf(target).Elem())
	if err := field.Set(ctx, v.Elem(), tenant); err != nil {
		return fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
	}
	return insert(v.Interface())
}

// copyOf is the target's row with another value in f.
func (s *isolated) copyOf(target isolation.Row, f *schema.Field) reflect.Value {
	v := reflect.New(s.table.schema.ModelType)
	v.Elem().Set(valueOf(target).Elem())
	_ = f.Set(s.db.Statement.Context, v.Elem(), s.changed(f, target)) // of the field's own kind
	return v
}

func (s *isolated) updates() []isolation.Path {
	f := s.changeable()
	paths := []isolation.Path{
		writing("Save", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Omit(clause.Associations).Save(s.copyOf(a.Target, f).Interface()).Error
		}),
		writing("Update of a column", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Model(s.keyed(a.Target)).Update(f.DBName, s.changed(f, a.Target)).Error
		}),
		writing("Updates with a map", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Model(s.blank()).Where(s.is(a.Target)).
				Updates(map[string]any{f.DBName: s.changed(f, a.Target)}).Error
		}),
		writing("Updates with a struct", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Model(s.blank()).Where(s.is(a.Target)).Select(f.Name).Omit(clause.Associations).
				Updates(s.copyOf(a.Target, f).Interface()).Error
		}),
		writing("UpdateColumn with Returning", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Model(s.keyed(a.Target)).Clauses(clause.Returning{}).
				UpdateColumn(f.DBName, s.changed(f, a.Target)).Error
		}),
		writing("Update behind a widening Or", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Model(s.blank()).Where("1 = 0").Or(s.is(a.Target)).
				Update(f.DBName, s.changed(f, a.Target)).Error
		}),
		writing("Update in a savepoint", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Transaction(func(tx *gorm.DB) error {
				return tx.Transaction(func(nested *gorm.DB) error {
					return nested.Model(s.keyed(a.Target)).Update(f.DBName, s.changed(f, a.Target)).Error
				})
			})
		}),
		writing("upsert on the primary key", func(ctx context.Context, a isolation.Attempt) error {
			return s.on(ctx).Omit(clause.Associations).Clauses(clause.OnConflict{
				Columns: s.keyColumns(), DoUpdates: clause.AssignmentColumns([]string{f.DBName}),
			}).Create(s.copyOf(a.Target, f).Interface()).Error
		}),
	}
	if f == nil {
		for i := range paths {
			paths[i].Skipped = noColumn
		}
	}
	return paths
}

func (s *isolated) keyColumns() []clause.Column {
	columns := make([]clause.Column, len(s.table.schema.PrimaryFields))
	for i, f := range s.table.schema.PrimaryFields {
		columns[i] = clause.Column{Name: f.DBName}
	}
	return columns
}
