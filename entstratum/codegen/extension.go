package codegen

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
)

//go:embed templates/*.tmpl
var files embed.FS

// Extension is Stratum's extension of ent's code generation. It turns on ent's features privacy, intercept and
// sql/execquery, refuses schemas whose rows could cross the boundary between tenants, and adds to the generated client
// OpenStratum, StratumMigrate, StratumMigrations, StratumScript, StratumVerify and StratumTables.
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

// Options turns on what the generated code needs of ent, and puts the check in front of the hooks of all extensions,
// whichever comes first in entc.go: a schema that is refused leaves the generated files as they are, and others'.
func (e *Extension) Options() []entc.Option {
	return []entc.Option{
		entc.FeatureNames(gen.FeaturePrivacy.Name, gen.FeatureIntercept.Name, gen.FeatureExecQuery.Name),
		func(config *gen.Config) error {
			config.Hooks = append([]gen.Hook{e.hook}, config.Hooks...)
			return nil
		},
	}
}

// hook checks the schemas before anything is written.
func (e *Extension) hook(next gen.Generator) gen.Generator {
	return gen.GenerateFunc(func(g *gen.Graph) error {
		err := check(g, e.external)
		if err == nil {
			err = next.Generate(g)
		}
		if err == nil {
			return nil
		}
		if undone := untouch(g.Target); undone != nil {
			return errors.Join(err, undone)
		}
		return err
	})
}

// toolsTag is what ent puts in front of runtime.go, where that imports the schemas, and leaves there when it fails.
const toolsTag = "// +build tools\n"

// untouch takes off what ent has put in front of a file before it has called the hooks.
func untouch(target string) error {
	path := filepath.Join(target, "runtime.go")
	text, err := os.ReadFile(path) //nolint:gosec // the target of code generation
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("entstratum/codegen: reading what ent has changed: %w", err)
	}
	rest, tagged := bytes.CutPrefix(text, []byte(toolsTag))
	if !tagged {
		return nil
	}
	if err := os.WriteFile(path, rest, 0o644); err != nil { //nolint:gosec // as ent writes it, and it exists
		return fmt.Errorf("entstratum/codegen: restoring what ent has changed: %w", err)
	}
	return nil
}

// Templates adds to the generated client.
func (e *Extension) Templates() []*gen.Template { return e.templates }

// funcs are called by the templates.
func (e *Extension) funcs() template.FuncMap {
	return template.FuncMap{
		"stratumTables":   e.registry,
		"stratumExternal": func() []string { return e.external },
		"stratumTenant":   func(a gen.Annotations) bool { return classOf(a).hasTenant() },
		// Fields that are stored encrypted.
		"stratumEncrypted":    isEncrypted,
		"stratumFound":        isFound,
		"stratumOps":          opsOf,
		"stratumHasEncrypted": hasEncrypted,
	}
}

// registry checks the schemas once more, as the hooks of other extensions have left them, and returns their tables. ent
// writes nothing until all templates have run.
func (e *Extension) registry(g *gen.Graph) ([]entstratum.Table, error) {
	if err := check(g, e.external); err != nil {
		return nil, err
	}
	return registryOf(g)
}
