package gormstratum

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// GORM's names of clauses.
const (
	whereClause    = "WHERE"
	fromClause     = "FROM"
	conflictClause = "ON CONFLICT"
)

// tableName takes the name out of "name", "schema"."name" and name AS alias.
var tableName = regexp.MustCompile(`(?i)^\s*((?:"?\w+"?\.)?"?\w+"?)(?:\s+(?:as\s+)?"?\w+"?)?\s*$`)

// scopeClauses puts the predicate into every WHERE and every ON, and the statement's scope into every sub-query, at the
// moment when GORM writes the clause. The conditions are complete by then, so none that is added later can widen them,
// and GORM's check for a missing WHERE has seen what the caller wrote. A builder that the application has set for the
// clause is called with the predicate in place.
func (p *Plugin) scopeClauses(db *gorm.DB) {
	rewrites := map[string]func(*gorm.Statement, clause.Clause) clause.Clause{
		whereClause: p.scopeWhere, fromClause: p.scopeJoins, conflictClause: p.scopeConflict,
		"VALUES": p.sealValues, "SET": p.sealSet,
	}
	for _, name := range subqueryClauses() {
		next, rewrite := db.ClauseBuilders[name], rewrites[name]
		db.ClauseBuilders[name] = func(c clause.Clause, b clause.Builder) {
			// A statement without a list of clauses is one that GORM makes for a fragment of SQL, whose parameters it
			// drops.
			if stmt, ok := b.(*gorm.Statement); ok && len(stmt.BuildClauses) > 0 {
				c = inheritClause(c)
				if rewrite != nil {
					c = rewrite(stmt, c)
				}
			}
			if next != nil {
				next(c, b)
				return
			}
			c.Build(b)
		}
	}
}

// scopeWhere puts the predicate in front of the caller's conditions.
func (p *Plugin) scopeWhere(stmt *gorm.Statement, c clause.Clause) clause.Clause {
	conditions, isWhere := c.Expression.(clause.Where)
	empty := c.Expression == nil || isWhere && len(conditions.Exprs) == 0
	if empty {
		// ensureWhere's. Left in place it would stand for a condition when the statement is used again, for a Delete.
		delete(stmt.Clauses, whereClause)
	}
	if !empty {
		c.Expression = p.lookUp(stmt, c.Expression)
	}
	if predicate, ok := p.predicate(stmt); ok {
		c.Expression = narrow(predicate, c.Expression, empty)
	}
	return c
}

// scopeJoins does the same for the ON of each join of a tenant-owned table that GORM knows the name of.
func (p *Plugin) scopeJoins(stmt *gorm.Statement, c clause.Clause) clause.Clause {
	from, ok := c.Expression.(clause.From)
	tenant, scoped := tenantOf(stmt)
	if !ok || !scoped {
		return c
	}
	from.Joins = slices.Clone(from.Joins)
	for i, join := range from.Joins {
		if len(join.ON.Exprs) > 0 {
			if on, ok := p.lookUp(stmt, join.ON).(clause.Where); ok {
				join.ON, from.Joins[i].ON = on, on
			}
		}
		t := p.registry.find(join.Table.Name)
		if t == nil || !t.kind.HasTenant() || join.Expression != nil || len(join.ON.Exprs) == 0 {
			continue
		}
		alias := join.Table.Alias
		if alias == "" {
			alias = join.Table.Name
		}
		from.Joins[i].ON = narrow(t.readBy(tenant, alias), join.ON, false)
	}
	c.Expression = from
	return c
}

// narrow is: predicate AND (conditions).
func narrow(predicate, conditions clause.Expression, empty bool) clause.Where {
	if empty {
		return clause.Where{Exprs: []clause.Expression{predicate}}
	}
	return clause.Where{Exprs: []clause.Expression{predicate, group{conditions}}}
}

// group puts conditions in parentheses of their own. GORM does so only where it finds " OR " in their text, and not
// where OR stands beside a line break.
type group struct {
	conditions clause.Expression
}

// Build writes the conditions in parentheses.
func (g group) Build(b clause.Builder) {
	_ = b.WriteByte('(') // a statement's builder does not fail
	g.conditions.Build(b)
	_ = b.WriteByte(')')
}

// predicate is the condition on the tenant column for a statement on a tenant-owned table, as one tenant. The system
// has none, and what a subtree reads the policies know better.
func (p *Plugin) predicate(stmt *gorm.Statement) (clause.Expression, bool) {
	t := p.target(stmt)
	if t == nil || !t.kind.HasTenant() || stmt.Table == "" {
		return nil, false
	}
	tenant, ok := tenantOf(stmt)
	if isChange(stmt) {
		return t.ownedBy(tenant, clause.CurrentTable), ok
	}
	return t.readBy(tenant, clause.CurrentTable), ok
}

