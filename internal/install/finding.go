package install

import (
	"slices"
	"strings"
)

// finding is one thing that is wrong and what puts it right.
type finding struct {
	text string
	cure string
}

// check holds a login against the rules. Each rule returns nil where it has nothing to say.
type check struct {
	loginFacts
	roles   Roles
	purpose Purpose
	session sessionFacts
}

// first returns what the first rule that finds anything found.
func first(rules ...func() *finding) *finding {
	for _, rule := range rules {
		if found := rule(); found != nil {
			return found
		}
	}
	return nil
}

// atStart are the rules for each start. Before Stratum is installed they leave to Migrate what it puts right.
func (c check) atStart() *finding {
	found := first(c.isOurRole, c.unsoundRole, c.hasDefault, c.runsAsAnother, c.hasSetting, c.inherits)
	if found != nil || !c.Installed {
		return found
	}
	return first(c.lacksRole, c.cannotSwitch, c.leavesTraces)
}

// beforeMigrate are the rules for a login that Migrate is to give roles to: what it cannot put right.
func (c check) beforeMigrate() *finding {
	return first(c.isOurRole, c.unsoundRole, c.hasDefault, c.inherits, c.wouldInherit)
}

// isOurRole refuses one of the four roles as a login: enter could not switch away from it.
func (c check) isOurRole() *finding {
	if !slices.Contains(c.roles.All(), c.Login) {
		return nil
	}
	return &finding{
		text: "it is one of the roles that statements switch to, and those must not log in",
		cure: "ALTER ROLE " + quote(c.Login) + " NOLOGIN; then connect as another login, or configure another " +
			"prefix of roles",
	}
}

// unsoundRole refuses a role with an attribute or a membership that would carry a statement beyond its tenant.
func (c check) unsoundRole() *finding {
	for _, role := range c.Roles {
		if len(role.Attributes) > 0 {
			return &finding{
				text: "the role " + quote(role.Name) + " has " + strings.Join(role.Attributes, ", "),
				cure: "ALTER ROLE " + quote(role.Name) + " NO" + strings.Join(role.Attributes, " NO") + ";",
			}
		}
		if len(role.MemberOf) > 0 {
			cures := make([]string, len(role.MemberOf))
			for i, m := range role.MemberOf {
				cures[i] = "REVOKE " + quote(m.Role) + " FROM " + quote(role.Name) + c.grantedBy(m) + ";"
			}
			return &finding{
				text: "the role " + quote(role.Name) + " is a member of " + quote(role.MemberOf[0].Role),
				cure: strings.Join(cures, " "),
			}
		}
	}
	return nil
}

// grantedBy tells apart the grants of one role to one member, which since PostgreSQL 16 may be several.
func (c check) grantedBy(m membership) string {
	if c.ServerVersion < perGrantInherit || m.Grantor == "" {
		return ""
	}
	return " GRANTED BY " + quote(m.Grantor)
}

// hasDefault refuses a default that a connection would start with and that changes what policies see.
func (c check) hasDefault() *finding {
	if len(c.Defaults) == 0 {
		return nil
	}
	cures := make([]string, len(c.Defaults))
	for i, d := range c.Defaults {
		cures[i] = d.reset()
	}
	return &finding{
		text: "connections start with a default for " + quote(c.Defaults[0].Setting) + ", which only Stratum may set",
		cure: strings.Join(cures, " "),
	}
}

func (d defaultFact) reset() string {
	target := "ROLE ALL"
	switch {
	case d.Login != "" && d.Database != "":
		target = "ROLE " + quote(d.Login) + " IN DATABASE " + quote(d.Database)
	case d.Login != "":
		target = "ROLE " + quote(d.Login)
	case d.Database != "":
		target = "DATABASE " + quote(d.Database)
	}
	parts := strings.Split(d.Setting, ".")
	for i, part := range parts {
		parts[i] = quote(part)
	}
	return "ALTER " + target + " RESET " + strings.Join(parts, ".") + ";"
}

// runsAsAnother refuses a connection that has already switched role: whose rights it has is not the login's affair.
func (c check) runsAsAnother() *finding {
	if c.session.CurrentUser == c.session.SessionUser {
		return nil
	}
	return &finding{
		text: "a fresh connection already runs as " + quote(c.session.CurrentUser),
		cure: `remove "role" from the DSN; behind a pooler, let it reset connections (RESET ROLE;)`,
	}
}

