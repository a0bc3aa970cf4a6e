package verify

import (
	"fmt"
	"slices"
	"strings"
)

// checkDatabase looks at rights on the database and its schemas, at what will be granted on tables to come, and at
// large objects.
func (l *look) checkDatabase() {
	database := place{
		label:  "database " + quote(l.server.Database),
		object: "DATABASE " + quote(l.server.Database), owner: l.server.Owner,
	}
	temp := filter(l.server.Grants, func(g grant) bool {
		return g.Right == "TEMPORARY" &&
			(l.isTenants(g.Grantee) || l.isLogin(g.Grantee) || g.Grantee == l.config.Roles.System)
	})
	l.reportPlace(database, extra{
		right: "TEMPORARY", code: CodeTemp,
		finding: "a temporary table stays on a pooled connection, and stands before the real one for the next tenant",
	}, temp)
	l.reportPlace(database, extra{
		right: "CREATE", code: CodeDatabaseCreate, finding: "a tenant's schema and what is in it is open to all " +
			"tenants",
	}, l.creates(l.server.Grants))
	for _, s := range l.server.Schemas {
		l.reportPlace(place{"schema " + quote(s.Name), "SCHEMA " + quote(s.Name), s.Owner}, extra{
			right: "CREATE", code: CodeSchemaCreate,
			finding: "a tenant's table is open to all tenants, and a function of theirs may stand in for a real one",
		}, l.creates(s.Grants))
	}
	l.checkDefaults()
	l.checkLargeObjects()
}

// place is a database or schema.
type place struct{ label, object, owner string }

// creates are rights to create that a tenant's statement has. What works across tenants may be allowed to make tables.
func (l *look) creates(grants []grant) []grant {
	return filter(grants, func(g grant) bool {
		return g.Right == "CREATE" && (l.isTenants(g.Grantee) || l.isLogin(g.Grantee))
	})
}

func (l *look) reportPlace(p place, e extra, grants []grant) {
	if len(grants) == 0 {
		return
	}
	severity := l.worst(grants)
	if slices.ContainsFunc(grants, func(g grant) bool { return g.Grantee == l.config.Roles.System }) {
		severity = Breaks
	}
	cure, runAs := revoke(p.object, p.owner, e.right, grants)
	l.addOf(p.owner, Finding{
		Severity: severity, Code: e.code, Object: p.label, Cure: cure, RunAs: runAs,
		Finding: e.right + " is granted to " + grantees(grants) + ": " + e.finding,
	})
}

// checkDefaults looks at ALTER DEFAULT PRIVILEGES: what is granted on each table before anybody has said what it is.
func (l *look) checkDefaults() {
	type who struct{ owner, schema, grantee string }
	found := make(map[who][]grant)
	var order []who
	for _, d := range l.server.Defaults {
		if !l.isTenants(d.Grantee) && !l.isLogin(d.Grantee) {
			continue
		}
		key := who{d.Owner, d.Schema, d.Grantee}
		if found[key] == nil {
			order = append(order, key)
		}
		found[key] = append(found[key], d.grant)
	}
	for _, key := range order {
		in, object := "", "default privileges of "+quote(key.owner)
		if key.schema != "" {
			in, object = " IN SCHEMA "+quote(key.schema), object+" in schema "+quote(key.schema)
		}
		l.add(Finding{
			Severity: Weakens, Code: CodeDefaultPrivileges, Object: object, RunAs: Superuser,
			Finding: "each new table is open to " + grantee(key.grantee) + " (" + rights(found[key]) +
				") before anybody has said whose its rows are",
			Cure: "ALTER DEFAULT PRIVILEGES FOR ROLE " + quote(key.owner) + in + " REVOKE ALL ON TABLES FROM " +
				grantee(key.grantee) + ";",
		})
	}
}

// checkLargeObjects looks for large objects that tenants reach. They have an owner and no policies, and all tenants are
// the same role: what one makes, all read.
func (l *look) checkLargeObjects() {
	found := make(map[uint32][]grant)
	owners := make(map[uint32]string)
	var order []uint32
	for _, o := range l.server.LargeObjects {
		if !l.isTenants(o.Grantee) {
			continue
		}
		if found[o.OID] == nil {
			order = append(order, o.OID)
		}
		found[o.OID], owners[o.OID] = append(found[o.OID], o.grant), o.Owner
	}
	for _, oid := range order {
		object := fmt.Sprintf("LARGE OBJECT %d", oid)
		to := quote(l.server.StratumOwner)
		statements := []string{"ALTER " + object + " OWNER TO " + to + ";"}
		for _, g := range found[oid] {
			if g.Grantee != owners[oid] {
				statements = append(statements, "REVOKE ALL ON "+object+" FROM "+grantee(g.Grantee)+";")
			}
		}
		l.add(Finding{
			Severity: Breaks, Code: CodeLargeObject, Object: strings.ToLower(object), RunAs: Superuser,
			Finding: "large objects have no policies, and all tenants are the same role: " + grantees(found[oid]) +
				" reaches it",
			Cure: strings.Join(statements, "\n"),
		})
	}
}
