package verify

import (
	"slices"
	"strings"
)

// checkRights looks at what tenants may do with tables, sequences and Stratum's own registry besides what they must.
func (l *look) checkRights() {
	for _, r := range l.relations {
		t := l.classed[r.OID]
		switch {
		case r.Schema == "stratum":
			l.checkRegistry(r)
		case r.Extension:
		case r.Kind == "S":
			l.checkSequence(r)
		case t.isOwned():
			l.checkOwnedRights(t)
		case t != nil && t.class == global:
			l.checkGlobalRights(t)
		}
		l.checkOwner(r)
	}
}

// everybody are all whose rights count: tenants, the data login, and for some rights the system role.
func (l *look) everybody(r *relation) []grant {
	return filter(r.Grants, func(g grant) bool {
		return l.isTenants(g.Grantee) || l.isLogin(g.Grantee) || g.Grantee == l.config.Roles.System
	})
}

// extra is a right that nobody needs, and what it does.
type extra struct {
	right   string
	code    Code
	worst   Severity
	finding string
}

// extras are the rights that Migrate gives to nobody.
func extras() []extra {
	return []extra{
		{"TRUNCATE", CodeTruncate, Breaks, "policies do not hold for TRUNCATE, which empties the table for all " +
			"tenants"},
		{"REFERENCES", CodeReferences, Weakens, "a foreign key to the table tells which rows others have"},
		{"TRIGGER", CodeTrigger, Weakens, "a trigger on the table runs code as whoever writes to it, the system " +
			"included"},
		{"MAINTAIN", CodeMaintain, Weakens, "maintenance of the table locks it for all tenants"},
	}
}

// checkOwnedRights looks at a table with rows of tenants.
func (l *look) checkOwnedRights(t *table) {
	all := l.everybody(t.relation)
	for _, e := range extras() {
		l.reportRights(t.relation, e, filter(all, func(g grant) bool { return g.Right == e.right }))
	}
	public := extra{code: CodePublicGrant, worst: Weakens, finding: "only policies keep other logins of this " +
		"database out"}
	l.reportRights(t.relation, public, filter(all, func(g grant) bool {
		return g.Grantee == "" && isData(g.Right)
	}))
	if l.schemas[t.Schema].Own {
		return
	}
	shared := extra{code: CodeSchemaGranted, worst: Weakens, finding: "where a tenant's own schema lacks the table, " +
		"a statement would reach this one and find nothing, instead of failing"}
	l.reportRights(t.relation, shared, filter(all, func(g grant) bool {
		return g.Grantee == l.config.Roles.Schema && isData(g.Right)
	}))
}

func isData(right string) bool {
	return slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, right)
}

// checkGlobalRights looks at a table that all tenants read.
func (l *look) checkGlobalRights(t *table) {
	writes := extra{
		code: CodeGlobalWritable, worst: Breaks, finding: "what one tenant writes there, all read",
	}
	l.reportRights(t.relation, writes, filter(l.reach(t.relation), func(g grant) bool {
		return g.Right != "SELECT" && (isData(g.Right) || g.Right == "TRUNCATE")
	}))
	trigger := extras()[2]
	l.reportRights(t.relation, trigger, filter(l.reach(t.relation), func(g grant) bool {
		return g.Right == trigger.right
	}))
}

// checkSequence looks for the right to set a sequence: USAGE draws a number, UPDATE sets what others draw next.
func (l *look) checkSequence(r *relation) {
	update := extra{
		code: CodeSequenceWritable, worst: Weakens, finding: "setval makes the next rows of all tenants fail",
	}
	l.reportRights(r, update, filter(l.reach(r), func(g grant) bool { return g.Right == "UPDATE" }))
}

// checkRegistry looks at the tables of the schema stratum. What holds a grant of Stratum's own is none of these.
func (l *look) checkRegistry(r *relation) {
	// The tenants' roles are to have this one: it is what a DROP OWNED of theirs fails at.
	if r.Name == "anchor" {
		return
	}
	secret := slices.Contains([]string{"tenants", "tables", "signing", "placements", "spares"}, r.Name)
	registry := extra{code: CodeRegistry, worst: Breaks, finding: "it tells of all tenants, or decides on them"}
	l.reportRights(r, registry, filter(l.reach(r), func(g grant) bool { return secret || g.Right != "SELECT" }))
}

// reportRights reports the rights that were found of one kind.
func (l *look) reportRights(r *relation, e extra, grants []grant) {
	if len(grants) == 0 {
		return
	}
	severity := e.worst
	if severity == Breaks {
		severity = l.worst(grants)
	}
	kind := "TABLE "
	if r.Kind == "S" {
		kind = "SEQUENCE "
	}
	cure, runAs := revoke(kind+r.String(), r.Owner, rights(grants), grants)
	l.addOf(r.Owner, Finding{
		Severity: severity, Code: e.code, Object: r.label(), Cure: cure, RunAs: runAs,
		Finding: rights(grants) + " is granted to " + grantees(grants) + ": " + e.finding,
	})
}

// checkOwner looks for what one of the tenants' roles owns: all tenants share the role, and policies are for its owner
// to change.
func (l *look) checkOwner(r *relation) {
	if !l.isTenantsRole(r.Owner) {
		return
	}
	kind := strings.ToUpper(strings.TrimSuffix(r.label(), " "+r.String()))
	l.addOf(r.Owner, Finding{
		Severity: Breaks, Code: CodeRoleOwns, Object: r.label(), RunAs: Superuser,
		Finding: "it is owned by the role " + quote(r.Owner) + ", which all tenants share",
		Cure:    "ALTER " + kind + " " + r.String() + " OWNER TO " + quote(l.server.StratumOwner) + ";",
	})
}
