package gormstratum

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// The statements of this file are the application's own SQL, which the plugin does not change: what refuses them is the
// boundary.

// positional is a parameter of PostgreSQL's, for which GORM writes a question mark.
var positional = regexp.MustCompile(`\$\d+`)

func questionMarks(text string) string { return positional.ReplaceAllString(text, "?") }

// selectFrom is a SELECT of all columns.
func (s *isolated) selectFrom() string {
	return "SELECT * FROM " + isolation.Quote(s.table.schema.Table)
}

// selectInClear is a SELECT of the columns that plain SQL can read: what is encrypted is the plugin's to open.
func (s *isolated) selectInClear() string {
	if len(s.table.encrypted) == 0 {
		return s.selectFrom()
	}
	var columns []string
	for _, name := range s.table.schema.DBNames {
		if s.table.encrypted[name] == nil {
			columns = append(columns, quoteName(name))
		}
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + isolation.Quote(s.table.schema.Table)
}

func (s *isolated) rawReads() []isolation.Path {
	return []isolation.Path{
		{Name: "Raw SELECT", Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			text, args := s.rawIs(a.Target)
			return s.found(func(dest any) *gorm.DB {
				return s.on(ctx).Raw(s.selectFrom()+" WHERE "+questionMarks(text), args...).Scan(dest)
			})
		}},
		{Name: "Raw SELECT of everything", Run: func(ctx context.Context, _ isolation.Attempt) ([]string, error) {
			return s.found(func(dest any) *gorm.DB { return s.on(ctx).Raw(s.selectFrom()).Scan(dest) })
		}},
		{Name: "database/sql SELECT", Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			pool, err := s.db.DB()
			if err != nil {
				return nil, err
			}
			text, args := s.rawIs(a.Target)
			rows, err := pool.QueryContext(ctx, s.selectInClear()+" WHERE "+text, args...)
			if err != nil {
				return nil, err
			}
			return s.scanned(rows)
		}},
		{Name: "database/sql SELECT in a transaction", Run: s.sqlInTransaction},
	}
}

func (s *isolated) sqlInTransaction(ctx context.Context, a isolation.Attempt) ([]string, error) {
	pool, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it has nothing to do
	text, args := s.rawIs(a.Target)
	rows, err := tx.QueryContext(ctx, s.selectInClear()+" WHERE "+text, args...)
	if err != nil {
		return nil, err
	}
	keys, err := s.scanned(rows)
	if err != nil {
		return keys, err
	}
	return keys, tx.Commit()
}

// returning is what GORM asks a new row for. Without it the database checks only what may be written, and not whether
// the writer may see it.
var returning = regexp.MustCompile(` RETURNING "[^']*$`)

// rawInsert sends an INSERT that says to be of the target's tenant. GORM writes it, for the system, who may.
func (s *isolated) rawInsert(ctx context.Context, a isolation.Attempt) ([]string, error) {
	pool, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	return nil, s.create(ctx, a.Target, func(v any) error {
		system := core.AsSystem(ctx, "stratumtest.AssertIsolated")
		dry := s.db.Session(&gorm.Session{NewDB: true, Context: system, DryRun: true, SkipDefaultTransaction: true})
		written := dry.Omit(clause.Associations).Create(v)
		if written.Error != nil {
			return fmt.Errorf("%w: %w", isolation.ErrPrepare, written.Error)
		}
		text := returning.ReplaceAllString(written.Statement.SQL.String(), "")
		_, err := pool.ExecContext(ctx, text, written.Statement.Vars...)
		return err
	})
}

// rawWrites add, change and remove a row by its primary key, and try to give one away.
func (s *isolated) rawWrites() []isolation.Path {
	table, tenant := isolation.Quote(s.table.schema.Table), isolation.Quote(s.table.column)
	change := isolation.Path{Name: "Exec UPDATE", Effect: isolation.Writes}
	if f := s.changeable(); f == nil {
		change.Skipped = noColumn
	} else if isEncrypted(f) {
		change.Skipped = "raw SQL cannot write " + f.Name + ", which is encrypted"
	} else {
		change.Run = func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			text, args := s.rawIs(a.Target)
			return nil, s.on(ctx).Exec("UPDATE "+table+" SET "+isolation.Quote(f.DBName)+" = ? WHERE "+
				questionMarks(text), append([]any{s.changed(f, a.Target)}, args...)...).Error
		}
	}
	return []isolation.Path{
		{Name: "database/sql INSERT with the tenant's id", Effect: isolation.Writes, Run: s.rawInsert},
		change,
		writing("Exec DELETE", func(ctx context.Context, a isolation.Attempt) error {
			text, args := s.rawIs(a.Target)
			return s.on(ctx).Exec("DELETE FROM "+table+" WHERE "+questionMarks(text), args...).Error
		}),
		{Name: "Exec UPDATE of the tenant column", Effect: isolation.Links, Run: func(
			ctx context.Context, a isolation.Attempt,
		) ([]string, error) {
			text, args := s.rawIs(a.Own)
			field := s.table.schema.FieldsByDBName[s.table.column]
			value, _ := field.ValueOf(ctx, valueOf(a.Target).Elem())
			return nil, s.on(ctx).Exec("UPDATE "+table+" SET "+tenant+" = ? WHERE "+questionMarks(text),
				append([]any{value}, args...)...).Error
		}},
	}
}
