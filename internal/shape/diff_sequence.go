package shape

import (
	"fmt"
)

// sequences compares the sequences of columns. One of another name on the same column is the same one renamed.
func (d *differ) sequences(p *pair) {
	matched := map[string]bool{}
	for _, w := range p.want.Sequences {
		h := p.counterpart(w)
		if h == nil {
			d.missingSequence(p, w)
			continue
		}
		matched[h.Name] = true
		d.sequence(p, *h, w)
	}
	for _, h := range p.have.Sequences {
		// With an identity, or with its column, the sequence goes by itself.
		if matched[h.Name] || h.Identity || p.want.column(h.Column) == nil {
			continue
		}
		c := p.change(KindSequence, h.Name, h.describe(), "")
		c.do(dropSequence, "DROP SEQUENCE "+quote(p.want.Schema, h.Name))
		d.report(c)
	}
}

// counterpart returns the sequence that is to become a wanted one, or nil.
func (p *pair) counterpart(w Sequence) *Sequence {
	if h := find(p.have.Sequences, Sequence.name, w.Name); h != nil && h.Column == w.Column {
		return h
	}
	for i, h := range p.have.Sequences {
		if h.Column == w.Column && find(p.want.Sequences, Sequence.name, h.Name) == nil {
			return &p.have.Sequences[i]
		}
	}
	return nil
}

// missingSequence makes a sequence that goes on behind the numbers that are there. That of an identity comes with its
// column.
func (d *differ) missingSequence(p *pair, w Sequence) {
	c := p.change(KindSequence, w.Name, "", w.describe())
	p.makeSequence(&c, w)
	d.report(c)
}

func (p *pair) makeSequence(c *Change, w Sequence) {
	if !w.Identity {
		c.do(makeSequence, p.want.createSequence(w))
		c.do(ownSequence, p.want.ownSequence(w))
	}
	if p.have.column(w.Column) != nil && p.want.isInteger(w.Column) {
		c.do(ownSequence, p.want.continueSequence(w))
	}
	for _, statement := range p.want.grantStatements("SEQUENCE", quote(p.want.Schema, w.Name), w.Grants) {
		c.do(grantRight, statement)
	}
}

// continueSequence sets a sequence behind the column's numbers within its range, if there are some.
func (t *Table) continueSequence(s Sequence) string {
	furthest := "max"
	if s.Increment < 0 {
		furthest = "min"
	}
	column := quote(s.Column)
	return fmt.Sprintf("SELECT setval(%s, k.last) FROM (SELECT %s(%s)::bigint AS last FROM %s "+
		"WHERE %s BETWEEN %d AND %d) k WHERE k.last IS NOT NULL",
		literal(quote(t.Schema, s.Name)), furthest, column, t, column, s.Min, s.Max)
}

// sequence compares two sequences of a column.
func (d *differ) sequence(p *pair, h, w Sequence) {
	if h.Identity != w.Identity {
		c := p.change(KindSequence, w.Name, h.describe(), w.describe())
		if !h.Identity {
			c.do(dropSequence, "DROP SEQUENCE "+quote(p.want.Schema, h.Name))
		}
		p.makeSequence(&c, w)
		d.report(c)
		return
	}
	if h.describe() != w.describe() || h.Name != w.Name {
		c := p.change(KindSequence, w.Name, h.label(w), w.label(h))
		if h.Name != w.Name {
			c.do(makeSequence, "ALTER SEQUENCE "+quote(p.want.Schema, h.Name)+" RENAME TO "+quote(w.Name))
		}
		if h.describe() != w.describe() {
			p.want.alterSequence(&c, h, w)
		}
		d.report(c)
	}
	d.compareGrants(p, "SEQUENCE", w.Name, h.Grants, w.Grants)
}

// label describes a sequence with its name where that differs.
func (s Sequence) label(other Sequence) string {
	if s.Name == other.Name {
		return s.describe()
	}
	return quote(s.Name) + " " + s.describe()
}

// alterSequence changes options. The value is kept where it is within the new range, and else set to its start: the
// server would refuse the range. For that the sequence has all the range of a bigint for a moment. All this comes
// before a change of the column's type, which must have room for the range of an identity.
func (t *Table) alterSequence(c *Change, h, w Sequence) {
	sequence := quote(t.Schema, w.Name)
	if h.Min != w.Min || h.Max != w.Max || h.Type != w.Type {
		c.do(makeSequence, fmt.Sprintf("ALTER SEQUENCE %s AS bigint MINVALUE %d MAXVALUE %d", sequence, minBig, maxBig))
		c.do(makeSequence, fmt.Sprintf("SELECT setval(%s, CASE WHEN v.inside THEN v.last_value ELSE %d END, "+
			"v.inside AND v.is_called) "+
			"FROM (SELECT last_value, is_called, last_value BETWEEN %d AND %d AS inside FROM %s) v",
			literal(sequence), w.Start, w.Min, w.Max, sequence))
	}
	c.do(makeSequence, "ALTER SEQUENCE "+sequence+" AS "+w.Type+" "+w.options())
}

// describe is the sequence for people, and all of it that counts.
func (s Sequence) describe() string {
	owner := "SEQUENCE"
	if s.Identity {
		owner = "IDENTITY"
	}
	return owner + " OF " + quote(s.Column) + " AS " + s.Type + " " + s.options()
}
