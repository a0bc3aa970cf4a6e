package verify

import (
	"fmt"
	"slices"
	"strings"
)

// perGrantInherit is the version since which a grant says whether its rights are inherited.
const perGrantInherit = 160000

// checkRoles looks at the roles that statements run as, and at who else may become the system.
func (l *look) checkRoles() {
	for _, r := range l.server.Roles {
		if len(r.Attributes) > 0 {
			l.add(Finding{
				Severity: Breaks, Code: CodeRoleAttribute, Object: "role " + quote(r.Name), RunAs: Superuser,
				Finding: "statements run as it, and it has " + strings.Join(r.Attributes, ", "),
				Cure:    "ALTER ROLE " + quote(r.Name) + " NO" + strings.Join(r.Attributes, " NO") + ";",
			})
		}
		for _, of := range r.MemberOf {
			l.add(Finding{
				Severity: Breaks, Code: CodeRoleMember, Object: "role " + quote(r.Name), RunAs: Superuser,
				Finding: "statements run as it, and it is a member of " + quote(of),
				Cure:    l.revokeRole(of, r.Name),
			})
		}
	}
	for _, m := range l.server.Members {
		if m.Admin || slices.Contains([]string{
			l.config.DataLogin, l.config.SystemLogin, l.config.OwnerLogin, l.server.Owner, l.server.StratumOwner,
		}, m.Name) {
			continue
		}
		l.add(Finding{
			Severity: Weakens, Code: CodeSystemGranted, Object: "role " + quote(m.Name), RunAs: Superuser,
			Finding: "it may become " + quote(l.config.Roles.System) + ", which reads and writes rows of all " +
				"tenants, and may connect to this database (an application of its own should have its own RolePrefix)",
			Cure: l.revokeRole(l.config.Roles.System, m.Name),
		})
	}
}

// revokeRole takes a membership away. Since PostgreSQL 16 it must be said whose grant is meant.
func (l *look) revokeRole(role, from string) string {
	return l.eachGrant("REVOKE "+quote(role)+" FROM "+quote(from), role, from)
}

// eachGrant completes a statement for each grant of a role to a member.
func (l *look) eachGrant(statement, role, to string) string {
	var statements []string
	for _, m := range l.server.Memberships {
		if l.server.Version >= perGrantInherit && m.Role == role && m.Member == to && m.Grantor != "" {
			statements = append(statements, statement+" GRANTED BY "+quote(m.Grantor)+";")
		}
	}
	if len(statements) == 0 {
		return statement + ";"
	}
	return strings.Join(statements, "\n")
}

// checkLogins looks at the logins for tenants and for the system.
func (l *look) checkLogins() {
	for i, login := range l.server.Logins {
		l.checkInherits(login)
		if login.Name == l.config.DataLogin {
			l.checkDataLogin(login)
		} else if login.Superuser {
			l.reportSuperuser(l.server.Logins[i])
		}
	}
}

// checkInherits looks for rights that a login has before it switches to a role.
func (l *look) checkInherits(login login) {
	if len(login.Inherits) == 0 {
		return
	}
	cures := []string{"ALTER ROLE " + quote(login.Name) + " NOINHERIT;"}
	if l.server.Version >= perGrantInherit && len(login.Through) > 0 {
		cures = nil
		for _, role := range login.Through {
			statement := "GRANT " + quote(role) + " TO " + quote(login.Name) + " WITH INHERIT FALSE"
			cures = append(cures, l.eachGrant(statement, role, login.Name))
		}
	}
	l.add(Finding{
		Severity: Breaks, Code: CodeLoginInherits, Object: "login " + quote(login.Name), RunAs: Superuser,
		Finding: "it inherits the rights of " + quoteEach(login.Inherits) + ", so that their policies are ORed " +
			"before a statement has entered its tenant",
		Cure: strings.Join(cures, "\n"),
	})
}

func (l *look) reportSuperuser(login login) {
	l.add(Finding{
		Severity: Weakens, Code: CodeLoginBypasses, Object: "login " + quote(login.Name), RunAs: Superuser,
		Finding: "it is a superuser: SQL that goes back to it from the role it switched to may do anything",
		Cure:    "ALTER ROLE " + quote(login.Name) + " NOSUPERUSER;",
	})
}

