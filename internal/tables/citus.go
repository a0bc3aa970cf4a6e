package tables

import (
	"context"
	"slices"
)

// distribute puts the tables where Citus is to have them: owned ones on shards by their tenant, all in one
// colocation, so that a tenant's rows are on one worker and joins between them stay there; global ones whole on each
// worker. What stands in the way is taken off and made again: foreign keys, which need the tables that they refer to
// to be there, and row-level security, under which Citus can copy no rows.
func (m *Migration) distribute(ctx context.Context, v *view) error {
	if !m.citus {
		return nil
	}
	if err := checkPlaced(v); err != nil {
		return err
	}
	moving := v.unplaced()
	if len(moving) == 0 {
		return nil
	}
	kept, err := m.takeForeignKeys(ctx, v, moving)
	if err != nil {
		return err
	}
	for _, t := range moving {
		if err := m.open(ctx, t); err != nil {
			return err
		}
	}
	if err := m.place(ctx, v, moving); err != nil {
		return err
	}
	for _, k := range kept {
		if err := m.alter(ctx, k.rel, "ADD CONSTRAINT "+quote(k.Name)+" "+k.Definition); err != nil {
			return err
		}
		k.rel.Constraints = append(k.rel.Constraints, k.constraint)
	}
	return nil
}

// unplaced are the tables that Citus does not have yet where they are to be: global ones first, then owned ones.
func (v *view) unplaced() []*target {
	var global, owned []*target
	for _, t := range v.targets {
		switch {
		case t.Kind == Owned && !t.rel.Placed.distributed():
			owned = append(owned, t)
		case t.Kind == Global && !t.rel.Placed.reference():
			global = append(global, t)
		}
	}
	return append(global, owned...)
}

// keptKey is a foreign key that nobody declares here, such as one between global tables.
type keptKey struct {
	constraint

	rel *relation
}

// takeForeignKeys drops the foreign keys from and to tables that are about to move. Declared ones are made again by
// foreignKeys, and the others are returned.
func (m *Migration) takeForeignKeys(ctx context.Context, v *view, moving []*target) (kept []keptKey, err error) {
	for _, t := range v.targets {
		if t.Kind == External {
			continue
		}
		for _, c := range slices.Clone(t.rel.Constraints) {
			if c.Type != foreignKey || !slices.Contains(moving, t) && !slices.Contains(moving, v.byOID[c.Ref]) {
				continue
			}
			if err := m.dropForeignKey(ctx, t.rel, c.Name); err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(t.ForeignKeys, func(k ForeignKey) bool { return k.Name == c.Name }) {
				kept = append(kept, keptKey{c, t.rel})
			}
		}
	}
	return kept, nil
}

// open takes row-level security off a table, which nobody else can see meanwhile: the transaction has it locked.
func (m *Migration) open(ctx context.Context, t *target) error {
	r := t.rel
	if err := m.dropPolicies(ctx, r, nil); err != nil {
		return err
	}
	r.Policies = slices.DeleteFunc(r.Policies, func(p policy) bool { return isOurs(p.Name) })
	if !r.Secured {
		return nil
	}
	r.Secured, r.Forced = false, false
	return m.alter(ctx, r, "NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
}

// place has Citus move the tables.
func (m *Migration) place(ctx context.Context, v *view, moving []*target) error {
	anchor := v.anchor()
	for _, t := range moving {
		if t.Kind == Global {
			if err := m.exec(ctx, t.rel, "SELECT create_reference_table("+literal(t.rel.String())+")"); err != nil {
				return err
			}
			t.rel.Placed = &placed{Method: methodNone, Model: modelReference}
			continue
		}
		beside := "default"
		if anchor != nil {
			beside = anchor.rel.String()
		}
		err := m.exec(ctx, t.rel, "SELECT create_distributed_table("+literal(t.rel.String())+", "+literal(t.Column)+
			", colocate_with => "+literal(beside)+")")
		if err != nil {
			return err
		}
		t.rel.Placed = &placed{Method: methodHash, Column: t.Column}
		if anchor == nil {
			anchor = t
		}
	}
	return nil
}

// anchor is the owned table that all others are colocated with: any that is distributed.
func (v *view) anchor() *target {
	for _, t := range v.targets {
		if t.Kind == Owned && t.rel != nil && t.rel.Placed.distributed() {
			return t
		}
	}
	return nil
}
