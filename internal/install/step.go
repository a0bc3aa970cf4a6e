package install

import "slices"

// step is one thing to do outside the migrations: to a role, a grant or the extension.
type step struct {
	// sql does it. It can be repeated.
	sql string
	// need is the privilege for it, and allowed whether Migrate's login has it.
	need    string
	allowed bool
	// cure is what somebody with the privilege runs instead. Defaults to sql.
	cure string
}

// plan says what to install.
type plan struct {
	roles  Roles
	data   string // the login that works for tenants; empty for none
	system string // the login that works across tenants; empty for none
}

// logins are the plan's logins.
func (p plan) logins() []string {
	logins := []string{}
	for _, login := range []string{p.data, p.system} {
		if login != "" && !slices.Contains(logins, login) {
			logins = append(logins, login)
		}
	}
	return logins
}

// steps are what is missing, in the order in which it can be done. Nothing is missing once they are done.
func (p plan) steps(f facts) []step {
	return slices.Concat(p.roleSteps(f), schemaSteps(f), p.usageSteps(f), revokeSteps(f))
}

// roleSteps make the roles and let the logins switch to them.
func (p plan) roleSteps(f facts) []step {
	var steps []step
	for _, name := range p.roles.All() {
		if _, ok := f.role(name); !ok {
			steps = append(steps, step{
				sql: createRole(name), need: "CREATEROLE, for the role " + quote(name),
				allowed: f.Superuser || f.CreateRole,
			})
		}
	}
	steps = append(steps, p.grantSteps(f, p.data, ForData)...)
	return append(steps, p.grantSteps(f, p.system, ForSystem)...)
}

func (p plan) grantSteps(f facts, login string, purpose Purpose) []step {
	// A superuser can switch to any role as it is.
	if login == "" || slices.Contains(f.Superusers, login) {
		return nil
	}
	var steps []step
	for _, name := range p.roles.of(purpose) {
		if slices.Contains(f.Grants, grantFact{Login: login, Role: name}) {
			continue
		}
		role, exists := f.role(name)
		steps = append(steps, step{
			sql:  grantRoles(f.ServerVersion, login, name),
			need: "ADMIN OPTION on the role " + quote(name) + ", to grant it to " + quote(login),
			// Who makes a role may grant it.
			allowed: role.MayGrant || (!exists && (f.Superuser || f.CreateRole)),
		})
	}
	return steps
}

// schemaSteps make the schema and the extension.
func schemaSteps(f facts) []step {
	var steps []step
	if _, ok := f.schema("stratum"); !ok {
		steps = append(steps, step{
			sql: "CREATE SCHEMA stratum", allowed: f.MayCreate,
			need: "CREATE on the database " + quote(f.Database),
			cure: "CREATE SCHEMA stratum AUTHORIZATION " + quote(f.Login),
		})
	}
	if f.Ltree.Schema == "" {
		steps = append(steps, step{
			sql:     "CREATE EXTENSION ltree SCHEMA " + quote(f.ltreeSchema()),
			need:    "CREATE on the database " + quote(f.Database) + ", for the extension ltree",
			allowed: f.Superuser || (f.MayCreate && f.Ltree.Trusted),
		})
	}
	return steps
}

// usageSteps let the roles use the schemas that they meet: public, where users' tables are by default, and ltree's.
func (p plan) usageSteps(f facts) []step {
	var steps []step
	for _, s := range f.Schemas {
		if s.Name == "stratum" {
			continue
		}
		if !s.RolesUsable {
			steps = append(steps, step{
				sql:     "GRANT USAGE ON SCHEMA " + quote(s.Name) + " TO " + quoteAll(p.roles.All()),
				need:    "the right to grant USAGE on the schema " + quote(s.Name),
				allowed: s.MayGrant,
			})
		}
		if s.Name == f.Ltree.Schema && !s.Usable {
			steps = append(steps, step{
				sql:     "GRANT USAGE ON SCHEMA " + quote(s.Name) + " TO " + quote(f.Login),
				need:    "USAGE on the schema " + quote(s.Name) + ", where ltree is",
				allowed: s.MayGrant,
			})
		}
	}
	return steps
}

// revokeSteps take from PUBLIC what would let a statement leave something behind: temporary tables, which outlive it
// on a pooled connection and stand before the real ones, and tables of its own in public.
func revokeSteps(f facts) []step {
	var steps []step
	if f.PublicTemp {
		steps = append(steps, step{
			sql:     "REVOKE TEMPORARY ON DATABASE " + quote(f.Database) + " FROM PUBLIC",
			need:    "ownership of the database " + quote(f.Database) + ", to revoke TEMPORARY from PUBLIC",
			allowed: f.OwnsDatabase,
		})
	}
	if s, ok := f.schema("public"); ok && s.PublicCreate {
		steps = append(steps, step{
			sql:     "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
			need:    "ownership of the schema public, to revoke CREATE from PUBLIC",
			allowed: s.Owned,
		})
	}
	return steps
}

// ownership is what the migrations need of a schema that exists already: that it and its objects are the login's.
func ownership(f facts) []Missing {
	var missing []Missing
	if s, ok := f.schema("stratum"); ok && !s.Owned {
		missing = append(missing, Missing{
			Privilege: "ownership of the schema stratum",
			Cure:      "ALTER SCHEMA stratum OWNER TO " + quote(f.Login) + ";",
		})
	}
	for _, sql := range f.Foreign {
		missing = append(missing, Missing{Privilege: "ownership of what is in the schema stratum", Cure: sql})
	}
	return missing
}

// refusedSteps are the steps that Migrate's login may not do.
func refusedSteps(steps []step) []Missing {
	var missing []Missing
	for _, s := range steps {
		if s.allowed {
			continue
		}
		cure := s.cure
		if cure == "" {
			cure = s.sql
		}
		missing = append(missing, Missing{Privilege: s.need, Cure: cure + ";"})
	}
	return missing
}