// checkDataLogin looks at what hostile SQL finds when it goes back to the login.
func (l *look) checkDataLogin(login login) {
	if login.Superuser {
		l.reportSuperuser(login)
		return
	}
	if login.BypassRLS {
		l.add(Finding{
			Severity: Weakens, Code: CodeLoginBypasses, Object: "login " + quote(login.Name), RunAs: Superuser,
			Finding: "policies do not bind it", Cure: "ALTER ROLE " + quote(login.Name) + " NOBYPASSRLS;",
		})
	}
	if login.CreateRole && l.server.Version < perGrantInherit {
		l.add(Finding{
			Severity: Weakens, Code: CodeLoginCreates, Object: "login " + quote(login.Name), RunAs: Superuser,
			Finding: "with CREATEROLE it can, before PostgreSQL 16, make itself a member of any role but a superuser",
			Cure:    "ALTER ROLE " + quote(login.Name) + " NOCREATEROLE;",
		})
	}
	for _, b := range login.Becomes {
		l.checkBecomes(login, b)
	}
	l.checkOwns(login.Name)
}

// checkBecomes looks at a role that the data login can switch to.
func (l *look) checkBecomes(login login, b become) {
	f := Finding{Severity: Weakens, Object: "login " + quote(login.Name)}
	switch {
	case l.isTenantsRole(b.Name):
		return // it must; what is wrong with the role is said of the role
	case b.Name == l.config.Roles.System:
		f.Code, f.Finding = CodeLoginSystem, "it may become "+quote(b.Name)+", which reads and writes rows of all "+
			"tenants"
	case b.Superuser || b.BypassRLS:
		f.Code, f.Finding = CodeLoginBypasses, "it may become "+quote(b.Name)+", whom policies do not bind"
	case b.Name == l.server.Owner || b.Name == l.server.StratumOwner || l.ownsRows(b.Name):
		f.Code, f.Finding = CodeLoginOwns, "it may become "+quote(b.Name)+", which owns what the boundary is made of"
	case b.Powerful:
		f.Code, f.Finding = CodeLoginPowerful, "it may become "+quote(b.Name)+", which leads past the boundary"
	default:
		return
	}
	switch {
	case login.Name == l.config.SystemLogin && f.Code == CodeLoginSystem:
		f.Cure = "give core.Options.SystemDSN a login of its own, and then " + l.revokeRole(b.Name, login.Name)
	case !b.Direct:
		f.Cure = "revoke the membership of " + quote(login.Name) + " that leads to " + quote(b.Name)
	default:
		f.Cure, f.RunAs = l.revokeRole(b.Name, login.Name), Superuser
	}
	l.add(f)
}

// checkOwns looks at what the data login owns itself.
func (l *look) checkOwns(login string) {
	var owns, cures []string
	owner := l.config.OwnerLogin
	if login == l.server.Owner {
		owns = append(owns, "database "+quote(l.server.Database))
		cures = append(cures, "ALTER DATABASE "+quote(l.server.Database)+" OWNER TO "+quote(owner)+";")
	}
	if login == l.server.StratumOwner {
		owns = append(owns, `schema "stratum"`)
		cures = append(cures, "ALTER SCHEMA stratum OWNER TO "+quote(owner)+";")
	}
	for _, r := range l.relations {
		if r.Owner == login && l.root(r.OID) != nil {
			owns = append(owns, r.label())
			cures = append(cures, "ALTER TABLE "+r.String()+" OWNER TO "+quote(owner)+";")
		}
	}
	if len(owns) == 0 {
		return
	}
	if more := len(owns) - 3; more > 0 {
		owns = append(owns[:3], fmt.Sprintf("%d more", more))
	}
	f := Finding{
		Severity: Weakens, Code: CodeLoginOwns, Object: "login " + quote(login),
		Finding: "it owns " + strings.Join(owns, ", ") + ": an owner can switch policies off",
		Cure:    "give core.Options.OwnerDSN a login of its own, and make that the owner",
	}
	if owner != login && owner != "" {
		f.Cure, f.RunAs = strings.Join(cures, "\n"), Superuser
	}
	l.add(f)
}
