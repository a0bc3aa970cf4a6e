package gormstratum

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// relationPaths take each relation of the model.
func (s *isolated) relationPaths() []isolation.Path {
	var paths []isolation.Path
	for _, name := range s.relationNames() {
		rel := s.table.schema.Relationships.Relations[name]
		other := s.plugin.registry.find(rel.FieldSchema.Table)
		if other == nil || !other.kind.HasTenant() {
			const elsewhere = "it leads to no tenant-owned model"
			paths = append(paths, isolation.Path{Name: "relation " + name, Skipped: elsewhere})
			continue
		}
		paths = append(paths, s.relationReads(rel, other)...)
		paths = append(paths, s.relationWrites(rel)...)
	}
	if len(paths) == 0 {
		return []isolation.Path{{Name: "relations", Skipped: "no relation"}}
	}
	return paths
}

// relate makes a related row for a row and returns its key.
func (s *isolated) relate(ctx context.Context, rel *schema.Relationship, row reflect.Value) (string, error) {
	other := s.plugin.registry.find(rel.FieldSchema.Table)
	if rel.Type == schema.BelongsTo { // make has made it
		related := reflect.New(rel.FieldSchema.ModelType)
		err := s.on(ctx).Model(row.Interface()).Association(rel.Name).Find(related.Interface())
		return s.keyOf(other, related), err
	}
	related, err := s.make(ctx, other, s.referring(rel, row))
	if err != nil || rel.JoinTable == nil {
		return s.keyOrNone(other, related), err
	}
	return s.keyOf(other, related), s.on(ctx).Table(rel.JoinTable.Table).Create(s.joined(ctx, rel, row, related)).Error
}

func (s *isolated) keyOrNone(t *table, v reflect.Value) string {
	if !v.IsValid() {
		return ""
	}
	return s.keyOf(t, v)
}

// referring are the values with which a row of a has-one or has-many relation refers to row.
func (s *isolated) referring(rel *schema.Relationship, row reflect.Value) map[string]any {
	values := make(map[string]any)
	if rel.JoinTable != nil {
		return values
	}
	for _, ref := range rel.References {
		if ref.PrimaryKey == nil {
			values[ref.ForeignKey.DBName] = ref.PrimaryValue // the type of a polymorphic relation
			continue
		}
		values[ref.ForeignKey.DBName], _ = ref.PrimaryKey.ValueOf(s.db.Statement.Context, row.Elem())
	}
	return values
}

// joined is the row of a join table between two rows.
func (s *isolated) joined(ctx context.Context, rel *schema.Relationship, row, related reflect.Value) map[string]any {
	values := make(map[string]any)
	for _, ref := range rel.References {
		side := related
		if ref.OwnPrimaryKey {
			side = row
		}
		values[ref.ForeignKey.DBName], _ = ref.PrimaryKey.ValueOf(ctx, side.Elem())
	}
	return values
}

func (s *isolated) relationReads(rel *schema.Relationship, other *table) []isolation.Path {
	path := func(name string, run runFunc) isolation.Path {
		return isolation.Path{Name: name + " of " + rel.Name, With: rel.Name, Sees: rel.Name, Run: run}
	}
	paths := []isolation.Path{
		path("Preload", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.loaded(rel, other, func(dest any) *gorm.DB {
				return s.on(ctx).Preload(rel.Name).Where(s.is(a.Target)).Find(dest)
			})
		}),
		path("Association Find", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.foundOf(other, func(dest any) error {
				// The whole row, for a belongs-to looks for what it refers to.
				return s.on(ctx).Model(valueOf(a.Target).Interface()).Association(rel.Name).Find(dest)
			})
		}),
		path("Raw SELECT", func(ctx context.Context, _ isolation.Attempt) ([]string, error) {
			return s.foundOf(other, func(dest any) error {
				return s.on(ctx).Raw("SELECT * FROM " + isolation.Quote(other.schema.Table)).Scan(dest).Error
			})
		}),
	}
	if rel.Type == schema.BelongsTo || rel.Type == schema.HasOne {
		paths = append(paths, path("Joins", func(ctx context.Context, a isolation.Attempt) ([]string, error) {
			return s.loaded(rel, other, func(dest any) *gorm.DB {
				return s.on(ctx).Joins(rel.Name).Where(s.is(a.Target)).Find(dest)
			})
		}))
	}
	if rel.JoinTable != nil {
		paths = append(paths, path("Raw SELECT of the join table", s.selectJoins(rel)))
	}
	return paths
}

