package tables

import (
	"context"
	"slices"
)

// primaryKeys puts the tenant column in front of a table's primary key, where that is wanted. It keeps its name. A
// mixed table has none: what is everyone's has no tenant, and a primary key has no NULL.
func (m *Migration) primaryKeys(ctx context.Context, v *view, t *target) error {
	r := t.rel
	i := slices.IndexFunc(r.Constraints, func(c constraint) bool { return c.Type == primaryKey })
	if !m.leadPrimary || t.Kind != Owned || i < 0 || slices.Contains(r.Constraints[i].Columns, t.Column) {
		return nil
	}
	c := r.Constraints[i]
	c.Columns = with(t.Column, c.Columns)
	if err := m.dropKey(ctx, v, r, c.Name); err != nil {
		return err
	}
	if err := m.dropKeyBeside(ctx, v, t, c.Columns); err != nil {
		return err
	}
	r.Constraints = append(r.Constraints, c)
	r.Indexes = append(r.Indexes, index{Name: c.Name, Columns: c.Columns, Unique: true, Plain: true})
	return m.alter(ctx, r, "ADD CONSTRAINT "+quote(c.Name)+" PRIMARY KEY ("+quoteEach(c.Columns)+")")
}

// dropKeyBeside drops the key for foreign keys that stood beside the primary key, and would now be its copy.
func (m *Migration) dropKeyBeside(ctx context.Context, v *view, t *target, primary []string) error {
	name := keyName(t.rel.Name)
	if x := t.rel.index(name); x == nil || !sameSet(x.Columns, primary) {
		return nil
	}
	return m.dropKey(ctx, v, t.rel, name)
}
