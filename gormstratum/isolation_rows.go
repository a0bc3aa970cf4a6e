package gormstratum

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/isolation"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// maxNested is how often a table may occur among the rows that a row refers to, itself included: once more than once,
// so that a row of a tree has a parent.
const maxNested = 2

// errAgain is how a chain of references ends.
var errAgain = errors.New("gormstratum: its references lead back to it")

// link is a reference from a model's fields to those of another, as the database or the model declares it.
type link struct {
	fields, refs []*schema.Field
	table        *table
}

// seed makes a row of the tenant of ctx, and a related one where the paths need it.
func (s *isolated) seed(ctx context.Context, with string) (isolation.Row, error) {
	v, err := s.make(ctx, s.table, nil)
	if err != nil {
		return isolation.Row{}, err
	}
	row := isolation.Row{Keys: map[string]string{"": s.keyOf(s.table, v)}, Value: v}
	if with == "" {
		return row, nil
	}
	related, err := s.relate(ctx, s.table.schema.Relationships.Relations[with], v)
	if err != nil {
		return isolation.Row{}, err
	}
	row.Keys[with] = related
	return row, nil
}

// make makes a row with all that it refers to. preset are fields that must have a value, by their columns.
func (s *isolated) make(ctx context.Context, t *table, preset map[string]any) (reflect.Value, error) {
	return s.makeWithin(ctx, t, preset, nil)
}

func (s *isolated) makeWithin(
	ctx context.Context, t *table, preset map[string]any, within []*table,
) (reflect.Value, error) {
	v, err := s.fill(ctx, t, preset, append(slices.Clone(within), t))
	if err != nil {
		return reflect.Value{}, err
	}
	if err := s.on(ctx).Omit(clause.Associations).Create(v.Interface()).Error; err != nil {
		return reflect.Value{}, fmt.Errorf("gormstratum: making a row of %s: %w (set the fields that need particular "+
			"values in the model that is passed, or give IsolationOptions a Sample)", t.schema.Name, err)
	}
	return v, nil
}

// fill returns a row that is not in the database yet.
func (s *isolated) fill(
	ctx context.Context, t *table, preset map[string]any, within []*table,
) (reflect.Value, error) {
	facts, err := s.factsOf(ctx, t)
	if err != nil {
		return reflect.Value{}, err
	}
	v := reflect.New(t.schema.ModelType)
	if sample := s.samples[t]; sample != nil {
		v = sample()
	}
	for column, value := range preset {
		if err := t.schema.FieldsByDBName[column].Set(ctx, v.Elem(), value); err != nil {
			return reflect.Value{}, fmt.Errorf("gormstratum: making a row of %s: %w", t.schema.Name, err)
		}
	}
	referring := make(map[*schema.Field]bool)
	for _, l := range s.linksOf(t, facts) {
		if err := s.follow(ctx, l, v, within); err != nil {
			return reflect.Value{}, err
		}
		for _, f := range l.fields {
			referring[f] = true
		}
	}
	for _, f := range t.schema.Fields {
		if _, isZero := f.ValueOf(ctx, v.Elem()); !isZero || referring[f] || !needsValue(t, facts, f) {
			continue
		}
		if err := setSample(ctx, f, facts.Column(f.DBName), v.Elem()); err != nil {
			return reflect.Value{}, fmt.Errorf("gormstratum: making a row of %s: %s: %w", t.schema.Name, f.Name, err)
		}
	}
	return v, nil
}

// linksOf are the references of a table's rows, those of the database first.
func (s *isolated) linksOf(t *table, facts *isolation.Facts) []link {
	links := make([]link, 0, len(facts.References)+len(t.schema.Relationships.BelongsTo))
	for _, r := range facts.References {
		parent := s.plugin.registry.find(r.Schema + "." + r.Table)
		if parent == nil {
			parent = s.plugin.registry.find(r.Table)
		}
		l := link{table: parent}
		for i, column := range r.Columns {
			if column == t.column || parent == nil || parent.schema == nil {
				continue
			}
			l.fields = append(l.fields, t.schema.FieldsByDBName[column])
			l.refs = append(l.refs, parent.schema.FieldsByDBName[r.RefColumns[i]])
		}
		links = append(links, l)
	}
	for _, rel := range t.schema.Relationships.BelongsTo {
		l := link{table: s.plugin.registry.find(rel.FieldSchema.Table)}
		for _, ref := range rel.References {
			if ref.PrimaryKey != nil && ref.ForeignKey.DBName != t.column {
				l.fields, l.refs = append(l.fields, ref.ForeignKey), append(l.refs, ref.PrimaryKey)
			}
		}
		links = append(links, l)
	}
	return slices.DeleteFunc(links, func(l link) bool {
		return len(l.fields) == 0 || slices.Contains(l.fields, nil) || slices.Contains(l.refs, nil)
	})
}

