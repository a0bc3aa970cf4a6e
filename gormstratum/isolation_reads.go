package gormstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// valueOf is the model's value in a row of seed's.
func valueOf(row isolation.Row) reflect.Value {
	v, _ := row.Value.(reflect.Value)
	return v
}

// is is the condition on the primary key.
func (s *isolated) is(row isolation.Row) clause.Expression {
	conditions := make([]clause.Expression, 0, len(s.table.schema.PrimaryFields))
	for _, f := range s.table.schema.PrimaryFields {
		value, _ := f.ValueOf(s.db.Statement.Context, valueOf(row).Elem())
		column := clause.Column{Table: clause.CurrentTable, Name: f.DBName}
		conditions = append(conditions, clause.Eq{Column: column, Value: value})
	}
	return clause.And(conditions...)
}

// rawIs is the same as text, for statements that the application writes.
func (s *isolated) rawIs(row isolation.Row) (text string, args []any) {
	conditions := make([]string, 0, len(s.table.schema.PrimaryFields))
	for _, f := range s.table.schema.PrimaryFields {
		value, _ := f.ValueOf(s.db.Statement.Context, valueOf(row).Elem())
		conditions = append(conditions, fmt.Sprintf("%s = $%d", isolation.Quote(f.DBName), len(args)+1))
		args = append(args, value)
	}
	return strings.Join(conditions, " AND "), args
}

// keyed is a model with nothing but the primary key of a row.
func (s *isolated) keyed(row isolation.Row) any {
	v := reflect.New(s.table.schema.ModelType)
	for _, f := range s.table.schema.PrimaryFields {
		value, _ := f.ValueOf(s.db.Statement.Context, valueOf(row).Elem())
		_ = f.Set(s.db.Statement.Context, v.Elem(), value) // it comes from the same field
	}
	return v.Interface()
}

// blank is an empty model.
func (s *isolated) blank() any { return reflect.New(s.table.schema.ModelType).Interface() }

// found collects the rows of the model that query reads.
func (s *isolated) found(query func(dest any) *gorm.DB) ([]string, error) {
	return s.foundOf(s.table, func(dest any) error { return query(dest).Error })
}

func (s *isolated) foundOf(t *table, read func(dest any) error) ([]string, error) {
	rows := reflect.New(reflect.SliceOf(t.schema.ModelType))
	err := read(rows.Interface())
	return s.keysOf(t, rows.Elem()), err
}

type runFunc = func(context.Context, isolation.Attempt) ([]string, error)

// reads are what GORM offers to read a model with.
func (s *isolated) reads() []isolation.Path {
	find := func(narrow func(*gorm.DB, isolation.Attempt) *gorm.DB) runFunc {
		return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.found(func(dest any) *gorm.DB { return narrow(s.on(ctx), a).Find(dest) })
		}
	}
	return []isolation.Path{
		{Name: "Find by primary key", Run: find(func(db *gorm.DB, a isolation.Attempt) *gorm.DB {
			return db.Where(s.is(a.Target))
		})},
		{Name: "Find of everything", Run: find(func(db *gorm.DB, _ isolation.Attempt) *gorm.DB { return db })},
		{Name: "Find behind a widening Or", Run: find(func(db *gorm.DB, a isolation.Attempt) *gorm.DB {
			return db.Where(s.is(a.Own)).Or("1 = 1")
		})},
		{Name: "Find behind a raw condition", Run: find(func(db *gorm.DB, _ isolation.Attempt) *gorm.DB {
			return db.Where("1 = 0\nOR\t1 = 1")
		})},
		{Name: "Find with Unscoped", Run: find(func(db *gorm.DB, a isolation.Attempt) *gorm.DB {
			return db.Unscoped().Where(s.is(a.Target))
		})},
		{Name: "Find with a sub-query", Run: find(func(db *gorm.DB, a isolation.Attempt) *gorm.DB {
			first := s.table.schema.PrimaryFields[0].DBName
			inner := s.db.Model(s.blank()).Select(first).Where(s.is(a.Target))
			return db.Where(isolation.Quote(first)+" IN (?)", inner)
		})},
		{Name: "Find with a lock", Run: find(func(db *gorm.DB, a isolation.Attempt) *gorm.DB {
			return db.Clauses(clause.Locking{Strength: "UPDATE"}).Where(s.is(a.Target))
		})},
		{Name: "Find with PrepareStmt", Run: find(func(db *gorm.DB, a isolation.Attempt) *gorm.DB {
			prepared := &gorm.Session{NewDB: true, Context: db.Statement.Context, PrepareStmt: true}
			return db.Session(prepared).Where(s.is(a.Target))
		})},
		{Name: "First", Run: s.first},
		{Name: "Count", Run: s.count},
		s.pluck(),
		{Name: "Rows", Run: s.rows},
		{Name: "Table without a model", Run: s.withoutModel},
		{Name: "Find in a transaction", Run: s.inTransaction},
		{Name: "Find in Connection", Run: s.inConnection},
	}
}

