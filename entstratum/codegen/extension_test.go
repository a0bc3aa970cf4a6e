package codegen_test

import (
	"os"
	"testing"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
	"entgo.io/ent/schema/field"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum/codegen"
)

func TestNewExtensionRefusesExternals(t *testing.T) {
	t.Parallel()
	for _, declared := range []string{"", " : SELECT", "river_job: TRUNCATE", "river_job: SELECT; DELETE"} {
		_, err := codegen.NewExtension(codegen.External("river_job"), codegen.External("audit.log: SELECT", declared))
		require.ErrorIs(t, err, codegen.ErrOption, "%q", declared)
	}
}

func TestExtensionFeatures(t *testing.T) {
	t.Parallel()
	g := target{}.graph(t, owned(t, "Ticket"))
	for _, name := range []string{"privacy", "intercept", "sql/execquery"} {
		on, err := g.FeatureEnabled(name)
		require.NoError(t, err)
		require.True(t, on, name)
	}
}

// later is an extension with a hook that changes the graph when everybody has looked at it.
type later struct {
	entc.DefaultExtension

	change func(*gen.Graph)
	called *bool
}

func (l later) Hooks() []gen.Hook {
	return []gen.Hook{func(next gen.Generator) gen.Generator {
		return gen.GenerateFunc(func(g *gen.Graph) error {
			*l.called = true
			l.change(g)
			return next.Generate(g)
		})
	}}
}

// TestCheckComesFirst: hooks of other extensions may write files.
func TestCheckComesFirst(t *testing.T) {
	t.Parallel()
	called := false
	at := target{before: []entc.Extension{later{change: func(*gen.Graph) {}, called: &called}}}
	require.ErrorIs(t, at.check(t, of(t, "Ticket")), codegen.ErrSchema)
	require.False(t, called)
	require.NoError(t, at.check(t, owned(t, "Ticket")))
	require.True(t, called)
}

// TestCheckComesLast: what is generated is what the hooks of other extensions make of the schemas. This is the one test
// that has ent generate in its own process, which it does with global variables.
func TestCheckComesLast(t *testing.T) {
	t.Parallel()
	called, dir := false, t.TempDir()
	unique := func(g *gen.Graph) { g.Nodes[0].Fields[1].Unique = true }
	at := target{config: &gen.Config{Target: dir}, before: []entc.Extension{later{change: unique, called: &called}}}
	err := at.graph(t, owned(t, "Ticket", field.String("number"))).Gen()
	require.True(t, called)
	var refused *codegen.SchemaError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "number", refused.Object)
	written, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, written)
}

func TestSchemaError(t *testing.T) {
	t.Parallel()
	err := &codegen.SchemaError{Schema: "Ticket", Finding: "it is lost", Cure: "find it"}
	require.EqualError(t, err, "stratum: schema Ticket: it is lost (find it)")
	err.Object = "number"
	require.EqualError(t, err, "stratum: schema Ticket.number: it is lost (find it)")
	require.ErrorIs(t, err, codegen.ErrSchema)
}
