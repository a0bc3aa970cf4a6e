package shape

import (
	"slices"
	"strings"
)

// Diff returns what turns have into want. Nothing is left out: what the wanted shape does not have is a change too.
// A column that was renamed is one that is missing and one that is too many.
func Diff(have, want Shape) []Change {
	d := &differ{}
	for i := range have.Tables {
		h := &have.Tables[i]
		if w := want.Table(h.Schema, h.Name); w != nil {
			d.pairs = append(d.pairs, &pair{have: h, want: w})
			continue
		}
		d.extraTable(h)
	}
	for i := range want.Tables {
		if w := &want.Tables[i]; have.Table(w.Schema, w.Name) == nil {
			d.missingTable(w)
		}
	}
	for _, p := range d.pairs {
		d.table(p)
	}
	d.views(have, want)
	return d.changes
}

// differ gathers changes.
type differ struct {
	pairs   []*pair // tables that are there and wanted
	changes []Change
}

// pair is a table as it is and as it is to be.
type pair struct{ have, want *Table }

// report adds a change. It is complete when the caller is done with it.
func (d *differ) report(c Change) { d.changes = append(d.changes, c) }

// change begins one about a part of a table.
func (p *pair) change(kind Kind, object, have, want string) Change {
	return Change{
		Kind: kind, Schema: p.want.Schema, Table: p.want.Name, Object: object, Have: have, Want: want,
	}
}

func (d *differ) extraTable(t *Table) {
	c := Change{
		Kind: KindTable, Schema: t.Schema, Table: t.Name, Have: "a table", Destructive: true,
		Reason: "its rows would be lost",
	}
	for _, k := range t.Constraints {
		if k.Type == foreignKey {
			c.do(dropForeign, t.drop(k))
		}
	}
	c.do(dropTable, "DROP TABLE "+t.String())
	d.report(c)
}

// missingTable makes a table whose foreign keys come when those they refer to have their keys.
func (d *differ) missingTable(t *Table) {
	c := Change{Kind: KindTable, Schema: t.Schema, Table: t.Name, Want: "a table"}
	var inline []Constraint
	for _, k := range t.Constraints {
		if k.Type == foreignKey {
			c.do(makeForeign, t.alter("ADD "+k.define()))
			continue
		}
		inline = append(inline, k)
	}
	for _, statement := range t.make(inline) {
		c.do(makeTable, statement)
	}
	for _, statement := range t.makeTriggers() {
		c.do(makeTrigger, statement)
	}
	for _, statement := range t.makePolicies() {
		c.do(makePolicy, statement)
	}
	var g creation
	g.grants(Shape{Tables: []Table{*t}})
	for _, statement := range g.statements {
		c.do(grantRight, statement)
	}
	d.report(c)
}

// table compares a table part by part.
func (d *differ) table(p *pair) {
	if !slices.Equal(p.have.Peculiar, p.want.Peculiar) {
		c := p.change(KindTable, "", kindOf(p.have), kindOf(p.want))
		c.Reason = "it can only be replaced by hand"
		d.report(c)
	}
	d.options(p)
	d.columns(p)
	d.sequences(p)
	d.constraints(p)
	d.indexes(p)
	d.replica(p)
	d.triggers(p)
	d.policies(p)
	d.security(p)
	d.grants(p)
}

func kindOf(t *Table) string {
	if len(t.Peculiar) == 0 {
		return "a plain table"
	}
	return "one that " + strings.Join(t.Peculiar, " and ")
}

// options compares what is said of a table as a whole.
func (d *differ) options(p *pair) {
	if p.want.Owner != "" && p.have.Owner != p.want.Owner {
		c := p.change(KindOption, "owner", p.have.Owner, p.want.Owner)
		c.do(makeTable, p.want.alter("OWNER TO "+quote(p.want.Owner)))
		d.report(c)
	}
	if p.have.Unlogged != p.want.Unlogged {
		c := p.change(KindOption, "persistence", persistence(p.have), persistence(p.want))
		c.do(makeTable, p.want.alter("SET "+persistence(p.want)))
		d.report(c)
	}
	if slices.Equal(p.have.Options, p.want.Options) {
		return
	}
	c := p.change(KindOption, "storage", joined(p.have.Options), joined(p.want.Options))
	if extra := optionNames(p.have.Options, p.want.Options); len(extra) > 0 {
		c.do(makeTable, p.want.alter("RESET ("+joined(extra)+")"))
	}
	if len(p.want.Options) > 0 {
		c.do(makeTable, p.want.alter("SET ("+options(p.want.Options)+")"))
	}
	d.report(c)
}

func persistence(t *Table) string {
	if t.Unlogged {
		return "UNLOGGED"
	}
	return "LOGGED"
}

// optionNames are the names of options that others do not have.
func optionNames(list, others []string) (names []string) {
	for _, option := range list {
		key, _, _ := strings.Cut(option, "=")
		if !slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(o, key+"=") }) {
			names = append(names, key)
		}
	}
	return names
}

// find returns an element by name, or nil.
func find[T any](list []T, nameOf func(T) string, wanted string) *T {
	for i := range list {
		if nameOf(list[i]) == wanted {
			return &list[i]
		}
	}
	return nil
}

func (c Constraint) name() string { return c.Name }
func (x Index) name() string      { return x.Name }
func (g Trigger) name() string    { return g.Name }
func (p Policy) name() string     { return p.Name }
func (s Sequence) name() string   { return s.Name }
