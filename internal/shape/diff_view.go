package shape

import (
	"slices"
	"strings"
)

// views compares views by name.
func (d *differ) views(have, want Shape) {
	for i := range have.Views {
		h := &have.Views[i]
		w := want.View(h.Schema, h.Name)
		if w != nil && h.equal(w) {
			continue
		}
		c := Change{Kind: KindView, Schema: h.Schema, Table: h.Name, Have: h.describe()}
		if w != nil {
			c.Want = w.describe()
		}
		d.report(c)
	}
	for i := range want.Views {
		if w := &want.Views[i]; have.View(w.Schema, w.Name) == nil {
			d.report(Change{Kind: KindView, Schema: w.Schema, Table: w.Name, Want: w.describe()})
		}
	}
	d.remake(have, want)
}

// remake has all views made anew where one of them changes, or a table in a way that views stand in: they stand on each
// other, there is nothing in them to be lost, and it is one order of statements that is right for all.
func (d *differ) remake(have, want Shape) {
	drop := make([]string, len(have.Views))
	for i := range have.Views {
		drop[i] = have.Views[i].String()
	}
	for i := range d.changes {
		c := &d.changes[i]
		if c.Kind != KindView && !slices.ContainsFunc(c.steps, step.isInTheWay) {
			continue
		}
		if len(drop) > 0 {
			c.do(dropView, "DROP VIEW IF EXISTS "+strings.Join(drop, ", "))
		}
		for _, statement := range makeViews(want.Views) {
			c.do(makeView, statement)
		}
	}
}

// isInTheWay reports whether the server refuses the step while a view reads the table.
func (s step) isInTheWay() bool {
	switch s.phase { //nolint:exhaustive // no others are
	case dropTable, dropKey, dropColumn:
		return true
	case alterColumn:
		return strings.Contains(s.sql, " TYPE ")
	default:
		return false
	}
}

// makeViews makes views, and gives the rights on them.
func makeViews(views []View) (statements []string) {
	var g grouped
	for i := range views {
		statements = append(statements, views[i].create())
		g.add("TABLE", views[i].String(), views[i].Grants)
	}
	return append(statements, g.statements()...)
}