// follow makes the row that v refers to, unless v says already which that is.
func (s *isolated) follow(ctx context.Context, l link, v reflect.Value, within []*table) error {
	for _, f := range l.fields {
		if _, isZero := f.ValueOf(ctx, v.Elem()); !isZero {
			return nil
		}
	}
	parent, err := s.parent(ctx, l.table, within)
	if errors.Is(err, errAgain) {
		return nil // left empty; the database says whether that will do
	}
	if err != nil {
		return err
	}
	for i, f := range l.fields {
		value, _ := l.refs[i].ValueOf(ctx, parent.Elem())
		if err := f.Set(ctx, v.Elem(), value); err != nil {
			return fmt.Errorf("gormstratum: making a row: %s: %w", f.Name, err)
		}
	}
	return nil
}

// parent makes a row to refer to. Of a global table any row will do.
func (s *isolated) parent(ctx context.Context, t *table, within []*table) (reflect.Value, error) {
	if t.kind != tables.Global {
		nested := 0
		for _, other := range within {
			if other == t {
				nested++
			}
		}
		if nested >= maxNested {
			return reflect.Value{}, errAgain
		}
		return s.makeWithin(ctx, t, nil, within)
	}
	v := reflect.New(t.schema.ModelType)
	err := s.on(ctx).Take(v.Interface()).Error
	if !errors.Is(err, gorm.ErrRecordNotFound) {
		return v, err
	}
	v, err = s.makeWithin(core.AsSystem(ctx, "stratumtest.AssertIsolated"), t, nil, within)
	if err == nil {
		s.globals = append(s.globals, made{t, v})
	}
	return v, err
}

// needsValue reports whether a new row must bring a value for a field. What the database or GORM fills in is left
// alone, and so is what may be empty, but for unique fields: an empty one would show nothing of them.
func needsValue(t *table, facts *isolation.Facts, f *schema.Field) bool {
	if f.DBName == "" || f.DBName == t.column || !f.Creatable || f.AutoCreateTime+f.AutoUpdateTime > 0 ||
		f.HasDefaultValue || f.AutoIncrement {
		return false
	}
	c := facts.Column(f.DBName)
	if f.PrimaryKey || f.NotNull || c != nil && c.NotNull || facts.IsUnique(f.DBName) {
		return true
	}
	// GORM writes '' and 0 where there is no pointer, never NULL.
	return f.FieldType.Kind() != reflect.Pointer && f.FieldType.Kind() != reflect.Struct
}

func setSample(ctx context.Context, f *schema.Field, c *isolation.Column, row reflect.Value) error {
	if value := valueFor(f, c); value != nil {
		return f.Set(ctx, row, value)
	}
	return nil
}

// valueFor returns a new value for a field, or nil where nothing is known of its type: its zero value may do.
func valueFor(f *schema.Field, c *isolation.Column) any {
	if len(labels(c)) > 0 {
		return c.Text()
	}
	switch f.IndirectFieldType {
	case reflect.TypeFor[uuid.UUID]():
		return uuid.New()
	case reflect.TypeFor[time.Time]():
		return time.Now().UTC().Truncate(time.Microsecond)
	}
	switch f.IndirectFieldType.Kind() { //nolint:exhaustive // what is left has the zero value
	case reflect.String:
		return clipTo(c.Text(), f.Size)
	case reflect.Int8, reflect.Uint8:
		return 1 + rand.IntN(100) //nolint:gosec // a test's value, no secret
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return 1 + rand.IntN(30000) //nolint:gosec // a test's value, no secret
	}
	if f.Serializer != nil || f.DataType == schema.Bool {
		return nil
	}
	if c == nil || c.IsText() || f.IndirectFieldType.Kind() == reflect.Slice {
		return nil
	}
	return c.Text()
}

func labels(c *isolation.Column) []string {
	if c == nil {
		return nil
	}
	return c.Labels
}

// clipTo cuts a text of ASCII off at a field's size. 0 is none.
func clipTo(text string, size int) string {
	if size > 0 && size < len(text) {
		return text[:size]
	}
	return text
}

// keyOf is what a row is recognised by: its table and primary key.
func (s *isolated) keyOf(t *table, v reflect.Value) string {
	parts := make([]string, 0, 1+len(t.schema.PrimaryFields))
	parts = append(parts, t.schema.Table)
	for _, f := range t.schema.PrimaryFields {
		value, _ := f.ValueOf(s.db.Statement.Context, reflect.Indirect(v))
		parts = append(parts, fmt.Sprint(value))
	}
	return strings.Join(parts, "/")
}

// keysOf are the keys of a slice of rows.
func (s *isolated) keysOf(t *table, rows reflect.Value) []string {
	keys := make([]string, rows.Len())
	for i := range keys {
		keys[i] = s.keyOf(t, rows.Index(i))
	}
	return keys
}

// relationNames are those of the model, in order. GORM keeps others' relations to it among them.
func (s *isolated) relationNames() []string {
	relations := s.table.schema.Relationships.Relations
	return slices.DeleteFunc(slices.Sorted(maps.Keys(relations)), func(name string) bool {
		return relations[name].Schema != s.table.schema || relations[name].Name != name
	})
}
