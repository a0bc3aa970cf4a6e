package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// checkTables holds each table against its class, and finds those without one.
func (l *look) checkTables() {
	for _, rec := range l.missing {
		l.add(Finding{
			Severity: Note, Code: CodeTableMissing, Object: "table " + quote(rec.Schema, rec.Table),
			Finding: "it is recorded as " + rec.Class + " and does not exist",
			Cure: "DELETE FROM stratum.tables WHERE table_schema = " + literal(rec.Schema) + " AND table_name = " +
				literal(rec.Table) + ";", RunAs: Owner,
		})
	}
	for _, r := range l.relations {
		t := l.classed[r.OID]
		switch {
		case t.isOwned() && l.schemas[r.Schema].Own:
			l.checkSecurity(t) // all else is compared with the shared tables, by Fleet.Drift
		case t.isOwned():
			l.checkOwned(t)
		case t == nil && r.isTable() && r.Schema != "stratum" && !r.Extension:
			l.checkUnclassed(r)
		}
	}
}

// checkOwned holds a table with rows of tenants against what Migrate makes of one.
func (l *look) checkOwned(t *table) {
	if t.recorded == "" {
		l.addOf(t.Owner, Finding{
			Severity: Note, Code: CodeTableUnknown, Object: t.label(), RunAs: Owner, Cure: recordSQL(t),
			Finding: "it is tenant-owned, and Migrate has not recorded it: migrate once more, or record it",
		})
	}
	l.checkParents(t)
	if l.isAdopting(t) {
		l.addOf(t.Owner, Finding{
			Severity: Weakens, Code: CodeAdoption, Object: t.label(),
			Finding: "it is being adopted and not sealed yet: the plain version of the application still sees all rows",
			Cure:    "finish the adoption, which seals the table, or take it back",
		})
		if !t.Secured && len(l.reach(t.relation)) > 0 {
			l.checkSecurity(t)
		}
		return
	}
	c := t.tenantColumn()
	if c == nil {
		l.addOf(t.Owner, Finding{
			Severity: Breaks, Code: CodeColumnMissing, Object: t.label(),
			Finding: "it has no column " + quote(t.column) + ", so nothing says whose its rows are",
			Cure:    "run gormstratum.Migrate with MigrateOptions.ExistingRows, which adds the column and fills it",
		})
		return
	}
	expected := l.expect(t, c)
	l.checkColumn(t, c, expected.Default)
	l.checkSecurity(t)
	l.checkPolicies(t, expected)
}

// isAdopting says whether a table is on its way from a plain application's to a tenant-owned one. All else about it is
// for then. The triggers of an adoption may stay on a sealed table, so they are no excuse once it was recorded.
func (l *look) isAdopting(t *table) bool {
	return t.Adopting && (!t.Secured || !t.Forced) && t.recorded == ""
}

// tenantColumn is the tenant column, or nil.
func (t *table) tenantColumn() *column { return t.relation.column(t.column) }

// expect is what Migrate makes of the table.
func (l *look) expect(t *table, c *column) tables.Expected {
	wanted := tables.Table{Schema: t.Schema, Name: t.Name, Column: t.column, Kind: kindOf(t.class)}
	return tables.Expect(wanted, c.Quoted, t.Owner, tables.Config{Roles: l.config.Roles, Citus: l.config.Citus})
}

// recordSQL is what Migrate does last.
func recordSQL(t *table) string {
	return "INSERT INTO stratum.tables (table_schema, table_name, class, tenant_column) VALUES (" + literal(t.Schema) +
		", " + literal(t.Name) + ", " + literal(t.class) + ", " + literal(t.column) + ");"
}

// checkColumn looks at what fills the tenant column.
func (l *look) checkColumn(t *table, c *column, wanted string) {
	alter := "ALTER TABLE " + t.String() + " ALTER COLUMN " + quote(c.Name)
	if !c.NotNull && t.class == owned {
		l.addOf(t.Owner, Finding{
			Severity: Weakens, Code: CodeColumnNullable, Object: t.columnLabel(), RunAs: Owner,
			Finding: "it may be NULL: such rows belong to no tenant, and no foreign key is checked for them",
			Cure:    alter + " SET NOT NULL;",
		})
	}
	if c.Default != wanted {
		l.addOf(t.Owner, Finding{
			Severity: Weakens, Code: CodeColumnDefault, Object: t.columnLabel(), RunAs: Owner,
			Finding: "its default is not the tenant of the statement: " + defaultText(c.Default),
			Cure:    alter + " SET DEFAULT " + wanted + ";",
		})
	}
}

// defaultText does not repeat a default, which may be the id of a tenant.
func defaultText(text string) string {
	if text == "" {
		return "it has none"
	}
	return "it is another expression"
}

