package gormstratum

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/isolation"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// inspections look at how the tables are made, where no statement of a tenant could show it.
func (s *isolated) inspections(ctx context.Context) ([]isolation.Path, error) {
	paths := []isolation.Path{adapter.Secured(s.table.schema.Table, s.facts)}
	for _, name := range s.relationNames() {
		join := s.table.schema.Relationships.Relations[name].JoinTable
		if join == nil {
			continue
		}
		t := s.plugin.registry.find(join.Table)
		if t == nil || t.kind != tables.Owned {
			paths = append(paths, adapter.Inspection("join table of "+name, fmt.Sprintf("table %q is not tenant-owned "+
				"(declare its model in Options.Models with a tenant column, not as global or external)", join.Table)))
			continue
		}
		facts, err := s.factsOf(ctx, t)
		if err != nil {
			return nil, err
		}
		paths = append(paths, adapter.Secured(t.schema.Table, facts))
		paths = append(paths, adapter.Joins(t.schema.Table, t.column, facts, s.refersToOwned)...)
	}
	return paths, nil
}

// adapter makes the inspections, which are the same for every adapter.
const adapter = isolation.Adapter("gormstratum")

func (s *isolated) refersToOwned(r isolation.Reference) bool {
	t := s.plugin.registry.find(r.Schema + "." + r.Table)
	if t == nil {
		t = s.plugin.registry.find(r.Table)
	}
	return t != nil && t.kind == tables.Owned
}

// keyPaths try each unique key and each foreign key of the table.
func (s *isolated) keyPaths() []isolation.Path {
	var paths []isolation.Path
	for _, u := range s.facts.Uniques {
		// The key that composite foreign keys refer to holds the primary key, which is no value of the application's.
		if !s.hasPrimaryKey(u.Columns) {
			paths = append(paths, s.unique(u))
		}
	}
	if len(paths) == 0 {
		paths = append(paths, isolation.Path{Name: "unique value of the other tenant", Skipped: "no unique key"})
	}
	references := s.foreignKeys()
	if len(references) == 0 {
		references = append(references, isolation.Path{
			Name: "reference to the other tenant's row", Skipped: "no foreign key to a tenant-owned table",
		})
	}
	return slices.Concat(paths, s.upserts(), references)
}

func (s *isolated) hasPrimaryKey(columns []string) bool {
	for _, f := range s.table.schema.PrimaryFields {
		if f.DBName != s.table.column && !slices.Contains(columns, f.DBName) {
			return false
		}
	}
	return true
}

// unique gives a new row the target's values of a unique key. Where that cannot be tried the key is looked at.
func (s *isolated) unique(u isolation.Unique) isolation.Path {
	name := "unique value of the other tenant in " + u.Name
	if s.table.globallyUnique(u.Name) {
		return isolation.Path{Name: name, Skipped: "Options.GlobalUnique declares it unique across tenants"}
	}
	fields := s.fieldsOf(u)
	if fields == nil {
		return adapter.Inspection(name, adapter.Disclosing(u, s.table.column))
	}
	return isolation.Path{Name: name, Effect: isolation.Shares, Run: func(
		ctx context.Context, a isolation.Attempt,
	) ([]string, error) {
		v, err := s.fill(ctx, s.table, s.valuesOf(a.Target, fields), []*table{s.table})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
		}
		return nil, s.on(ctx).Omit(clause.Associations).Create(v.Interface()).Error
	}}
}

// fieldsOf are the fields of a unique key, or nil where the same values cannot be given to another row: an expression,
// a condition, or a reference, which is another row's in the other tenant.
func (s *isolated) fieldsOf(u isolation.Unique) []*schema.Field {
	if u.Partial {
		return nil
	}
	var fields []*schema.Field
	for _, column := range u.Columns {
		if column == s.table.column {
			continue
		}
		f := s.table.schema.FieldsByDBName[column]
		if f == nil || !f.Creatable || s.refers(f) {
			return nil
		}
		fields = append(fields, f)
	}
	return fields
}

func (s *isolated) refers(f *schema.Field) bool {
	return slices.ContainsFunc(s.linksOf(s.table, s.facts), func(l link) bool { return slices.Contains(l.fields, f) })
}

func (s *isolated) valuesOf(row isolation.Row, fields []*schema.Field) map[string]any {
	values := make(map[string]any, len(fields))
	for _, f := range fields {
		values[f.DBName], _ = f.ValueOf(s.db.Statement.Context, valueOf(row).Elem())
	}
	return values
}

// upserts name each unique key that the model declares in an ON CONFLICT, as a row that the target's values collide
// with.
func (s *isolated) upserts() []isolation.Path {
	f := s.changeable()
	paths := make([]isolation.Path, 0, len(s.table.uniques))
	for _, columns := range s.table.uniques {
		path := isolation.Path{Name: "upsert on " + strings.Join(columns, ", "), Effect: isolation.Writes}
		fields := s.fieldsOf(isolation.Unique{Columns: columns})
		switch {
		case f == nil:
			path.Skipped = noColumn
		case fields == nil:
			path.Skipped = "its columns are references or expressions"
		default:
			path.Run = s.upsert(fields, f)
		}
		paths = append(paths, path)
	}
	return paths
}

func (s *isolated) upsert(fields []*schema.Field, change *schema.Field) runFunc {
	columns := make([]clause.Column, len(fields))
	for i, f := range fields {
		columns[i] = clause.Column{Name: f.DBName}
	}
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		preset := s.valuesOf(a.Target, append([]*schema.Field{change}, fields...))
		preset[change.DBName] = s.changed(change, a.Target)
		v, err := s.fill(ctx, s.table, preset, []*table{s.table})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
		}
		return nil, s.on(ctx).Omit(clause.Associations).Clauses(clause.OnConflict{
			Columns: columns, DoUpdates: clause.AssignmentColumns([]string{change.DBName}),
		}).Create(v.Interface()).Error
	}
}

// foreignKeys make a row of the caller refer to what the target refers to.
func (s *isolated) foreignKeys() []isolation.Path {
	var paths []isolation.Path
	for _, r := range s.facts.References {
		if !s.refersToOwned(r) {
			continue
		}
		name := "reference to the other tenant's row by " + r.Name
		fields := make([]*schema.Field, 0, len(r.Columns))
		for _, column := range r.Columns {
			if column != s.table.column {
				fields = append(fields, s.table.schema.FieldsByDBName[column])
			}
		}
		if len(fields) == 0 || slices.Contains(fields, nil) {
			paths = append(paths, adapter.Inspection(name, adapter.WithoutTenant(r, s.table.column)))
			continue
		}
		paths = append(paths, isolation.Path{Name: name, Effect: isolation.Links, Run: s.refer(r, fields)})
	}
	return paths
}

func (s *isolated) refer(r isolation.Reference, fields []*schema.Field) runFunc {
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		sets := make([]string, len(fields))
		text, key := s.rawIs(a.Own)
		args := make([]any, len(fields), len(fields)+len(key))
		for i, f := range fields {
			value, isZero := f.ValueOf(ctx, valueOf(a.Target).Elem())
			if isZero {
				return nil, fmt.Errorf("%w: the row has no reference by %s", isolation.ErrPrepare, r.Name)
			}
			sets[i], args[i] = isolation.Quote(f.DBName)+" = ?", value
		}
		return nil, s.on(ctx).Exec("UPDATE "+isolation.Quote(s.table.schema.Table)+" SET "+strings.Join(sets, ", ")+
			" WHERE "+questionMarks(text), append(args, key...)...).Error
	}
}
