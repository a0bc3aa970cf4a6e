package tables

import (
	"fmt"
	"slices"
	"strings"
)

// checkCitus refuses declarations that Citus has nothing for, before anything is changed.
func checkCitus(v *view) error {
	for _, t := range v.targets {
		switch {
		case t.Kind == Mixed:
			return t.refusedByCitus("", "its rows are a tenant's or everyone's, and a row on a shard has a tenant",
				"keep everyone's rows in a global table, and declare this one as owned")
		case t.Kind == Owned && len(t.GlobalUniques) > 0:
			name := t.GlobalUniques[0].Name
			return t.refusedByCitus(name, "the index "+quote(name)+" is declared as globally unique, and what is "+
				"unique on shards has the tenant column",
				"make it unique per tenant, or keep the values in a global table")
		}
		for _, key := range t.ForeignKeys {
			if err := v.checkCitusKey(t, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkCitusKey refuses what Citus refuses of foreign keys, with a cure.
func (v *view) checkCitusKey(t *target, key ForeignKey) error {
	if !key.RefOwned {
		if ref := v.target(key.ref()); ref == nil || ref.Kind != Global {
			return t.refusedByCitus(key.Name, fmt.Sprintf("the foreign key %s refers to %s, which is on no worker",
				quote(key.Name), key.ref()), "declare "+key.ref().String()+" as global, or leave the key out")
		}
		return nil
	}
	switch {
	case strings.HasPrefix(key.OnDelete, "SET "):
		return t.refusedByCitus(key.Name, "the foreign key "+quote(key.Name)+" has ON DELETE "+key.OnDelete+
			", and compares tenants", "use CASCADE or NO ACTION, and unset the column before the delete: with ent "+
			"entsql.OnDelete(entsql.NoAction), with GORM constraint:OnDelete:NO ACTION")
	case key.OnUpdate != noAction && key.OnUpdate != "RESTRICT":
		return t.refusedByCitus(key.Name, "the foreign key "+quote(key.Name)+" has ON UPDATE "+key.OnUpdate+
			", and compares tenants", "leave it out: keys do not change")
	}
	return nil
}

// checkPlaced refuses tables that are elsewhere than they are to be, and keys that would keep one from going there.
func checkPlaced(v *view) error {
	anchor := v.anchor()
	for _, t := range v.targets {
		name := literal(t.rel.String())
		switch p := t.rel.Placed; {
		case t.Kind == Owned && p.reference():
			return t.refusedByCitus("", "each worker has all its rows, and it is declared as owned",
				"SELECT undistribute_table("+name+"), and migrate again")
		case t.Kind == Owned && p.distributed() && p.Column != t.Column:
			return t.refusedByCitus(p.Column, "it is distributed by "+quote(p.Column),
				"SELECT alter_distributed_table("+name+", distribution_column := "+literal(t.Column)+")")
		case t.Kind == Owned && p.distributed() && p.Colocation != anchor.rel.Placed.Colocation:
			return t.refusedByCitus("", "it is not colocated with "+anchor.rel.String(),
				"SELECT alter_distributed_table("+name+", colocate_with := "+literal(anchor.rel.String())+")")
		case t.Kind == Global && p.distributed():
			return t.refusedByCitus("", "its rows are on shards, and it is declared as global",
				"SELECT undistribute_table("+name+"), and migrate again")
		}
		if err := t.checkCitusIndexes(); err != nil {
			return err
		}
	}
	return nil
}

// checkCitusIndexes refuses unique indexes that nobody declares and that lack the tenant column.
func (t *target) checkCitusIndexes() error {
	if t.Kind != Owned || t.rel.Placed.distributed() {
		return nil
	}
	for _, x := range t.rel.Indexes {
		if !x.Unique || slices.Contains(x.Columns, t.Column) {
			continue
		}
		cure := "DROP INDEX " + quote(t.rel.Schema, x.Name)
		if t.rel.constraint(x.Name) != nil {
			cure = "ALTER TABLE " + t.rel.String() + " DROP CONSTRAINT " + quote(x.Name)
		}
		return t.refusedByCitus(x.Name, "its index "+quote(x.Name)+" is unique without the tenant column",
			cure+", or declare it in the model")
	}
	return nil
}

// refusedByCitus is a refusal with the table's name as far as it is known.
func (t *target) refusedByCitus(object, finding, cure string) error {
	name := t.name().String()
	if t.rel != nil {
		name = t.rel.String()
	}
	return &TableError{Table: name, Object: object, Finding: finding, Cure: cure, kind: ErrCitus}
}
