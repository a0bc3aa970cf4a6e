package codegen

import (
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// everySchema is what an error concerns that is of no schema by itself.
const everySchema = "*"

// checkConfig looks at how ent is to generate.
func (c *checker) checkConfig(g *gen.Graph) {
	if g.Storage != nil && g.Storage.Name != "sql" {
		c.refuse(everySchema, "", fmt.Sprintf("ent's storage is %q", g.Storage.Name), "leave entc.Storage at \"sql\"")
	}
	named := slices.ContainsFunc(g.Nodes, func(n *gen.Type) bool {
		a := n.EntSQL()
		return a != nil && a.Schema != ""
	})
	if on, _ := g.FeatureEnabled(gen.FeatureSchemaConfig.Name); on && !named {
		c.refuse(everySchema, "", "ent's feature sql/schemaconfig names the schema of a table in some statements and "+
			"not in others", "leave it out of the features: Stratum sets the search_path of each statement")
	}
}

// checkPlace wants a table to be where the search_path finds it, and to be among those that are migrated.
func (c *checker) checkPlace(n *gen.Type) {
	bound := func(object string, a *entsql.Annotation) {
		if a != nil && a.Schema != "" {
			c.refuse(n.Name, object, fmt.Sprintf("its table is bound to the schema %q, wherever the tenant is placed",
				a.Schema), "remove entsql.Schema: Stratum sets the search_path of each statement")
		}
	}
	bound("", n.EntSQL())
	for _, e := range n.Edges {
		if !isThroughEdge(e) {
			bound(e.Name, e.EntSQL())
		}
	}
	if a := n.EntSQL(); a != nil && a.Skip && !n.IsView() {
		c.refuse(n.Name, "", "its table is left out of the migration, and would have no policies",
			"remove entsql.Skip()")
	}
	c.checkName(n)
}

// checkName wants a schema's name to be free in the generated client.
func (c *checker) checkName(n *gen.Type) {
	const cure = "give it another name, and its table the old one with entsql.Table"
	if slices.Contains(generatedFuncs(), n.Name) {
		c.refuse(n.Name, "", "the generated client has a function of its name, or of its plural", cure)
	}
	if slices.Contains(generatedPackages(), n.PackageDir()) {
		c.refuse(n.Name, "", "the generated client has a package of its name", cure)
	}
	taken := func(name string) bool { return strings.EqualFold(strings.ReplaceAll(name, "_", ""), generatedMethod) }
	for _, f := range n.Fields {
		if taken(f.Name) {
			c.refuse(n.Name, f.Name, "the generated mutation has a method of its name",
				"give it another name, and its column the old one with StorageKey")
		}
	}
	for _, e := range n.Edges {
		if taken(e.Name) {
			c.refuse(n.Name, e.Name, "the generated mutation has a field of its name", "give it another name")
		}
	}
}

// generatedMethod is what the templates add to mutations, where ent adds methods and fields named after a schema's.
const generatedMethod = "StratumState"

// generatedFuncs are the names of schemas for which ent would declare what the templates declare: a type of the name,
// or one of its plural.
func generatedFuncs() []string {
	return []string{
		"OpenStratum", "StratumMigrate", "StratumMigrations", "StratumScript", "StratumVerify", "StratumTables",
		"StratumTable",
	}
}

// generatedPackages are those that ent generates beside the ones of schemas, with the features that Stratum turns on.
func generatedPackages() []string {
	return []string{"enttest", "hook", "intercept", "internal", "migrate", "predicate", "privacy", "runtime"}
}

// checkTables wants each table to be declared once: of two declarations only one would hold.
func (c *checker) checkTables(g *gen.Graph, external []string) {
	owners := make(map[string]string)
	own := func(table, owner, schema, object, cure string) {
		if other, ok := owners[table]; ok {
			c.refuse(schema, object, fmt.Sprintf("its table %q is also that of %s", table, other), cure)
			return
		}
		owners[table] = owner
	}
	for _, n := range g.Nodes {
		own(n.Table(), n.Name, n.Name, "", "give it a table of its own with entsql.Table")
	}
	const cure = "give it a table of its own with edge.Table, or an edge schema with Through"
	for _, n := range g.Nodes {
		for _, e := range n.Edges {
			if e.M2M() && !e.IsInverse() && throughOf(e) == nil {
				own(e.Rel.Table, n.Name+"."+e.Name, n.Name, e.Name, cure)
			}
		}
	}
	for _, declared := range external {
		if t, err := tables.ParseExternal(declared); err == nil && t.Schema == "" {
			own(t.Name, "External", everySchema, "", "name tables with External that no schema has")
		}
	}
}