func (t *table) columnLabel() string {
	return "column " + quote(t.column) + " of " + t.label()
}

// checkSecurity looks whether policies act at all, and on everybody.
func (l *look) checkSecurity(t *table) {
	alter := "ALTER TABLE " + t.String()
	if t.Kind == "f" {
		l.addOf(t.Owner, Finding{
			Severity: Breaks, Code: CodeRLSDisabled, Object: t.label(),
			Finding: "it is a foreign table, which cannot have row-level security",
			Cure: "move the rows into a table of this database, or name it in Options.External and grant it to no " +
				"tenant",
		})
		return
	}
	if !t.Secured {
		l.addOf(t.Owner, Finding{
			Severity: Breaks, Code: CodeRLSDisabled, Object: t.label(), RunAs: Owner,
			Finding: "row-level security is off, so every tenant sees all rows",
			Cure:    alter + " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
		})
		return
	}
	if !t.Forced {
		l.addOf(t.Owner, Finding{
			Severity: Breaks, Code: CodeRLSNotForced, Object: t.label(), RunAs: Owner,
			Finding: "row-level security is not forced: its owner sees all rows, and so do views and functions of " +
				"theirs",
			Cure: alter + " FORCE ROW LEVEL SECURITY;",
		})
	}
}

// checkPolicies compares the policies with those that Migrate makes.
func (l *look) checkPolicies(t *table, expected tables.Expected) {
	if t.Kind == "f" {
		return
	}
	var missing, cures []string
	for _, wanted := range expected.Policies {
		p := l.policy(t.OID, wanted.Name)
		switch {
		case p == nil:
			missing, cures = append(missing, quote(wanted.Name)), append(cures, wanted.Define)
		case !p.equal(wanted):
			l.addOf(t.Owner, Finding{
				Severity: Breaks, Code: CodePolicyAltered, Object: p.label(t.relation), RunAs: Owner,
				Finding: "it is not as Stratum makes it, so it may show rows of other tenants",
				Cure:    atomic("DROP POLICY "+quote(p.Name)+" ON "+t.String(), wanted.Define),
			})
		}
	}
	if len(missing) > 0 {
		l.addOf(t.Owner, Finding{
			Severity: Breaks, Code: CodePolicyMissing, Object: t.label(), RunAs: Owner,
			Finding: "it lacks Stratum's policies " + strings.Join(missing, ", "), Cure: atomic(cures...),
		})
	}
	for _, p := range l.guarded[t.OID] {
		if p.Permissive && p.Concerns && !tables.IsPolicy(p.Name) {
			l.addOf(t.Owner, Finding{
				Severity: Breaks, Code: CodePolicyForeign, Object: p.label(t.relation), RunAs: Owner,
				Finding: "it is permissive and not Stratum's: policies are ORed, so it widens what a tenant or the " +
					"owner sees",
				Cure: "DROP POLICY " + quote(p.Name) + " ON " + t.String() + ";",
			})
		}
	}
}

