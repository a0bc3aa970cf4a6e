package shape

// drop returns the statement that drops a constraint.
func (t *Table) drop(k Constraint) string { return t.alter("DROP CONSTRAINT " + quote(k.Name)) }

// phases of a constraint: foreign keys go first and come last.
func (c Constraint) phases() (drop, add phase) {
	if c.Type == foreignKey {
		return dropForeign, makeForeign
	}
	return dropKey, makeKey
}

// describe is the constraint for people.
func (c Constraint) describe() string {
	if !c.Validated {
		return c.Definition + " NOT VALID"
	}
	return c.Definition
}

// constraints compares constraints by name.
func (d *differ) constraints(p *pair) {
	for _, h := range p.have.Constraints {
		w := find(p.want.Constraints, Constraint.name, h.Name)
		switch {
		case w == nil:
			c := p.change(KindConstraint, h.Name, h.describe(), "")
			d.dropConstraint(&c, p, h)
			d.report(c)
		case h.Type != w.Type || h.Definition != w.Definition || h.Validated && !w.Validated:
			c := p.change(KindConstraint, h.Name, h.describe(), w.describe())
			d.replaceConstraint(&c, p, h)
			d.report(c)
		case h.Validated != w.Validated:
			c := p.change(KindConstraint, h.Name, h.describe(), w.describe())
			c.do(makeForeign, p.want.alter("VALIDATE CONSTRAINT "+quote(w.Name)))
			d.report(c)
		case h.Comment != w.Comment:
			c := p.change(KindConstraint, h.Name, orNone(h.Comment), orNone(w.Comment))
			c.do(makeForeign, p.want.comment(w.Name, w.Comment))
			d.report(c)
		}
	}
	for _, w := range p.want.Constraints {
		if find(p.have.Constraints, Constraint.name, w.Name) == nil {
			c := p.change(KindConstraint, w.Name, "", w.describe())
			p.addConstraint(&c, w)
			d.report(c)
		}
	}
}

func (p *pair) addConstraint(c *Change, k Constraint) {
	_, add := k.phases()
	statement := p.want.alter("ADD " + k.define())
	if !k.Validated {
		statement += " NOT VALID"
	}
	c.do(add, statement)
	if k.Comment != "" {
		c.do(makeForeign, p.want.comment(k.Name, k.Comment))
	}
}

// dropConstraint drops a constraint, and before it the foreign keys that stand on it.
func (d *differ) dropConstraint(c *Change, p *pair, k Constraint) {
	if k.isKey() {
		d.releaseReferences(c, p)
	}
	drop, _ := k.phases()
	c.do(drop, p.want.drop(k))
	p.restoreReplica(c, k.Name)
}

// replaceConstraint drops a constraint and makes the one that is wanted by its name.
func (d *differ) replaceConstraint(c *Change, p *pair, k Constraint) {
	d.dropConstraint(c, p, k)
	if w := find(p.want.Constraints, Constraint.name, k.Name); w != nil {
		p.addConstraint(c, *w)
	}
}

// releaseReferences drops the foreign keys to a table one of whose keys goes, and makes those anew that are wanted.
// Which key each of them stands on is not looked at. Foreign keys of tables that are not wanted are in the way, and the
// server says so.
func (d *differ) releaseReferences(c *Change, p *pair) {
	for _, other := range d.pairs {
		for _, k := range other.have.Constraints {
			if k.refersTo(p.have) {
				d.replaceConstraint(c, other, k)
			}
		}
	}
}

// restoreReplica sets the replica identity again after its index went.
func (p *pair) restoreReplica(c *Change, index string) {
	if p.have.Replica == usingIndex && p.have.ReplicaIndex == index {
		c.do(makeTrigger, p.want.alter(p.want.replica()))
	}
}

// indexes compares indexes by name.
func (d *differ) indexes(p *pair) {
	for _, h := range p.have.Indexes {
		w := find(p.want.Indexes, Index.name, h.Name)
		switch {
		case w == nil:
			c := p.change(KindIndex, h.Name, h.describe(), "")
			d.dropIndex(&c, p, h)
			d.report(c)
		case h.Definition != w.Definition || h.Invalid != w.Invalid:
			c := p.change(KindIndex, h.Name, h.describe(), w.describe())
			d.replaceIndex(&c, p, h)
			d.report(c)
		case h.Comment != w.Comment:
			c := p.change(KindIndex, h.Name, orNone(h.Comment), orNone(w.Comment))
			c.do(makeForeign, p.want.comment(w.Name, w.Comment))
			d.report(c)
		}
	}
	for _, w := range p.want.Indexes {
		if find(p.have.Indexes, Index.name, w.Name) == nil {
			c := p.change(KindIndex, w.Name, "", w.describe())
			p.addIndex(&c, w)
			d.report(c)
		}
	}
}

// describe is the index for people.
func (x Index) describe() string {
	if x.Invalid {
		return x.Definition + " (invalid)"
	}
	return x.Definition
}

func (p *pair) addIndex(c *Change, x Index) {
	c.do(makeKey, x.Definition)
	if x.Comment != "" {
		c.do(makeForeign, p.want.comment(x.Name, x.Comment))
	}
}

// dropIndex drops an index, and before it the foreign keys that may stand on it.
func (d *differ) dropIndex(c *Change, p *pair, x Index) {
	if x.Unique {
		d.releaseReferences(c, p)
	}
	c.do(dropKey, "DROP INDEX "+quote(p.have.Schema, x.Name))
	p.restoreReplica(c, x.Name)
}

func (d *differ) replaceIndex(c *Change, p *pair, x Index) {
	d.dropIndex(c, p, x)
	if w := find(p.want.Indexes, Index.name, x.Name); w != nil {
		p.addIndex(c, *w)
	}
}

// replica compares replica identities.
func (d *differ) replica(p *pair) {
	if p.have.Replica == p.want.Replica && p.have.ReplicaIndex == p.want.ReplicaIndex {
		return
	}
	describe := func(t *Table) string {
		if t.Replica == usingIndex {
			return t.Replica + " " + quote(t.ReplicaIndex)
		}
		return t.Replica
	}
	c := p.change(KindReplica, "", describe(p.have), describe(p.want))
	c.do(makeTrigger, p.want.alter(p.want.replica()))
	d.report(c)
}
