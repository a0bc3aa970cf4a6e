package shape

import (
	"cmp"
	"slices"
	"strings"
)

// InDatabase returns the shape of the model in a tenant's own database. Schemas, policies and rights of owned and mixed
// tables are the model's. Global tables are copies that are only read: nothing refers from them, draws numbers or runs
// triggers.
func (m Model) InDatabase(r Residence) (Shape, error) {
	if err := r.check(false); err != nil {
		return Shape{}, err
	}
	s := m.Shape.clone()
	for i := range s.Tables {
		t := &s.Tables[i]
		t.settle(r.Owner)
		if m.spec(t).Class == Global {
			t.freeze(r.Roles)
			continue
		}
		if err := t.limitKeys(r.Keys); err != nil {
			return Shape{}, err
		}
		if err := m.checkReferences(t); err != nil {
			return Shape{}, err
		}
		for j, p := range t.Policies {
			if p.Name == policyOwner {
				t.Policies[j].Roles = []string{r.Owner}
			}
		}
	}
	for i := range s.Views {
		s.Views[i].Owner = r.Owner
	}
	return s, nil
}

// freeze makes the table a copy that is only read.
func (t *Table) freeze(roles Roles) {
	t.Constraints = slices.DeleteFunc(t.Constraints, func(c Constraint) bool { return c.Type == foreignKey })
	t.Triggers = nil
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Identity = ""
		// A serial's default would keep its sequence.
		if strings.HasPrefix(c.Default, "nextval(") {
			c.Default = ""
		}
	}
	t.Sequences = nil
	t.grant([]string{roles.Tenant, roles.Subtree, roles.Schema, roles.System}, []string{rightSelect})
}

// checkReferences refuses a foreign key to a table that will not be there.
func (m Model) checkReferences(t *Table) error {
	for _, c := range t.Constraints {
		if c.Type == foreignKey && m.Shape.Table(c.RefSchema, c.RefTable) == nil {
			return t.refused(ErrReference, c.Name, "its foreign key "+quote(c.Name)+" refers to "+
				quote(c.RefSchema, c.RefTable)+", which a tenant's database does not have",
				"declare that table, as global for instance, or drop the key")
		}
	}
	return nil
}

func sortPolicies(policies []Policy) []Policy {
	slices.SortFunc(policies, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	return policies
}