func (s *isolated) first(ctx context.Context, a isolation.Attempt) ([]string, error) {
	v := s.blank()
	if err := s.on(ctx).Where(s.is(a.Target)).First(v).Error; err != nil {
		return nil, err
	}
	return []string{s.keyOf(s.table, reflect.ValueOf(v))}, nil
}

// count sees a row by the number.
func (s *isolated) count(ctx context.Context, a isolation.Attempt) ([]string, error) {
	var n int64
	err := s.on(ctx).Model(s.blank()).Where(s.is(a.Target)).Count(&n).Error
	if n == 0 {
		return nil, err
	}
	return []string{a.Target.Keys[""]}, err
}

func (s *isolated) pluck() isolation.Path {
	path := isolation.Path{Name: "Pluck of the primary key"}
	if len(s.table.schema.PrimaryFields) > 1 {
		path.Skipped = "the primary key has more than one column"
		return path
	}
	path.Run = func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		var keys []string
		column := s.table.schema.PrimaryFields[0].DBName
		err := s.on(ctx).Model(s.blank()).Where(s.is(a.Target)).Pluck(column, &keys).Error
		for i, key := range keys {
			keys[i] = s.table.schema.Table + "/" + key
		}
		return keys, err
	}
	return path
}

func (s *isolated) rows(ctx context.Context, a isolation.Attempt) ([]string, error) {
	rows, err := s.on(ctx).Model(s.blank()).Where(s.is(a.Target)).Rows()
	if err != nil {
		return nil, err
	}
	return s.scanned(rows)
}

// scanned reads rows of the model to the end.
func (s *isolated) scanned(rows *sql.Rows) (keys []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v := s.blank()
		if err := s.db.ScanRows(rows, v); err != nil {
			return keys, err
		}
		keys = append(keys, s.keyOf(s.table, reflect.ValueOf(v)))
	}
	return keys, rows.Err()
}

func (s *isolated) withoutModel(ctx context.Context, a isolation.Attempt) ([]string, error) {
	text, args := s.rawIs(a.Target)
	var rows []map[string]any
	// GORM has question marks.
	err := s.on(ctx).Table(s.table.schema.Table).Where(questionMarks(text), args...).Find(&rows).Error
	keys := make([]string, 0, len(rows))
	for range rows {
		keys = append(keys, a.Target.Keys[""])
	}
	return keys, err
}

func (s *isolated) inTransaction(ctx context.Context, a isolation.Attempt) (keys []string, err error) {
	err = s.on(ctx).Transaction(func(tx *gorm.DB) error {
		return tx.Transaction(func(nested *gorm.DB) (err error) {
			keys, err = s.found(func(dest any) *gorm.DB { return nested.Where(s.is(a.Target)).Find(dest) })
			return err
		})
	})
	return keys, err
}

func (s *isolated) inConnection(ctx context.Context, a isolation.Attempt) (keys []string, err error) {
	err = s.on(ctx).Connection(func(conn *gorm.DB) (err error) {
		keys, err = s.found(func(dest any) *gorm.DB { return conn.Where(s.is(a.Target)).Find(dest) })
		return err
	})
	return keys, err
}
