package shape

import (
	"strings"
)

// columns compares columns by name. Their order does not count: a new one can only be added at the end.
func (d *differ) columns(p *pair) {
	for _, h := range p.have.Columns {
		w := p.want.column(h.Name)
		if w == nil {
			c := p.change(KindColumn, h.Name, p.have.define(h), "")
			if c.Destructive = h.Generated == ""; c.Destructive {
				c.Reason = "its values would be lost"
			}
			d.release(&c, p, h.Name, true)
			c.do(dropColumn, p.want.alter("DROP COLUMN "+quote(h.Name)))
			d.report(c)
			continue
		}
		d.column(p, h, *w)
	}
	for _, w := range p.want.Columns {
		if p.have.column(w.Name) == nil {
			c := p.change(KindColumn, w.Name, "", p.want.define(w))
			p.addColumn(&c, w)
			d.report(c)
		}
	}
}

func (p *pair) addColumn(c *Change, w Column) {
	when := alterColumn
	if w.Generated != "" {
		when = addGenerated
	}
	c.do(when, p.want.alter("ADD COLUMN "+p.want.define(w)))
}

// column compares one column, and describes what differs.
func (d *differ) column(p *pair, h, w Column) {
	have, want := difference(h, w)
	if len(want) == 0 {
		return
	}
	c := p.change(KindColumn, w.Name, strings.Join(have, " "), strings.Join(want, " "))
	if w.Generated != "" && h.computed() != w.computed() || h.Generated == virtual && w.Generated == "" {
		c.Destructive = h.Generated == ""
		if c.Destructive {
			c.Reason = "its values would be replaced by computed ones"
		}
		d.release(&c, p, w.Name, true)
		c.do(dropColumn, p.want.alter("DROP COLUMN "+quote(w.Name)))
		p.addColumn(&c, w)
		d.report(c)
		return
	}
	if h.typed() != w.typed() {
		change := compareTypes(h.Type, w.Type)
		if change == losing {
			c.Destructive, c.Reason = true, "values may not fit the new type"
		}
		d.release(&c, p, w.Name, change != relabelled || h.Collation != w.Collation)
	}
	p.alterColumn(&c, h, w)
	d.report(c)
}

// virtual columns have no values of their own that could stay when the expression goes.
const virtual = "VIRTUAL"

// computed is all that there is to a generated column. One that differs is made anew, also where that could be altered:
// a change of what it is computed from drops it first.
func (c Column) computed() string {
	if c.Generated == "" {
		return ""
	}
	return c.typed() + " " + c.Generated + " " + c.Default + " " + nullable(c.NotNull)
}

// difference describes what differs between two columns.
func difference(h, w Column) (have, want []string) {
	add := func(before, after string) {
		if before != after {
			have, want = append(have, before), append(want, after)
		}
	}
	add(h.typed(), w.typed())
	add(h.source(), w.source())
	add(nullable(h.NotNull), nullable(w.NotNull))
	return have, want
}

// source is where the column's value comes from if none is given.
func (c Column) source() string {
	switch {
	case c.Generated != "":
		return "GENERATED ALWAYS AS (" + c.Default + ") " + c.Generated
	case c.Identity != "":
		return "GENERATED " + c.Identity + " AS IDENTITY"
	case c.Default != "":
		return "DEFAULT " + c.Default
	default:
		return "no default"
	}
}

func nullable(notNull bool) string {
	if notNull {
		return "NOT NULL"
	}
	return "NULL"
}

// alterColumn adds the statements that change a column in place. Defaults and identities go first: they may not fit the
// new type, and their sequences may be in the way of others.
func (p *pair) alterColumn(c *Change, h, w Column) {
	column := "ALTER COLUMN " + quote(w.Name)
	retyped, resourced := h.typed() != w.typed(), h.source() != w.source()
	hasDefault := h.Default != "" && h.Generated == ""
	switch {
	case h.Generated != "" && w.Generated == "":
		c.do(dropColumn, p.want.dropExpression(w))
	case h.Identity != "" && w.Identity == "":
		c.do(dropColumn, p.want.alter(column+" DROP IDENTITY"))
	case hasDefault && (retyped || resourced):
		c.do(dropColumn, p.want.alter(column+" DROP DEFAULT"))
	}
	changes := retype(h, w)
	if retyped || resourced {
		changes = append(changes, p.want.resource(h, w, resourced)...)
	}
	if len(changes) > 0 {
		c.do(alterColumn, p.want.alter(changes...))
	}
}

