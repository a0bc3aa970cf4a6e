package shape

import (
	"fmt"
	"slices"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Roles are the roles that statements run as.
type Roles struct {
	Tenant, Subtree, System string
	// Schema is that of tenants with a schema of their own.
	Schema string
}

// Residence is where a tenant's tables are.
type Residence struct {
	// Schema is the tenant's own, for InSchema: a name of small letters, digits and underscores that is no keyword.
	Schema string
	Roles  Roles
	// Owner is the login that owns the tables.
	Owner string
	// Keys is the range of the tenant's keys.
	Keys KeyRange
}

// Names of policies in a tenant's own schema, which are those of the shared tables.
const (
	policyTenant   = "stratum_tenant"
	policyEveryone = "stratum_everyone"
	policySystem   = "stratum_system"
	policyOwner    = "stratum_owner"
)

// Commands of policies, which are those of rights as well but for the first.
const (
	forAll       = "ALL"
	rightSelect  = "SELECT"
	rightUsage   = "USAGE"
	conditionYes = "true"
)

// rowRights are what may be done with rows, in the order of names.
func rowRights() []string { return []string{"DELETE", "INSERT", rightSelect, "UPDATE"} }

// InSchema returns the shape of the owned and mixed tables in a tenant's own schema. References among them stay in
// the schema, and those to global tables point to where these are. Whatever is not one of these tables or their
// sequences stays where it is: types, functions, and sequences that no column owns.
func (m Model) InSchema(r Residence) (Shape, error) {
	if err := r.check(true); err != nil {
		return Shape{}, err
	}
	var s Shape
	names := map[string]bool{}
	for _, t := range m.Shape.clone().Tables {
		if !m.spec(&t).Class.hasTenant() {
			continue
		}
		if names[t.Name] {
			return Shape{}, t.refused(ErrName, "", "a table of another schema has the same name, and a tenant's "+
				"schema has room for one of them", "rename one of them")
		}
		names[t.Name] = true
		if err := t.limitKeys(r.Keys); err != nil {
			return Shape{}, err
		}
		t.settle(r.Owner)
		t.admitSchema(m.spec(&t), r)
		s.Tables = append(s.Tables, t)
	}
	for _, v := range ofTenants(m.Shape.clone().Views, s.Tables) {
		if names[v.Name] {
			return Shape{}, (&Table{Schema: v.Schema, Name: v.Name}).refused(ErrName, "", "a table or view of another "+
				"schema has the same name, and a tenant's schema has room for one of them", "rename one of them")
		}
		names[v.Name] = true
		v.Owner = r.Owner
		v.admitSchema(r.Roles)
		s.Views = append(s.Views, v)
	}
	move(&s, r.Schema)
	return s, nil
}

// check refuses a residence with something missing: a grant to a role without a name would be one to PUBLIC.
func (r Residence) check(schema bool) error {
	missing := func(what string) error {
		return fmt.Errorf("%w: it has no %s (set it)", ErrResidence, what)
	}
	roles := []string{r.Roles.Tenant, r.Roles.Subtree, r.Roles.System}
	if schema {
		roles = append(roles, r.Roles.Schema)
	}
	switch {
	case slices.Contains(roles, ""):
		return missing("name for one of the roles")
	case r.Owner == "":
		return missing("owner")
	case schema && !sqltext.IsPlain(r.Schema):
		return fmt.Errorf("%w: the schema's name must consist of small letters, digits and underscores, and begin "+
			"with no digit (name schemas by the tenant's label)", ErrResidence)
	}
	return r.Keys.check()
}

// move puts the tables and views into another schema, with what refers to them or to their sequences.
func move(s *Shape, schema string) {
	inside := map[name]bool{}
	for i := range s.Tables {
		t := &s.Tables[i]
		inside[t.key()] = true
		for _, q := range t.Sequences {
			inside[name{t.Schema, q.Name}] = true
		}
	}
	for i := range s.Views {
		inside[s.Views[i].key()] = true
	}
	to := func(n name) string {
		if inside[n] {
			return schema
		}
		return n.schema
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		t.rewrite(func(text string) string { return relocate(text, to) })
		for j := range t.Constraints {
			c := &t.Constraints[j]
			c.RefSchema = to(name{c.RefSchema, c.RefTable})
		}
		t.Schema = schema
	}
	for i := range s.Views {
		v := &s.Views[i]
		v.Definition = relocate(v.Definition, to)
		for j, n := range v.uses {
			v.uses[j].schema = to(n)
		}
		v.Schema = schema
	}
	sortTables(s.Tables)
}

// admitSchema gives the table to the role of tenants with a schema of their own. Which of them may see the rows is for
// the schema's name to say: the role is the same for all.
func (t *Table) admitSchema(s Spec, r Residence) {
	column := t.column(s.TenantColumn).Quoted
	own := "(" + column + " = stratum.tenant_in(" + literal(r.Schema) + "::text))"
	admit := "stratum.admit_owner()"
	policies := []Policy{
		newPolicy(policyTenant, forAll, r.Roles.Schema, own, own),
		newPolicy(policySystem, forAll, r.Roles.System, conditionYes, conditionYes),
		newPolicy(policyOwner, forAll, r.Owner, admit, admit),
	}
	if s.Class == Mixed {
		policies = append(policies, newPolicy(policyEveryone, rightSelect, r.Roles.Schema, "("+column+" IS NULL)", ""))
	}
	for _, p := range t.Policies {
		// What narrows the view of a tenant narrows it here. What widens it is for other roles, and for shared rows.
		if !tables.IsPolicy(p.Name) && !p.Permissive {
			policies = append(policies, p.forSchema(r.Roles))
		}
	}
	t.Policies = sortPolicies(policies)
	t.Secured, t.Forced = true, true
	t.grant([]string{r.Roles.Schema, r.Roles.System}, rowRights())
	for i := range t.Indexes {
		t.Indexes[i].Comment = ""
	}
	for i := range t.Constraints {
		t.Constraints[i].Comment = ""
	}
}

func newPolicy(name, command, role, using, check string) Policy {
	return Policy{Name: name, Command: command, Permissive: true, Roles: []string{role}, Using: using, Check: check}
}

// forSchema is the policy with the schema's role in the place of those of the shared tables.
func (p Policy) forSchema(roles Roles) Policy {
	var to []string
	for _, role := range p.Roles {
		if role == roles.Tenant || role == roles.Subtree {
			role = roles.Schema
		}
		if !slices.Contains(to, role) {
			to = append(to, role)
		}
	}
	slices.Sort(to)
	p.Roles = to
	return p
}

// grant gives the roles these rights on the table, USAGE on its sequences where they may insert, and nobody else any.
func (t *Table) grant(roles, rights []string) {
	t.Grants = nil
	usage := make([]Grant, 0, len(roles))
	for _, role := range slices.Sorted(slices.Values(roles)) {
		t.Grants = append(t.Grants, Grant{Role: role, Privileges: rights})
		usage = append(usage, Grant{Role: role, Privileges: []string{rightUsage}})
	}
	for i := range t.Sequences {
		t.Sequences[i].Grants = usage
	}
}
