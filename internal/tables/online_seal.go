package tables

import (
	"slices"
	"strings"
)

// policyPlain shows all rows to the plain version's login until the table is sealed.
const policyPlain = "stratum_plain"

// plainIsOther reports whether the plain version's login is one that row-level security holds for.
func (p *Plan) plainIsOther(t *onlineTable) bool {
	return p.online.PlainLogin != "" && p.online.PlainLogin != t.rel.Owner
}

// admitRoles lets the guarded version in: policies, row-level security and rights. The owner is not subject to it yet.
func (p *Plan) admitRoles(t *onlineTable) {
	r := t.rel
	var statements []string
	if p.plainIsOther(t) && r.policy(policyPlain) == nil && !t.sealed() {
		statements = append(statements, "CREATE POLICY "+quote(policyPlain)+" ON "+r.String()+" TO "+
			quote(p.online.PlainLogin)+" USING (true) WITH CHECK (true)")
		r.Policies = append(r.Policies, policy{Name: policyPlain})
	}
	for _, wanted := range p.m.rules(t.target) {
		if existing := r.policy(wanted.Name); existing != nil {
			if existing.equal(wanted.policy) {
				continue
			}
			statements = append(statements, dropPolicy(r, wanted.Name))
		}
		statements = append(statements, wanted.define(r))
	}
	if !r.Secured {
		statements = append(statements, "ALTER TABLE "+r.String()+" ENABLE ROW LEVEL SECURITY")
	}
	if len(statements) > 0 {
		p.add(Change{Step: Switched, Table: r.String(), Statements: statements})
	}
	p.grant(t.target)
}

func dropPolicy(r *relation, name string) string {
	return "DROP POLICY " + quote(name) + " ON " + r.String()
}

// grant gives the roles what they lack on a table. It takes no lock that a writer notices.
func (p *Plan) grant(t *target) {
	var statements []string
	roles := p.m.roles.All()
	for _, role := range roles {
		if missing := p.m.missingRights(t, role); len(missing) > 0 {
			statements = append(statements, "GRANT "+strings.Join(missing, ", ")+" ON TABLE "+t.rel.String()+" TO "+
				quote(role))
		}
	}
	inserting := slices.DeleteFunc(slices.Clone(roles), func(role string) bool {
		return !slices.Contains(p.m.rightsOf(t, role), "INSERT")
	})
	for _, s := range t.rel.Sequences {
		if missing := without(inserting, s.Users); len(missing) > 0 {
			statements = append(statements, "GRANT USAGE ON SEQUENCE "+quote(s.Schema, s.Name)+" TO "+
				quoteEach(missing))
		}
	}
	if missing := without(roles, t.rel.Users); len(missing) > 0 {
		statements = append(statements, "GRANT USAGE ON SCHEMA "+quote(t.rel.Schema)+" TO "+quoteEach(missing))
		for _, other := range p.view.targets {
			if other.rel.Schema == t.rel.Schema {
				other.rel.Users = roles
			}
		}
	}
	if len(statements) > 0 {
		p.add(Change{Step: Switched, Kind: Lockless, Table: t.rel.String(), Statements: statements})
	}
}

// grantOthers gives rights on tables that are not owned by tenants.
func (p *Plan) grantOthers() {
	for _, t := range p.view.targets {
		if t.Kind == Global || (t.Kind == External && len(t.Rights) > 0) {
			p.grant(t)
		}
	}
}