// retype changes type and NOT NULL, in an order in which the rows fit.
func retype(h, w Column) (changes []string) {
	column := "ALTER COLUMN " + quote(w.Name)
	if h.NotNull && !w.NotNull {
		changes = append(changes, column+" DROP NOT NULL")
	}
	if h.typed() != w.typed() {
		changes = append(changes, column+" TYPE "+w.typed()+" USING "+quote(w.Name)+"::"+w.Type)
	}
	if !h.NotNull && w.NotNull {
		changes = append(changes, column+" SET NOT NULL")
	}
	return changes
}

// resource says where the values of a column come from whose type or source has changed.
func (t *Table) resource(h, w Column, resourced bool) []string {
	column := "ALTER COLUMN " + quote(w.Name)
	switch {
	case w.Identity != "" && !resourced:
		return nil
	case w.Identity != "" && h.Identity != "":
		return []string{column + " SET GENERATED " + w.Identity}
	case w.Identity != "":
		return []string{column + " ADD " + t.identity(w)}
	case w.Generated == "" && w.Default != "":
		return []string{column + " SET DEFAULT " + w.Default}
	}
	return nil
}

// release takes away what the server does not let a column change under, and makes anew what is wanted of it. Policies,
// triggers and generated columns are always in the way; keys, indexes and checks where the values themselves change.
func (d *differ) release(c *Change, p *pair, column string, all bool) {
	p.releaseRules(c, column)
	if all {
		d.releaseKeys(c, p, column)
	}
	for _, other := range p.have.Columns {
		if other.Generated == "" || other.Name == column || !mentions(other.Default, column) {
			continue
		}
		again := p.want.column(other.Name)
		if again != nil && again.Generated == "" && other.Generated != virtual {
			c.do(dropColumn, p.want.dropExpression(*again))
			continue
		}
		p.releaseRules(c, other.Name)
		d.releaseKeys(c, p, other.Name)
		c.do(dropColumn, p.want.alter("DROP COLUMN "+quote(other.Name)))
		if again != nil {
			p.addColumn(c, *again)
		}
	}
}

func (t *Table) dropExpression(c Column) string {
	return t.alter("ALTER COLUMN " + quote(c.Name) + " DROP EXPRESSION")
}

// releaseRules is release for policies and triggers.
func (p *pair) releaseRules(c *Change, column string) {
	for _, policy := range p.have.Policies {
		if mentions(policy.Using, column) || mentions(policy.Check, column) {
			p.replacePolicy(c, policy.Name)
		}
	}
	for _, g := range p.have.Triggers {
		if mentions(g.Definition, column) {
			p.replaceTrigger(c, g.Name)
		}
	}
}

// releaseKeys is release for what stands on the values.
func (d *differ) releaseKeys(c *Change, p *pair, column string) {
	for _, k := range p.have.Constraints {
		if mentions(k.Definition, column) {
			d.replaceConstraint(c, p, k)
		}
	}
	for _, x := range p.have.Indexes {
		if mentions(x.Definition, column) {
			d.replaceIndex(c, p, x)
		}
	}
	for _, other := range d.pairs {
		for _, k := range other.have.Constraints {
			if k.refersTo(p.have) && mentions(k.Definition, column) {
				d.replaceConstraint(c, other, k)
			}
		}
	}
}

// refersTo reports whether the constraint is a foreign key to a table.
func (c Constraint) refersTo(t *Table) bool {
	return c.Type == foreignKey && c.RefSchema == t.Schema && c.RefTable == t.Name
}
