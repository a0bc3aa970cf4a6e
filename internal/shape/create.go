package shape

import (
	"slices"
	"strings"
)

// Create returns the statements that make the tables in schemas that exist and have none of them, as the login that is
// to own them, with the search_path at SearchPath. They may be sent as one text, joined by semicolons. Where names of
// the model are taken in a schema, the server refuses.
//
// There are no rows yet to be validated. There are as few statements as will do, since each has its cost in a fleet of
// a thousand schemas.
func Create(s Shape) []string {
	c := creation{made: map[name]bool{}, wanted: map[name]bool{}}
	for i := range s.Tables {
		c.wanted[s.Tables[i].key()] = true
	}
	for i := range s.Tables {
		c.table(&s.Tables[i])
	}
	c.grants(s)
	for i := range s.Tables {
		c.finish(&s.Tables[i])
	}
	c.add(makeViews(s.Views)...)
	return c.statements
}

// creation gathers statements.
type creation struct {
	statements   []string
	made, wanted map[name]bool
	later        map[name][]string // foreign keys to tables that are not made yet
}

func (c *creation) add(statements ...string) { c.statements = append(c.statements, statements...) }

// table makes a table with its keys and indexes, and those foreign keys whose other side is there: as part of CREATE
// TABLE they cost least.
func (c *creation) table(t *Table) {
	var inline []Constraint
	for _, k := range t.Constraints {
		if k.Type != foreignKey || c.canRefer(t, k) {
			inline = append(inline, k)
			continue
		}
		if c.later == nil {
			c.later = map[name][]string{}
		}
		c.later[t.key()] = append(c.later[t.key()], "ADD "+k.define())
	}
	c.add(t.make(inline)...)
	c.made[t.key()] = true
}

// canRefer reports whether what a foreign key refers to is there when the table is made. A key on the table itself may
// stand on an index that comes after it.
func (c *creation) canRefer(t *Table, k Constraint) bool {
	ref := name{k.RefSchema, k.RefTable}
	if ref == t.key() {
		return !slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Unique })
	}
	return c.made[ref] || !c.wanted[ref]
}

// make returns the statements for a table with some of its constraints, its sequences and its indexes.
func (t *Table) make(constraints []Constraint) (statements []string) {
	for _, s := range t.Sequences {
		if !s.Identity {
			statements = append(statements, t.createSequence(s))
		}
	}
	statements = append(statements, t.createTable(constraints))
	for _, s := range t.Sequences {
		if !s.Identity {
			statements = append(statements, t.ownSequence(s))
		}
	}
	for _, x := range t.Indexes {
		statements = append(statements, x.Definition)
		if x.Comment != "" {
			statements = append(statements, t.comment(x.Name, x.Comment))
		}
	}
	for _, k := range constraints {
		if k.Comment != "" {
			statements = append(statements, t.comment(k.Name, k.Comment))
		}
	}
	return statements
}

// finish adds what follows when all tables are there: foreign keys, triggers, and policies last.
func (c *creation) finish(t *Table) {
	if keys := c.later[t.key()]; len(keys) > 0 {
		c.add(t.alter(keys...))
	}
	c.add(t.makeTriggers()...)
	c.add(t.makePolicies()...)
}

func (t *Table) makeTriggers() (statements []string) {
	for _, g := range t.Triggers {
		statements = append(statements, g.Definition)
		if !g.isUsual() {
			statements = append(statements, t.alter(g.enable()))
		}
	}
	return statements
}

// makePolicies protects the table, and sets the replica identity in the same statement.
func (t *Table) makePolicies() (statements []string) {
	for _, p := range t.Policies {
		statements = append(statements, t.createPolicy(p))
	}
	var changes []string
	if t.Secured {
		changes = append(changes, "ENABLE ROW LEVEL SECURITY")
	}
	if t.Forced {
		changes = append(changes, "FORCE ROW LEVEL SECURITY")
	}
	if t.Replica != "" && t.Replica != replicaDefault {
		changes = append(changes, t.replica())
	}
	if len(changes) > 0 {
		statements = append(statements, t.alter(changes...))
	}
	return statements
}

// grants gives rights, in one statement for all tables and roles with the same.
func (c *creation) grants(s Shape) {
	var g grouped
	for i := range s.Tables {
		t := &s.Tables[i]
		g.add("TABLE", t.String(), t.Grants)
		for _, q := range t.Sequences {
			g.add("SEQUENCE", quote(t.Schema, q.Name), q.Grants)
		}
	}
	c.add(g.statements()...)
}

// grouped are objects by what is granted on them and to whom.
type grouped struct {
	order   []string
	objects map[string][]string
	ends    map[string]string
}

// add takes the grants on one object.
func (g *grouped) add(kind, object string, grants []Grant) {
	if g.objects == nil {
		g.objects, g.ends = map[string][]string{}, map[string]string{}
	}
	roles := map[string][]string{}
	var lists []string
	for _, grant := range grants {
		list := rights(grant.Privileges, grant.Column)
		if roles[list] == nil {
			lists = append(lists, list)
		}
		roles[list] = append(roles[list], grant.Role)
	}
	for _, list := range lists {
		start, end := "GRANT "+list+" ON "+kind+" ", " TO "+grantees(roles[list])
		key := start + end
		if g.objects[key] == nil {
			g.order = append(g.order, key)
			g.ends[key] = end
		}
		g.objects[key] = append(g.objects[key], object)
	}
}

func (g *grouped) statements() []string {
	statements := make([]string, len(g.order))
	for i, key := range g.order {
		start := strings.TrimSuffix(key, g.ends[key])
		statements[i] = start + strings.Join(g.objects[key], ", ") + g.ends[key]
	}
	return statements
}
