package codegen_test

import (
	"slices"
	"strings"
	"testing"

	"entgo.io/ent"
	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
	"entgo.io/ent/entc/load"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/codegen"
)

// What edges point to. What an entity is made of is said where it is used.
type (
	Ticket   struct{ ent.Schema }
	Person   struct{ ent.Schema }
	Country  struct{ ent.Schema }
	Template struct{ ent.Schema }
	Watcher  struct{ ent.Schema }
)

// entity is a schema that a test puts together.
type entity struct {
	ent.Schema

	name        string
	mixins      []ent.Mixin
	fields      []ent.Field
	edges       []ent.Edge
	indexes     []ent.Index
	annotations []schema.Annotation
}

func (e entity) Mixin() []ent.Mixin               { return e.mixins }
func (e entity) Fields() []ent.Field              { return e.fields }
func (e entity) Edges() []ent.Edge                { return e.edges }
func (e entity) Indexes() []ent.Index             { return e.indexes }
func (e entity) Annotations() []schema.Annotation { return e.annotations }

// view is a view that a test puts together.
type view struct {
	ent.View

	made entity
}

func (v view) Mixin() []ent.Mixin               { return v.made.mixins }
func (v view) Fields() []ent.Field              { return v.made.fields }
func (v view) Annotations() []schema.Annotation { return v.made.annotations }

// of makes an entity of mixins, fields, edges, indexes and annotations. Its id is a uuid.
func of(t *testing.T, name string, parts ...any) *load.Schema {
	t.Helper()
	e := assemble(t, name, parts)
	id := func(f ent.Field) bool { return f.Descriptor().Name == "id" }
	if !slices.ContainsFunc(e.fields, id) {
		e.fields = append(e.fields, field.UUID("id", uuid.UUID{}).Default(uuid.New))
	}
	return loaded(t, name, e)
}

func owned(t *testing.T, name string, parts ...any) *load.Schema {
	t.Helper()
	return of(t, name, append([]any{entstratum.Mixin{}}, parts...)...)
}

func mixed(t *testing.T, name string, parts ...any) *load.Schema {
	t.Helper()
	return of(t, name, append([]any{entstratum.OwnOrGlobal{}}, parts...)...)
}

func global(t *testing.T, name string, parts ...any) *load.Schema {
	t.Helper()
	return of(t, name, append([]any{entstratum.Global()}, parts...)...)
}

func viewOf(t *testing.T, name string, parts ...any) *load.Schema {
	t.Helper()
	return loaded(t, name, view{made: assemble(t, name, parts)})
}

func assemble(t *testing.T, name string, parts []any) entity {
	t.Helper()
	e := entity{name: name}
	for _, part := range parts {
		switch part := part.(type) {
		case ent.Mixin:
			e.mixins = append(e.mixins, part)
		case ent.Field:
			e.fields = append(e.fields, part)
		case ent.Edge:
			e.edges = append(e.edges, part)
		case ent.Index:
			e.indexes = append(e.indexes, part)
		case schema.Annotation:
			e.annotations = append(e.annotations, part)
		default:
			require.Failf(t, "unknown part", "%s: %T", name, part)
		}
	}
	return e
}

// loaded passes a schema through the encoding that ent passes it through.
func loaded(t *testing.T, name string, e ent.Interface) *load.Schema {
	t.Helper()
	text, err := load.MarshalSchema(e)
	require.NoError(t, err, name)
	s, err := load.UnmarshalSchema(text)
	require.NoError(t, err, name)
	s.Name = name
	return s
}

// target is where a graph is generated to.
type target struct {
	config  *gen.Config
	options []codegen.Option
	before  []entc.Extension
}

// graph is what ent makes of the schemas, in the order in which it loads them.
func (at target) graph(t *testing.T, schemas ...*load.Schema) *gen.Graph {
	t.Helper()
	ext, err := codegen.NewExtension(at.options...)
	require.NoError(t, err)
	config := at.config
	if config == nil {
		config = &gen.Config{}
	}
	config.Package, config.Schema = "example.com/desk/ent", "example.com/desk/schema"
	if config.Target == "" {
		config.Target = t.TempDir()
	}
	if config.Storage == nil {
		config.Storage, err = gen.NewStorage("sql")
		require.NoError(t, err)
	}
	require.NoError(t, entc.Extensions(append(at.before, ext)...)(config))
	slices.SortFunc(schemas, func(a, b *load.Schema) int { return strings.Compare(a.Name, b.Name) })
	g, err := gen.NewGraph(config, schemas...)
	require.NoError(t, err)
	return g
}

// check runs the hooks of the graph, and generates nothing.
func (at target) check(t *testing.T, schemas ...*load.Schema) error {
	t.Helper()
	g := at.graph(t, schemas...)
	var generator gen.Generator = gen.GenerateFunc(func(*gen.Graph) error { return nil })
	for _, hook := range slices.Backward(g.Hooks) {
		generator = hook(generator)
	}
	return generator.Generate(g)
}

// findings are what the errors of a generation say: schema, object and finding.
func findings(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	require.ErrorIs(t, err, codegen.ErrSchema)
	var first *codegen.SchemaError
	require.ErrorAs(t, err, &first)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%v is not joined", err)
	var found []string
	for _, one := range joined.Unwrap() {
		var refused *codegen.SchemaError
		require.ErrorAs(t, one, &refused)
		require.NotEmpty(t, refused.Cure)
		require.Contains(t, refused.Error(), refused.Finding+" ("+refused.Cure+")")
		where := refused.Schema
		if refused.Object != "" {
			where += "." + refused.Object
		}
		found = append(found, where+": "+refused.Finding)
	}
	return found
}