// loaded are the keys of what a relation holds after a read of the model.
func (s *isolated) loaded(rel *schema.Relationship, other *table, query func(any) *gorm.DB) ([]string, error) {
	rows := reflect.New(reflect.SliceOf(s.table.schema.ModelType))
	err := query(rows.Interface()).Error
	var keys []string
	for i := range rows.Elem().Len() {
		held := reflect.Indirect(rel.Field.ReflectValueOf(s.db.Statement.Context, rows.Elem().Index(i)))
		switch {
		case !held.IsValid():
		case held.Kind() == reflect.Slice:
			keys = append(keys, s.keysOf(other, held)...)
		case !held.IsZero():
			keys = append(keys, s.keyOf(other, held))
		}
	}
	return keys, err
}

// selectJoins sees the related row by a row of the join table.
func (s *isolated) selectJoins(rel *schema.Relationship) runFunc {
	return func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		var conditions []string
		var args []any
		for _, ref := range rel.References {
			if ref.OwnPrimaryKey {
				value, _ := ref.PrimaryKey.ValueOf(ctx, valueOf(a.Target).Elem())
				conditions = append(conditions, isolation.Quote(ref.ForeignKey.DBName)+" = ?")
				args = append(args, value)
			}
		}
		var n int64
		err := s.on(ctx).Raw("SELECT count(*) FROM "+isolation.Quote(rel.JoinTable.Table)+" WHERE "+
			strings.Join(conditions, " AND "), args...).Scan(&n).Error
		if n == 0 {
			return nil, err
		}
		return []string{a.Target.Keys[rel.Name]}, err
	}
}

func (s *isolated) relationWrites(rel *schema.Relationship) []isolation.Path {
	other := s.plugin.registry.find(rel.FieldSchema.Table)
	var paths []isolation.Path
	switch {
	case rel.JoinTable != nil:
		paths = s.joinWrites(rel, other)
	case rel.Type == schema.BelongsTo: // see foreignKeys
	default:
		paths = append(paths, s.childWrite(rel, other))
	}
	return paths
}

// childWrite makes a row of a has-one or has-many relation that refers to the target.
func (s *isolated) childWrite(rel *schema.Relationship, other *table) isolation.Path {
	path := isolation.Path{Name: "row of " + rel.Name + " that refers to the row", Effect: isolation.Links}
	if !s.hasForeignKey(rel, other) {
		path.Skipped = "no foreign key in the database: nothing says whether there is such a row"
		return path
	}
	path.Run = func(ctx context.Context, a isolation.Attempt) ([]string, error) {
		v, err := s.fill(ctx, other, s.referring(rel, valueOf(a.Target)), []*table{other})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
		}
		return nil, s.on(ctx).Omit(clause.Associations).Create(v.Interface()).Error
	}
	return path
}

// hasForeignKey reports whether the database has one for a has-one or has-many relation.
func (s *isolated) hasForeignKey(rel *schema.Relationship, other *table) bool {
	column := rel.References[0].ForeignKey.DBName
	return slices.ContainsFunc(s.known[other].References, func(r isolation.Reference) bool {
		return slices.Contains(r.Columns, column)
	})
}

// joinWrites link and unlink rows.
func (s *isolated) joinWrites(rel *schema.Relationship, other *table) []isolation.Path {
	link := func(name string, run func(ctx context.Context, target, related reflect.Value) error) isolation.Path {
		return isolation.Path{
			Name: name + " of " + rel.Name, Effect: isolation.Links,
			Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) {
				related, err := s.make(ctx, other, nil)
				if err != nil {
					return nil, fmt.Errorf("%w: %w", isolation.ErrPrepare, err)
				}
				return nil, run(ctx, valueOf(a.Target), related)
			},
		}
	}
	return []isolation.Path{
		link("INSERT into the join table", func(ctx context.Context, target, related reflect.Value) error {
			return s.on(ctx).Table(rel.JoinTable.Table).Create(s.joined(ctx, rel, target, related)).Error
		}),
		link("Association Append", func(ctx context.Context, target, related reflect.Value) error {
			return s.on(ctx).Omit(rel.Name + ".*").Model(s.copied(target)).Association(rel.Name).
				Append(related.Interface())
		}),
		link("Association Replace", func(ctx context.Context, target, related reflect.Value) error {
			return s.on(ctx).Omit(rel.Name + ".*").Model(s.copied(target)).Association(rel.Name).
				Replace(related.Interface())
		}),
		{
			Name: "Association Clear of " + rel.Name, Effect: isolation.Writes, With: rel.Name,
			Run: func(ctx context.Context, a isolation.Attempt) ([]string, error) {
				return nil, s.on(ctx).Model(s.copied(valueOf(a.Target))).Association(rel.Name).Clear()
			},
		},
	}
}

// copied is a row that GORM may change: Association writes to the model that it is given.
func (s *isolated) copied(v reflect.Value) any {
	c := reflect.New(v.Type().Elem())
	c.Elem().Set(v.Elem())
	return c.Interface()
}