func (l *look) policy(oid uint32, name string) *policy {
	for _, p := range l.guarded[oid] {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (p *policy) label(r *relation) string { return "policy " + quote(p.Name) + " on " + r.String() }

// equal compares a policy by all that decides what it does.
func (p *policy) equal(wanted tables.ExpectedPolicy) bool {
	return p.Permissive && p.Command == wanted.Command && slices.Equal(p.Roles, wanted.Roles) &&
		p.Using == wanted.Using && p.Check == wanted.Check
}

// checkParents looks at tables that an owned one inherits from: who reads them reads its rows, by their policies alone.
func (l *look) checkParents(t *table) {
	for _, oid := range t.Parents {
		parent := l.byOID[oid]
		if parent == nil || l.root(oid) != nil {
			continue
		}
		grants := l.reach(parent)
		if len(grants) == 0 {
			continue
		}
		cure, runAs := revoke("TABLE "+parent.String(), parent.Owner, "ALL", grants)
		l.addOf(parent.Owner, Finding{
			Severity: l.worst(grants), Code: CodeParent, Object: parent.label(), Cure: cure, RunAs: runAs,
			Finding: fmt.Sprintf("tenant-owned table %s inherits from it: who reads the one reads the other, "+
				"without its policies (granted to %s)", t.relation, grantees(grants)),
		})
	}
}

// checkUnclassed looks at a table that nobody has said anything of.
func (l *look) checkUnclassed(r *relation) {
	grants := l.reach(r)
	if root := l.root(r.OID); root != nil {
		l.checkChild(r, root, grants)
		return
	}
	if refs := l.joins(r); len(refs) > 1 {
		l.reportJoin(r, refs)
		return
	}
	if len(grants) > 0 {
		cure, runAs := revoke("TABLE "+r.String(), r.Owner, "ALL", grants)
		l.addOf(r.Owner, Finding{
			Severity: l.worst(grants), Code: CodeTableReachable, Object: r.label(), Cure: cure, RunAs: runAs,
			Finding: "nobody has said whose its rows are, and tenants reach all of them: " + rights(grants) +
				" is granted to " + grantees(grants),
		})
		return
	}
	if len(r.Parents) == 0 && l.isApplications(r.Schema) {
		l.addOf(r.Owner, Finding{
			Severity: Weakens, Code: CodeTableUnclassed, Object: r.label(), RunAs: Owner,
			Finding: "nobody has said whose its rows are: declare its model, or name it in Options.External; it is " +
				"out of the tenants' reach now, and is external if it is to stay so",
			Cure: "INSERT INTO stratum.tables (table_schema, table_name, class) VALUES (" + literal(r.Schema) + ", " +
				literal(r.Name) + ", 'external');",
		})
	}
}

// isApplications says whether a schema holds tables of the application: tenants may use it, or a table in it is
// declared.
func (l *look) isApplications(schema string) bool {
	return l.homes[schema] || len(l.schemas[schema].Users) > 0
}

// checkChild looks at a partition or an inheriting table. Through its parent it is under the parent's policies; by
// itself it is under its own, and has none.
func (l *look) checkChild(r *relation, root *table, grants []grant) {
	if len(grants) == 0 || r.Secured && !slices.ContainsFunc(grants, isTruncate) {
		return
	}
	cure, runAs := revoke("TABLE "+r.String(), r.Owner, "ALL", grants)
	l.addOf(r.Owner, Finding{
		Severity: l.worst(grants), Code: CodeChildReachable, Object: r.label(), Cure: cure, RunAs: runAs,
		Finding: fmt.Sprintf("it is a part of tenant-owned table %s and has no policies of its own, and %s is "+
			"granted to %s",
			root.relation, rights(grants), grantees(grants)),
	})
}

func isTruncate(g grant) bool { return g.Right == "TRUNCATE" }

// joins returns the foreign keys to owned tables of a table without a tenant column.
func (l *look) joins(r *relation) []foreignKey {
	if len(r.Columns) > 0 {
		return nil
	}
	return filter(l.refers[r.OID], func(k foreignKey) bool { return l.classed[k.Ref].isOwned() })
}

// reportJoin reports a join table, with what Migrate would make of it.
func (l *look) reportJoin(r *relation, refs []foreignKey) {
	f := Finding{
		Severity: Breaks, Code: CodeJoinTable, Object: r.label(),
		Finding: "it joins tenant-owned tables and has no tenant column, so that it can join rows of different " +
			"tenants and shows which are joined",
		Cure: "declare the many2many relation, or the table as a model, and run gormstratum.Migrate",
	}
	if cure := l.adoptJoin(r, refs); len(cure) > 0 {
		f.Cure, f.RunAs = atomic(cure...), Owner
	}
	l.addOf(r.Owner, f)
}

// adoptJoin makes a join table tenant-owned. Its rows follow those that they join.
func (l *look) adoptJoin(r *relation, refs []foreignKey) []string {
	ref := l.classed[refs[0].Ref]
	if ref.tenantColumn() == nil || !r.isTable() || r.Kind == "f" {
		return nil
	}
	c := *ref.tenantColumn()
	t := &table{relation: r, class: owned, column: c.Name}
	expected := l.expect(t, &c)
	conditions := make([]string, len(refs[0].Columns))
	for i, name := range refs[0].Columns {
		conditions[i] = "j." + quote(name) + " = r." + quote(refs[0].RefColumns[i])
	}
	alter := "ALTER TABLE " + t.String() + " "
	statements := []string{
		alter + "ADD COLUMN " + quote(c.Name) + " " + c.Type,
		"UPDATE " + t.String() + " j SET " + quote(c.Name) + " = r." + quote(c.Name) + " FROM " + ref.String() +
			" r WHERE " + strings.Join(conditions, " AND "),
		alter + "ALTER COLUMN " + quote(c.Name) + " SET DEFAULT " + expected.Default + ", ALTER COLUMN " +
			quote(c.Name) + " SET NOT NULL",
	}
	for _, k := range refs {
		more := l.compositeKey(k, t, l.classed[k.Ref])
		if more == nil {
			return nil
		}
		statements = append(statements, more...)
	}
	for _, p := range expected.Policies {
		statements = append(statements, p.Define)
	}
	return append(statements,
		alter+"ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		"REVOKE ALL ON TABLE "+t.String()+" FROM PUBLIC, "+quoteEach(l.config.Roles.All()),
		"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "+t.String()+" TO "+
			quoteEach([]string{l.config.Roles.Tenant, l.config.Roles.Subtree, l.config.Roles.System}),
		strings.TrimSuffix(recordSQL(t), ";"))
}
