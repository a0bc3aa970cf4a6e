package shape

import (
	"slices"
	"strings"
)

// triggers compares triggers by name.
func (d *differ) triggers(p *pair) {
	for _, h := range p.have.Triggers {
		w := find(p.want.Triggers, Trigger.name, h.Name)
		switch {
		case w == nil:
			c := p.change(KindTrigger, h.Name, h.describe(), "")
			p.replaceTrigger(&c, h.Name)
			d.report(c)
		case h.Definition != w.Definition:
			c := p.change(KindTrigger, h.Name, h.describe(), w.describe())
			p.replaceTrigger(&c, h.Name)
			d.report(c)
		case h.Enabled != w.Enabled:
			c := p.change(KindTrigger, h.Name, h.enable(), w.enable())
			c.do(makeTrigger, p.want.alter(w.enable()))
			d.report(c)
		}
	}
	for _, w := range p.want.Triggers {
		if find(p.have.Triggers, Trigger.name, w.Name) == nil {
			c := p.change(KindTrigger, w.Name, "", w.describe())
			p.addTrigger(&c, w)
			d.report(c)
		}
	}
}

// describe is the trigger for people.
func (g Trigger) describe() string {
	if g.isUsual() {
		return g.Definition
	}
	return g.Definition + ", " + g.enable()
}

func (p *pair) addTrigger(c *Change, g Trigger) {
	c.do(makeTrigger, g.Definition)
	if !g.isUsual() {
		c.do(makeTrigger, p.want.alter(g.enable()))
	}
}

// replaceTrigger drops a trigger and makes the one that is wanted by its name.
func (p *pair) replaceTrigger(c *Change, trigger string) {
	c.do(dropDependent, "DROP TRIGGER "+quote(trigger)+" ON "+p.want.String())
	if w := find(p.want.Triggers, Trigger.name, trigger); w != nil {
		p.addTrigger(c, *w)
	}
}

// policies compares policies by name.
func (d *differ) policies(p *pair) {
	for _, h := range p.have.Policies {
		w := find(p.want.Policies, Policy.name, h.Name)
		if w != nil && h.equal(*w) {
			continue
		}
		c := p.change(KindPolicy, h.Name, h.describe(), "")
		if w != nil {
			c.Want = w.describe()
		}
		p.replacePolicy(&c, h.Name)
		d.report(c)
	}
	for _, w := range p.want.Policies {
		if find(p.have.Policies, Policy.name, w.Name) == nil {
			c := p.change(KindPolicy, w.Name, "", w.describe())
			c.do(makePolicy, p.want.createPolicy(w))
			d.report(c)
		}
	}
}

// equal compares policies by all that decides what they do.
func (p Policy) equal(other Policy) bool {
	return p.Command == other.Command && p.Permissive == other.Permissive && slices.Equal(p.Roles, other.Roles) &&
		p.Using == other.Using && p.Check == other.Check
}

// describe is the policy for people.
func (p Policy) describe() string {
	text := "FOR " + p.Command + " TO " + grantees(p.Roles)
	if !p.Permissive {
		text = "AS RESTRICTIVE " + text
	}
	if p.Using != "" {
		text += " USING (" + p.Using + ")"
	}
	if p.Check != "" {
		text += " WITH CHECK (" + p.Check + ")"
	}
	return text
}

// replacePolicy drops a policy and makes the one that is wanted by its name.
func (p *pair) replacePolicy(c *Change, policy string) {
	c.do(dropDependent, "DROP POLICY "+quote(policy)+" ON "+p.want.String())
	if w := find(p.want.Policies, Policy.name, policy); w != nil {
		c.do(makePolicy, p.want.createPolicy(*w))
	}
}

// security compares row-level security.
func (d *differ) security(p *pair) {
	h, w := p.have.security(), p.want.security()
	if slices.Equal(h, w) {
		return
	}
	c := p.change(KindSecurity, "", joined(h), joined(w))
	c.do(makePolicy, p.want.alter(w...))
	d.report(c)
}

// grants compares rights on the table.
func (d *differ) grants(p *pair) { d.compareGrants(p, "TABLE", "", p.have.Grants, p.want.Grants) }

// compareGrants compares rights on the table, or on a sequence of it, role by role.
func (d *differ) compareGrants(p *pair, kind, sequence string, have, want []Grant) {
	object := p.want.String()
	if sequence != "" {
		object = quote(p.want.Schema, sequence)
	}
	compare := func(role, column string) {
		h, w := privileges(have, role, column), privileges(want, role, column)
		extra, missing := without(h, w), without(w, h)
		if len(extra)+len(missing) == 0 {
			return
		}
		c := p.change(KindGrant, grantObject(role, column, sequence), joined(h), joined(w))
		if len(extra) > 0 {
			c.do(revokeRight, "REVOKE "+rights(extra, column)+" ON "+kind+" "+object+" FROM "+grantees([]string{role}))
		}
		if len(missing) > 0 {
			c.do(grantRight, "GRANT "+rights(missing, column)+" ON "+kind+" "+object+" TO "+grantees([]string{role}))
		}
		d.report(c)
	}
	for _, g := range have {
		compare(g.Role, g.Column)
	}
	for _, g := range want {
		if privileges(have, g.Role, g.Column) == nil {
			compare(g.Role, g.Column)
		}
	}
}

// grantObject says whose rights on what differ.
func grantObject(role, column, sequence string) string {
	text := "rights of " + grantees([]string{role})
	if column != "" {
		text += " on column " + quote(column)
	}
	if sequence != "" {
		text += " on sequence " + quote(sequence)
	}
	return text
}

// privileges are those of a role, nil where it has none.
func privileges(grants []Grant, role, column string) []string {
	for _, g := range grants {
		if g.Role == role && g.Column == column {
			return g.Privileges
		}
	}
	return nil
}

// without returns those of a list that are not among others.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// grantStatements give rights on one object.
func (t *Table) grantStatements(kind, object string, grants []Grant) []string {
	var g grouped
	g.add(kind, object, grants)
	return g.statements()
}

// joined is a list for people.
func joined(list []string) string { return strings.Join(list, ", ") }
