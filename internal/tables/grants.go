package tables

import (
	"context"
	"slices"
	"strings"
)

// dataRights are the rights on rows that can be given to a tenant. TRUNCATE is none: policies do not hold for it.
func dataRights() []string { return []string{"SELECT", "INSERT", "UPDATE", "DELETE"} }

// public stands for PUBLIC among the roles of grants.
const public = ""

// rightsOf returns what a role is to have on a table.
func (m *Migration) rightsOf(t *target, role string) []string {
	switch {
	case t.Kind == External:
		return t.Rights
	// What a tenant with a schema of its own lacks there must not be found here.
	case t.Kind.HasTenant() && (role == public || role == m.roles.Schema):
		return nil
	case t.Kind.HasTenant(), role == m.roles.System:
		return dataRights()
	default:
		return dataRights()[:1]
	}
}

// grants gives and takes rights on a table, its sequences and its schema.
func (m *Migration) grants(ctx context.Context, v *view, t *target) error {
	if t.Kind == External && len(t.Rights) == 0 {
		return nil
	}
	if err := m.revoke(ctx, t); err != nil {
		return err
	}
	if err := m.grantTable(ctx, t); err != nil {
		return err
	}
	if err := m.grantSequences(ctx, t); err != nil {
		return err
	}
	return m.grantSchema(ctx, v, t)
}

// revoke takes what is too much. A right on some columns goes with the right on the table.
func (m *Migration) revoke(ctx context.Context, t *target) error {
	for _, role := range append(m.roles.All(), public) {
		extra, err := m.extraRights(t, role)
		if err != nil {
			return err
		}
		if len(extra) == 0 {
			continue
		}
		grantee := "PUBLIC"
		if role != public {
			grantee = quote(role)
		}
		err = m.exec(ctx, t.rel, "REVOKE "+strings.Join(extra, ", ")+" ON TABLE "+t.rel.String()+" FROM "+grantee)
		if err != nil {
			return err
		}
	}
	return nil
}

// extraRights are those that a role has and is not to have.
func (m *Migration) extraRights(t *target, role string) ([]string, error) {
	var extra []string
	wanted := m.rightsOf(t, role)
	for _, g := range t.rel.Grants {
		if g.Role != role || slices.Contains(wanted, g.Right) || slices.Contains(extra, g.Right) {
			continue
		}
		// What else may be done with an external table, and by whom, is not Stratum's business.
		if t.Kind == External && (role == public || !slices.Contains(dataRights(), g.Right)) {
			continue
		}
		// A REVOKE by the owner leaves it in place, without an error.
		if g.Grantor != t.rel.Owner {
			return nil, t.rel.refused(ErrGrant, g.Right, g.Right+" was granted to one of the roles, or to PUBLIC, by "+
				quote(g.Grantor), "let that role REVOKE it")
		}
		extra = append(extra, g.Right)
	}
	slices.Sort(extra)
	return extra, nil
}

// grantTable gives what is missing, in one statement for roles that lack the same.
func (m *Migration) grantTable(ctx context.Context, t *target) error {
	lacking := map[string][]string{}
	var order []string
	for _, role := range m.roles.All() {
		missing := strings.Join(m.missingRights(t, role), ", ")
		if missing == "" {
			continue
		}
		if lacking[missing] == nil {
			order = append(order, missing)
		}
		lacking[missing] = append(lacking[missing], role)
	}
	for _, rights := range order {
		err := m.exec(ctx, t.rel, "GRANT "+rights+" ON TABLE "+t.rel.String()+" TO "+quoteEach(lacking[rights]))
		if err != nil {
			return err
		}
	}
	return nil
}

// missingRights does not count what a role has on some columns only.
func (m *Migration) missingRights(t *target, role string) []string {
	var missing []string
	for _, right := range m.rightsOf(t, role) {
		if !slices.ContainsFunc(t.rel.Grants, func(g grant) bool {
			return g.Role == role && g.Right == right && !g.Partial
		}) {
			missing = append(missing, right)
		}
	}
	return missing
}

// grantSequences lets who may insert draw numbers for columns that have them.
func (m *Migration) grantSequences(ctx context.Context, t *target) error {
	var inserting []string
	for _, role := range m.roles.All() {
		if slices.Contains(m.rightsOf(t, role), "INSERT") {
			inserting = append(inserting, role)
		}
	}
	for _, s := range t.rel.Sequences {
		missing := without(inserting, s.Users)
		if len(missing) == 0 {
			continue
		}
		err := m.exec(ctx, t.rel, "GRANT USAGE ON SEQUENCE "+quote(s.Schema, s.Name)+" TO "+quoteEach(missing))
		if err != nil {
			return err
		}
	}
	return nil
}

// grantSchema lets the roles find the table.
func (m *Migration) grantSchema(ctx context.Context, v *view, t *target) error {
	missing := without(m.roles.All(), t.rel.Users)
	if len(missing) == 0 {
		return nil
	}
	for _, other := range v.targets {
		if other.rel.Schema == t.rel.Schema {
			other.rel.Users = m.roles.All()
		}
	}
	return m.exec(ctx, t.rel, "GRANT USAGE ON SCHEMA "+quote(t.rel.Schema)+" TO "+quoteEach(missing))
}

// without returns the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}
