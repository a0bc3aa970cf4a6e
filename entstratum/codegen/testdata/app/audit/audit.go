// Package audit is an extension of ent's code generation as somebody else might have written it.
package audit

import (
	"embed"
	"os"
	"path/filepath"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
	"entgo.io/ent/schema"
)

// Annotation says how closely a schema is watched.
type Annotation struct {
	Level int
}

// Name of the annotation.
func (Annotation) Name() string { return "Audit" }

// Merge adds levels up.
func (a Annotation) Merge(other schema.Annotation) schema.Annotation {
	if b, ok := other.(Annotation); ok {
		a.Level += b.Level
	}
	return a
}

//go:embed audit.tmpl
var files embed.FS

// Extension counts what is created.
type Extension struct {
	entc.DefaultExtension
}

// Annotations of the whole.
func (Extension) Annotations() []entc.Annotation { return []entc.Annotation{Annotation{Level: 7}} }

// Templates of the extension.
func (Extension) Templates() []*gen.Template {
	return []*gen.Template{gen.MustParse(gen.NewTemplate("audit").ParseFS(files, "audit.tmpl"))}
}

// Options of the extension: features that Stratum does not ask for.
func (Extension) Options() []entc.Option {
	return []entc.Option{entc.FeatureNames("sql/modifier", "privacy")}
}

// Hooks of the extension: one writes a file of its own, before anything else is generated.
func (Extension) Hooks() []gen.Hook {
	return []gen.Hook{func(next gen.Generator) gen.Generator {
		return gen.GenerateFunc(func(g *gen.Graph) error {
			if err := os.MkdirAll(g.Target, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(g.Target, "audit.txt"), []byte("audited\n"), 0o644); err != nil {
				return err
			}
			return next.Generate(g)
		})
	}}
}