// ownedBy is the condition that a row is the tenant's. The table goes by the name of alias in the statement.
func (t *table) ownedBy(tenant uuid.UUID, alias string) clause.Expression {
	return clause.Eq{Column: clause.Column{Table: alias, Name: t.column}, Value: tenant}
}

// readBy is the condition that the tenant reads a row: its own, and in an own-and-global table everyone's.
func (t *table) readBy(tenant uuid.UUID, alias string) clause.Expression {
	own := t.ownedBy(tenant, alias)
	if t.kind != tables.Mixed {
		return own
	}
	return clause.And(clause.Or(own, clause.Eq{Column: clause.Column{Table: alias, Name: t.column}}))
}

// tenantOf returns the tenant whose rows alone the statement may concern. A subtree's changes are for the tenant
// itself.
func tenantOf(stmt *gorm.Statement) (uuid.UUID, bool) {
	if stmt.Context == nil {
		return uuid.Nil, false
	}
	s, err := scope.Check(stmt.Context)
	return s.Tenant, err == nil && (s.Kind == scope.Tenant || s.Kind == scope.Subtree && isChange(stmt))
}

// isChange reports whether the statement is an UPDATE or a DELETE. A soft delete is the latter to GORM.
func isChange(stmt *gorm.Statement) bool {
	return len(stmt.BuildClauses) > 0 && (stmt.BuildClauses[0] == "UPDATE" || stmt.BuildClauses[0] == "DELETE")
}

// target returns the one table that a statement reads or changes, or nil where it is unknown or there is no such one.
func (p *Plugin) target(stmt *gorm.Statement) *table {
	name, ok := targetTable(stmt)
	if !ok {
		return nil
	}
	return p.registry.find(name)
}

// targetTable returns the name of the one table that a statement reads or changes. A sub-query in its place, or a list
// of tables, has none.
func targetTable(stmt *gorm.Statement) (string, bool) {
	if stmt.TableExpr == nil {
		return stmt.Table, stmt.Table != ""
	}
	if len(stmt.TableExpr.Vars) > 0 {
		return "", false
	}
	found := tableName.FindStringSubmatch(stmt.TableExpr.SQL)
	if found == nil {
		return "", false
	}
	return strings.ReplaceAll(found[1], `"`, ""), true
}

// beforeQuery lets a SELECT have a WHERE, for scopeWhere to fill.
func (p *Plugin) beforeQuery(db *gorm.DB) {
	// A dry run is how GORM writes a sub-query, and it loses the error of one: "IN ()" would be left. Where there is a
	// statement around it that hears of the error, the table is looked at as well.
	if !db.DryRun {
		p.guardPool(db)
	}
	p.watch(db)
	if db.Error != nil || db.Statement.SQL.Len() > 0 {
		return
	}
	if _, isSubquery := failureOf(db); db.DryRun && !isSubquery || p.known(db) {
		p.ensureWhere(db.Statement)
		inheritJoins(db.Statement)
	}
}

// beforeChange does the same for an UPDATE or DELETE of all rows, where the caller has allowed that. Elsewhere a
// missing WHERE stays missing, and GORM refuses it.
func (p *Plugin) beforeChange(db *gorm.DB) {
	p.guardPool(db)
	p.watch(db)
	if db.Error == nil && db.Statement.SQL.Len() == 0 && p.known(db) && db.AllowGlobalUpdate {
		p.ensureWhere(db.Statement)
	}
}

// beforeRaw is what there is to do for a statement that is complete.
func (p *Plugin) beforeRaw(db *gorm.DB) {
	p.guardPool(db)
	p.watch(db)
}

func (p *Plugin) ensureWhere(stmt *gorm.Statement) {
	if _, ok := stmt.Clauses[whereClause]; ok {
		return
	}
	if _, ok := p.predicate(stmt); ok {
		stmt.Clauses[whereClause] = clause.Clause{Name: whereClause, Expression: clause.Where{}}
	}
}

// known refuses a statement on a table that is in none of the lists. The database would refuse it as well, with less
// to say.
func (p *Plugin) known(db *gorm.DB) bool {
	name, ok := targetTable(db.Statement)
	if !ok || p.registry.find(name) != nil || isCatalog(name) {
		return true
	}
	_ = db.AddError(fmt.Errorf("%w: table %q is neither tenant-owned nor global nor external (add its model to "+
		"Options.Models, or its name to Options.External)", ErrModel, name)) // AddError keeps it and returns it
	return false
}

// isCatalog knows what is PostgreSQL's own and holds no tenant's rows.
func isCatalog(name string) bool {
	return strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "information_schema.")
}
