package shape

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// View is a view of tables of the model which reads with the rights of whoever asks. Others are left out of shapes.
type View struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Owner  string `json:"owner"`
	// Options are those of WITH, such as security_invoker=true.
	Options []string `json:"options,omitempty"`
	// Definition is what follows AS.
	Definition string  `json:"definition"`
	Grants     []Grant `json:"grants,omitempty"`

	uses []name // the relations that it reads
}

// foundView is a view as it is read.
type foundView struct {
	View

	// Invoker is set where it reads with the rights of whoever asks, Peculiar where it has what is not made elsewhere.
	Invoker  bool        `json:"invoker"`
	Peculiar bool        `json:"peculiar"`
	Uses     [][2]string `json:"uses"`
}

// viewOf reads what a query of views returns.
func viewOf(text []byte) (f foundView, err error) {
	if err = json.Unmarshal(text, &f); err != nil {
		return f, err
	}
	for _, u := range f.Uses {
		f.uses = append(f.uses, name{u[0], u[1]})
	}
	f.Definition = canonical(strings.TrimSuffix(strings.TrimSpace(f.Definition), ";"))
	slices.Sort(f.Options)
	sortGrants(f.Grants)
	return f, nil
}

// sortGrants has an order that no collation of a database changes.
func sortGrants(grants []Grant) {
	slices.SortFunc(grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Column, b.Column))
	})
}

func (v *View) key() name { return name{v.Schema, v.Name} }

func (v *View) clone() View {
	c := *v
	c.Options, c.Grants, c.uses = slices.Clone(v.Options), slices.Clone(v.Grants), slices.Clone(v.uses)
	return c
}

// String is the view's quoted name.
func (v *View) String() string { return quote(v.Schema, v.Name) }

// addViews adds those of the views that can be made wherever the tables are: what they read is tables of the model, or
// other views like them, and they have it checked whose rows these are. Each comes after those that it reads.
func (m *Model) addViews(found []foundView) {
	there := map[name]bool{}
	owned := map[name]bool{}
	for i := range m.Shape.Tables {
		t := &m.Shape.Tables[i]
		there[t.key()] = true
		owned[t.key()] = m.spec(t).Class.hasTenant()
	}
	for added := true; added; {
		added = false
		for _, f := range found {
			key := f.key()
			if there[key] || f.Peculiar || slices.ContainsFunc(f.uses, func(n name) bool { return !there[n] }) {
				continue
			}
			ofTenants := slices.ContainsFunc(f.uses, func(n name) bool { return owned[n] })
			if ofTenants && !f.Invoker {
				continue
			}
			there[key], owned[key], added = true, ofTenants, true
			m.Shape.Views = append(m.Shape.Views, f.View)
		}
	}
}

// ofTenants are the views that lead to tables in tenants' own schemas, given those.
func ofTenants(views []View, tables []Table) []View {
	return viewsBy(views, tables, slices.ContainsFunc)
}

// ViewsOf are those views that read nothing but these tables, or each other.
func ViewsOf(views []View, tables []Table) []View {
	return viewsBy(views, tables, func(uses []name, inside func(name) bool) bool {
		return !slices.ContainsFunc(uses, func(n name) bool { return !inside(n) })
	})
}

// viewsBy are those views that belong to the tables, by what they read of these and of each other.
func viewsBy(views []View, tables []Table, belongs func(uses []name, inside func(name) bool) bool) (kept []View) {
	inside := map[name]bool{}
	for i := range tables {
		inside[tables[i].key()] = true
	}
	for i := range views {
		if belongs(views[i].uses, func(n name) bool { return inside[n] }) {
			inside[views[i].key()] = true
			kept = append(kept, views[i])
		}
	}
	return kept
}

// admitSchema gives the role of tenants with a schema of their own the rights that tenants have on the view, and the
// system those that it has.
func (v *View) admitSchema(roles Roles) {
	grants := make([]Grant, 0, len(v.Grants))
	for _, g := range v.Grants {
		switch g.Role {
		case roles.Tenant:
			g.Role = roles.Schema
		case roles.System:
		default:
			continue
		}
		grants = append(grants, g)
	}
	sortGrants(grants)
	v.Grants = grants
}

// create is the statement that makes the view.
func (v *View) create() string {
	statement := "CREATE VIEW " + v.String()
	if len(v.Options) > 0 {
		statement += " WITH (" + options(v.Options) + ")"
	}
	return statement + " AS " + v.Definition
}

// equal compares views by all that decides what they show and to whom. The owner does not count where none is wanted.
func (v *View) equal(want *View) bool {
	return v.Definition == want.Definition && slices.Equal(v.Options, want.Options) &&
		(want.Owner == "" || v.Owner == want.Owner) &&
		slices.EqualFunc(v.Grants, want.Grants, func(a, b Grant) bool {
			return a.Role == b.Role && a.Column == b.Column && slices.Equal(a.Privileges, b.Privileges)
		})
}

// describe is the view for people.
func (v *View) describe() string {
	parts := []string{v.Definition}
	if len(v.Options) > 0 {
		parts = append(parts, "WITH ("+joined(v.Options)+")")
	}
	for _, g := range v.Grants {
		parts = append(parts, rights(g.Privileges, g.Column)+" TO "+grantees([]string{g.Role}))
	}
	return strings.Join(append(parts, "owner "+v.Owner), ", ")
}

// View returns a view of the shape, or nil.
func (s Shape) View(schema, view string) *View {
	for i := range s.Views {
		if s.Views[i].key() == (name{schema, view}) {
			return &s.Views[i]
		}
	}
	return nil
}
