package verify

import (
	"slices"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Classes of tables, as in stratum.tables.
const (
	owned    = "owned"
	mixed    = "mixed"
	global   = "global"
	external = "external"
)

// table is a relation with a class.
type table struct {
	*relation

	class    string
	column   string // the tenant column of an owned or mixed table
	recorded string // the class that Migrate recorded, or empty
}

// isOwned says whether rows of the table belong to tenants.
func (t *table) isOwned() bool { return t != nil && (t.class == owned || t.class == mixed) }

// look is what the rules work on.
type look struct {
	*catalog

	config   Config
	report   *Report
	byOID    map[uint32]*relation
	classed  map[uint32]*table
	schemas  map[string]schema
	homes    map[string]bool // schemas that hold a table with a class
	missing  []record        // recorded, and not there
	absent   []*tables.Table // declared, and not there
	indexed  map[uint32][]*index
	guarded  map[uint32][]*policy
	refers   map[uint32][]foreignKey
	declared map[uint32]*tables.Table
}

// newLook sorts what was read.
func newLook(c Config, cat *catalog) *look {
	l := &look{
		catalog: cat, config: c, report: &Report{Database: cat.server.Database, Findings: []Finding{}},
		byOID: make(map[uint32]*relation), classed: make(map[uint32]*table), schemas: make(map[string]schema),
		indexed: make(map[uint32][]*index), guarded: make(map[uint32][]*policy),
		refers: make(map[uint32][]foreignKey), homes: make(map[string]bool), declared: make(map[uint32]*tables.Table),
	}
	for _, r := range cat.relations {
		l.byOID[r.OID] = r
	}
	for _, s := range cat.server.Schemas {
		l.schemas[s.Name] = s
	}
	for _, x := range cat.indexes {
		l.indexed[x.Table] = append(l.indexed[x.Table], x)
	}
	for i, p := range cat.policies {
		l.guarded[p.Table] = append(l.guarded[p.Table], &cat.policies[i])
	}
	for _, k := range cat.keys {
		l.refers[k.Table] = append(l.refers[k.Table], k)
	}
	l.classify()
	for _, t := range l.classed {
		l.homes[t.Schema] = true
		if t.isOwned() {
			l.report.Tables++
		}
	}
	return l
}

// classify finds each table's class: what a model says, else what Migrate recorded, else what its policies show, or the
// triggers of an adoption.
func (l *look) classify() {
	byName := make(map[[2]string]*relation)
	for _, r := range l.relations {
		if r.Kind != "S" {
			byName[[2]string{r.Schema, r.Name}] = r
		}
	}
	for _, rec := range l.server.Records {
		r := byName[[2]string{rec.Schema, rec.Table}]
		if r == nil {
			l.missing = append(l.missing, rec)
			continue
		}
		t := &table{relation: r, class: rec.Class, recorded: rec.Class}
		if rec.Column != nil {
			t.column = *rec.Column
		}
		l.classed[r.OID] = t
	}
	for i := range l.config.Declared {
		l.declare(byName, &l.config.Declared[i])
	}
	for _, p := range l.policies {
		if r := l.byOID[p.Table]; r != nil && l.classed[p.Table] == nil && tables.IsPolicy(p.Name) {
			l.classed[p.Table] = &table{relation: r, class: owned, column: l.guessColumn(r)}
		}
	}
	for _, r := range l.relations {
		if r.Adopting && l.classed[r.OID] == nil {
			l.classed[r.OID] = &table{relation: r, class: owned, column: l.guessColumn(r)}
		}
	}
}

// declare takes over what a model says of its table.
func (l *look) declare(byName map[[2]string]*relation, d *tables.Table) {
	path := l.config.SearchPath
	if d.Schema != "" {
		path = []string{d.Schema}
	}
	for _, schema := range path {
		r := byName[[2]string{schema, d.Name}]
		if r == nil {
			continue
		}
		t := &table{relation: r, class: classOf(d.Kind)}
		if before := l.classed[r.OID]; before != nil {
			t.recorded = before.recorded
		}
		if t.isOwned() {
			t.column = d.Column
			if t.column == "" {
				t.column = tables.DefaultColumn
			}
		}
		l.classed[r.OID], l.declared[r.OID] = t, d
		return
	}
	l.absent = append(l.absent, d)
}

func classOf(kind tables.Kind) string {
	switch kind {
	case tables.Owned:
		return owned
	case tables.Global:
		return global
	case tables.External:
		return external
	case tables.Mixed:
	}
	return mixed
}

func kindOf(class string) tables.Kind {
	for _, kind := range []tables.Kind{tables.Mixed, tables.Global, tables.External} {
		if classOf(kind) == class {
			return kind
		}
	}
	return tables.Owned
}

// guessColumn finds the tenant column of a table that nobody recorded.
func (l *look) guessColumn(r *relation) string {
	for _, c := range r.Columns {
		if c.Default == tables.TenantDefault {
			return c.Name
		}
	}
	return tables.DefaultColumn
}

// root returns the owned table that a relation is, or is a part of.
func (l *look) root(oid uint32) *table { return l.ancestor(oid, map[uint32]bool{}) }

func (l *look) ancestor(oid uint32, seen map[uint32]bool) *table {
	if t := l.classed[oid]; t != nil {
		if t.isOwned() {
			return t
		}
		return nil
	}
	r := l.byOID[oid]
	if r == nil || seen[oid] {
		return nil
	}
	seen[oid] = true
	for _, parent := range r.Parents {
		if t := l.ancestor(parent, seen); t != nil {
			return t
		}
	}
	return nil
}

// primaryKey returns the columns of a relation's primary key.
func (l *look) primaryKey(oid uint32) []string {
	for _, x := range l.indexed[oid] {
		if x.Primary {
			return x.Columns
		}
	}
	return nil
}

// isTenants says whether a grantee is one that every tenant's statement acts as. Empty stands for PUBLIC.
func (l *look) isTenants(grantee string) bool {
	return grantee == "" || l.isTenantsRole(grantee)
}

// isTenantsRole says whether a role is one that statements of tenants run as.
func (l *look) isTenantsRole(name string) bool {
	roles := l.config.Roles
	return name == roles.Tenant || name == roles.Subtree || name == roles.Schema
}

// isLogin says whether a grantee is the data login, where that is not the owner of all: hostile SQL can go back to it.
func (l *look) isLogin(grantee string) bool {
	if grantee != l.config.DataLogin || grantee == l.config.OwnerLogin {
		return false
	}
	return grantee != l.server.Owner && grantee != l.server.StratumOwner && !l.login(grantee).Superuser
}

// login returns what is known of a login.
func (l *look) login(name string) login {
	for _, found := range l.server.Logins {
		if found.Name == name {
			return found
		}
	}
	return login{Name: name}
}

// reach returns the rights by which a statement of a tenant reaches a relation.
func (l *look) reach(r *relation) []grant {
	if len(l.schemas[r.Schema].Users) == 0 {
		return nil
	}
	return filter(r.Grants, func(g grant) bool { return l.isTenants(g.Grantee) || l.isLogin(g.Grantee) })
}

// worst is Breaks where a statement of a tenant has one of the rights, and Weakens where only hostile SQL could.
func (l *look) worst(grants []grant) Severity {
	if slices.ContainsFunc(grants, func(g grant) bool { return l.isTenants(g.Grantee) }) {
		return Breaks
	}
	return Weakens
}

// add reports a finding.
func (l *look) add(f Finding) { l.report.Findings = append(l.report.Findings, f) }

// addOf reports a finding on something of an owner's. Where that is not the login of migrations, a superuser cures it.
func (l *look) addOf(owner string, f Finding) {
	if owner == "pg_database_owner" {
		owner = l.server.Owner
	}
	if f.RunAs == Owner && owner != l.config.OwnerLogin && owner != l.server.StratumOwner {
		f.RunAs = Superuser
	}
	l.add(f)
}

func filter[T any](list []T, keep func(T) bool) []T {
	var kept []T
	for _, v := range list {
		if keep(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// sameSet reports whether two lists have the same names in any order.
func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}