// swapForeignKeys gives the ORM's names to the composite keys. Before any key goes that one of the old ones stands on.
func (p *Plan) swapForeignKeys(t *onlineTable) {
	table := t.rel.String()
	for _, key := range t.ForeignKeys {
		next := nextName(key.Name)
		if t.rel.constraint(next) == nil {
			continue
		}
		var statements []string
		if t.rel.constraint(key.Name) != nil {
			statements = append(statements, "ALTER TABLE "+table+" DROP CONSTRAINT "+quote(key.Name))
		}
		ref := p.view.byName[key.ref()]
		p.add(Change{
			Step: Sealed, Table: table, Object: key.Name, Locks: locks(table, ref.String()),
			Statements: append(statements,
				"ALTER TABLE "+table+" RENAME CONSTRAINT "+quote(next)+" TO "+quote(key.Name),
				"ALTER TABLE "+table+" ALTER CONSTRAINT "+quote(key.Name)+" NOT DEFERRABLE"),
		})
		t.rel.forget(next)
		t.rel.forget(key.Name)
		t.rel.Constraints = append(t.rel.Constraints, wantedForeignKey(p.view, t.target, key))
	}
}

// seal closes a table to the plain version, all at once. The trigger that keeps the key in step stays where the table
// has one: the way back needs it, and the column may be NOT NULL. It goes where it would have to read a sealed table.
func (p *Plan) seal(t *onlineTable) {
	table := t.rel.String()
	statements := p.swapIndexes(t)
	if c := t.rel.column(t.Column); c.Default != tenantDefault {
		statements = append(statements, "ALTER TABLE "+table+" ALTER COLUMN "+quote(t.Column)+" SET DEFAULT "+
			tenantDefault)
	}
	if !t.keyed() || p.lookup(t) != nil {
		statements = append(statements, t.dropTriggers(fillTrigger)...)
	}
	statements = append(statements, t.dropTriggers(pullTrigger)...)
	statements = append(statements, p.shutOut(t)...)
	if !t.rel.Forced {
		statements = append(statements, "ALTER TABLE "+table+" FORCE ROW LEVEL SECURITY")
	}
	if len(statements) > 0 {
		p.add(Change{Step: Sealed, Table: table, Statements: statements})
	}
}

// shutOut takes the plain version's login and everybody else what they have on the table.
func (p *Plan) shutOut(t *onlineTable) []string {
	table := t.rel.String()
	var statements []string
	if t.rel.policy(policyPlain) != nil {
		statements = append(statements, dropPolicy(t.rel, policyPlain))
	}
	if p.plainIsOther(t) && len(t.PlainSees) > 0 {
		// Without a policy it would read no rows, silently. Without rights it is told.
		statements = append(statements, "REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLE "+table+" FROM "+
			quote(p.online.PlainLogin))
	}
	for _, role := range append(p.m.roles.All(), public) {
		grantee := "PUBLIC"
		if role != public {
			grantee = quote(role)
		}
		// A right that somebody else granted is reported by Migrate, which follows.
		if extra, err := p.m.extraRights(t.target, role); err == nil && len(extra) > 0 {
			statements = append(statements, "REVOKE "+strings.Join(extra, ", ")+" ON TABLE "+table+" FROM "+grantee)
		}
	}
	return statements
}

// swapIndexes gives the ORM's names to the indexes with the tenant.
func (p *Plan) swapIndexes(t *onlineTable) []string {
	var statements []string
	table := t.rel.String()
	for _, name := range t.outdated() {
		if t.rel.constraint(name) != nil {
			statements = append(statements, "ALTER TABLE "+table+" DROP CONSTRAINT "+quote(name))
		} else {
			statements = append(statements, "DROP INDEX "+quote(t.rel.Schema, name))
		}
		t.forget(name)
	}
	for _, x := range t.Indexes {
		if next := nextName(x.Name); t.facts(next) != nil {
			statements = append(statements, "ALTER INDEX "+quote(t.rel.Schema, next)+" RENAME TO "+quote(x.Name))
		}
	}
	for _, u := range t.Uniques {
		next := nextName(u.Name)
		if t.rel.constraint(next) != nil {
			statements = append(statements, "ALTER TABLE "+table+" RENAME CONSTRAINT "+quote(next)+" TO "+quote(u.Name))
		} else if t.facts(next) != nil {
			statements = append(statements, "ALTER TABLE "+table+" ADD CONSTRAINT "+quote(u.Name)+
				" UNIQUE USING INDEX "+quote(next))
		}
	}
	return statements
}
