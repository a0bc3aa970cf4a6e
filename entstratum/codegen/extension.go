package codegen

import (
	"embed"
	"text/template"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

//go:embed templates/*.tmpl
var files embed.FS

// Extension is Stratum's extension of ent's code generation. It turns on ent's features privacy, intercept and
// sql/execquery, refuses schemas whose rows could cross the boundary between tenants, and adds to the generated client
// OpenStratum, StratumMigrate, StratumScript, StratumVerify and StratumTables.
type Extension struct {
	entc.DefaultExtension

	external  []string
	templates []*gen.Template
}

// NewExtension returns the extension. It goes with others, in any order.
func NewExtension(options ...Option) (*Extension, error) {
	e := &Extension{}
	for _, option := range options {
		if err := option(e); err != nil {
			return nil, err
		}
	}
	t, err := gen.NewTemplate("stratum").Funcs(e.funcs()).ParseFS(files, "templates/*.tmpl")
	if err != nil {
		return nil, err
	}
	e.templates = []*gen.Template{t}
	return e, nil
}

// Options turns on what the generated code needs of ent.
func (*Extension) Options() []entc.Option {
	return []entc.Option{entc.FeatureNames(
		gen.FeaturePrivacy.Name, gen.FeatureIntercept.Name, gen.FeatureExecQuery.Name,
	)}
}

// Hooks checks the schemas before anything is written: a schema that is refused leaves the generated files as they are.
func (*Extension) Hooks() []gen.Hook {
	return []gen.Hook{func(next gen.Generator) gen.Generator {
		return gen.GenerateFunc(func(g *gen.Graph) error {
			if err := check(g); err != nil {
				return err
			}
			return next.Generate(g)
		})
	}}
}

// Templates adds to the generated client.
func (e *Extension) Templates() []*gen.Template { return e.templates }

// funcs are called by the templates.
func (e *Extension) funcs() template.FuncMap {
	return template.FuncMap{
		"stratumTables":   registryOf,
		"stratumExternal": func() []string { return e.external },
		"stratumTenant":   func(a gen.Annotations) bool { return classOf(a).hasTenant() },
	}
}