// hasSetting refuses what hasDefault does where it comes with the connection instead.
func (c check) hasSetting() *finding {
	if len(c.session.Settings) == 0 {
		return nil
	}
	name := c.session.Settings[0]
	return &finding{
		text: "a fresh connection starts with its own value for " + quote(name) + ", which only Stratum may set",
		cure: "remove " + quote(name) + " from the DSN, PGOPTIONS and postgresql.conf; " +
			"behind a pooler, let it reset connections (RESET " + name + ";)",
	}
}

// inherits refuses a login that has the rights of the roles without switching to one: the policies of all of them
// would then apply to it at once, and be ORed.
func (c check) inherits() *finding {
	i := slices.IndexFunc(c.Roles, func(s standing) bool { return s.Inherited })
	if c.Superuser || i < 0 {
		return nil
	}
	found := &finding{text: "it inherits the rights of the role " + quote(c.Roles[i].Name), cure: c.noInherit()}
	if c.ServerVersion >= perGrantInherit {
		cures := make([]string, len(c.Inherited))
		for i, m := range c.Inherited {
			cures[i] = "GRANT " + quote(m.Role) + " TO " + quote(c.Login) + " WITH INHERIT FALSE" + c.grantedBy(m) + ";"
		}
		found.cure = strings.Join(cures, " ")
	}
	return found
}

// wouldInherit refuses, where a grant cannot say it, a login that would inherit what Migrate grants it.
func (c check) wouldInherit() *finding {
	if c.Superuser || !c.mustNotInherit() {
		return nil
	}
	return &finding{text: "it would inherit the rights of the roles that it is given", cure: c.noInherit()}
}

func (c check) mustNotInherit() bool {
	return c.Inherit && c.ServerVersion < perGrantInherit
}

// noInherit keeps the right to create in public that the database's owner has through a role it no longer inherits.
func (c check) noInherit() string {
	sql := "ALTER ROLE " + quote(c.Login) + " NOINHERIT;"
	if c.OwnsPublic {
		sql += " GRANT CREATE ON SCHEMA public TO " + quote(c.Login) + ";"
	}
	return sql
}

// lacksRole refuses an installed database without its roles, such as one restored on another cluster.
func (c check) lacksRole() *finding {
	var missing, cures []string
	for _, name := range c.roles.All() {
		if !slices.ContainsFunc(c.Roles, func(s standing) bool { return s.Name == name }) {
			missing = append(missing, name)
			cures = append(cures, createRole(name)+";")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &finding{
		text: "this server has no role " + quoteAll(missing) + ", although the schema is installed",
		cure: strings.Join(cures, " ") + " before a dump is restored, since it holds their grants",
	}
}

// cannotSwitch refuses a login that statements could not be switched from.
func (c check) cannotSwitch() *finding {
	if c.Superuser {
		return nil
	}
	var missing []string
	for _, role := range c.Roles {
		if slices.Contains(c.roles.of(c.purpose), role.Name) && !role.Switchable {
			missing = append(missing, role.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	cure := grantRoles(c.ServerVersion, c.Login, missing...) + ";"
	if c.mustNotInherit() {
		cure = c.noInherit() + " " + cure
	}
	return &finding{text: "it cannot switch to the role " + quote(missing[0]), cure: cure}
}

// leavesTraces refuses roles that may leave something behind for the next tenant on the connection.
func (c check) leavesTraces() *finding {
	everyone := " FROM PUBLIC, " + quoteAll(c.roles.All()) + ";"
	for _, role := range c.Roles {
		if role.Temporary {
			return &finding{
				text: "the role " + quote(role.Name) + " may create temporary tables, which the next tenant on a " +
					"pooled connection would meet",
				cure: "REVOKE TEMPORARY ON DATABASE " + quote(c.Database) + everyone,
			}
		}
		// What works across tenants may be allowed to make tables.
		if role.Create && role.Name != c.roles.System {
			return &finding{
				text: "the role " + quote(role.Name) + " may create objects in the schema public",
				cure: "REVOKE CREATE ON SCHEMA public" + everyone,
			}
		}
	}
	return nil
}
