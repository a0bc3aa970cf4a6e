package gormstratum

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// whereClause is GORM's name of the clause.
const whereClause = "WHERE"

// tableName takes the name out of "name", "schema"."name" and name AS alias.
//
//nolint:gochecknoglobals // compiled once, never changed
var tableName = regexp.MustCompile(`(?i)^\s*((?:"?\w+"?\.)?"?\w+"?)(?:\s+(?:as\s+)?"?\w+"?)?\s*$`)

// scopeWhere wraps every WHERE that GORM writes. At that moment the conditions are complete, so none that is added
// later can widen them, and GORM's check for a missing WHERE has seen what the caller wrote.
func (p *Plugin) scopeWhere(db *gorm.DB) {
	next := db.ClauseBuilders[whereClause]
	db.ClauseBuilders[whereClause] = func(c clause.Clause, b clause.Builder) {
		if stmt, ok := b.(*gorm.Statement); ok {
			if predicate, ok := p.predicate(stmt); ok {
				c.Expression = scoped{predicate: predicate, conditions: c.Expression}
			}
		}
		if next != nil {
			next(c, b)
			return
		}
		c.Build(b)
	}
}

// scoped is the tenant's predicate and, in parentheses of their own, the caller's conditions.
type scoped struct {
	predicate  clause.Expression
	conditions clause.Expression
}

// Build writes: predicate AND (conditions).
func (s scoped) Build(b clause.Builder) {
	s.predicate.Build(b)
	if where, ok := s.conditions.(clause.Where); s.conditions == nil || ok && len(where.Exprs) == 0 {
		return
	}
	_, _ = b.WriteString(" AND (") // a statement's builder does not fail
	s.conditions.Build(b)
	_ = b.WriteByte(')')
}

// predicate is the condition on the tenant column for a statement on a tenant-owned table, as one tenant. A subtree
// and the system have none: the policies know better what they see.
func (p *Plugin) predicate(stmt *gorm.Statement) (clause.Expression, bool) {
	name, ok := targetTable(stmt)
	if !ok {
		return nil, false
	}
	if t := p.registry.tables[name]; t == nil || t.kind != tables.Owned {
		return nil, false
	}
	tenant, ok := tenantOf(stmt)
	if !ok {
		return nil, false
	}
	return clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: tenantColumn}, Value: tenant}, true
}

// tenantOf returns the tenant whose rows alone the statement may concern.
func tenantOf(stmt *gorm.Statement) (uuid.UUID, bool) {
	if stmt.Context == nil {
		return uuid.Nil, false
	}
	s, err := scope.Check(stmt.Context)
	return s.Tenant, err == nil && s.Kind == scope.Tenant
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

// beforeQuery lets a SELECT have a WHERE, for scopeWhere to wrap.
func (p *Plugin) beforeQuery(db *gorm.DB) {
	if db.Error != nil || db.Statement.SQL.Len() > 0 || !p.known(db) {
		return
	}
	p.ensureWhere(db.Statement)
}

// beforeChange does the same for an UPDATE or DELETE of all rows, where the caller has allowed that. Elsewhere a
// missing WHERE stays missing, and GORM refuses it.
func (p *Plugin) beforeChange(db *gorm.DB) {
	if db.Error != nil || db.Statement.SQL.Len() > 0 || !p.known(db) {
		return
	}
	if db.AllowGlobalUpdate {
		p.ensureWhere(db.Statement)
	}
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
	if !ok || p.registry.tables[name] != nil || isCatalog(name) {
		return true
	}
	if _, last, dotted := strings.Cut(name, "."); dotted && p.registry.tables[last] != nil {
		return true
	}
	_ = db.AddError(fmt.Errorf("%w: table %q is neither tenant-owned nor global nor external (add its model to "+
		"Options.Models, or its name to Options.External)", ErrModel, name)) // AddError keeps it and returns it
	return false
}

// isCatalog knows the schemas of PostgreSQL itself, which hold no tenant's rows.
func isCatalog(name string) bool {
	return strings.HasPrefix(name, "pg_catalog.") || strings.HasPrefix(name, "information_schema.")
}

// scopeJoins gives each tenant-owned model the predicate for association joins, whose ON clauses GORM builds from the
// model's query clauses.
func (p *Plugin) scopeJoins() {
	for _, t := range p.registry.tables {
		if t.kind == tables.Owned && t.field != nil {
			t.schema.QueryClauses = append(t.schema.QueryClauses, joinScope{})
		}
	}
}

// joinScope adds the predicate to an association join. GORM builds the ON clause with a statement of its own that has
// no context; the outer statement has it.
type joinScope struct{}

var _ gorm.StatementModifier = joinScope{}

// Name is empty: it is no clause of its own.
func (joinScope) Name() string { return "" }

// Build writes nothing.
func (joinScope) Build(clause.Builder) {}

// MergeClause merges nothing.
func (joinScope) MergeClause(*clause.Clause) {}

// ModifyStatement adds the predicate to an ON clause. Any other statement gets it from scopeWhere.
func (joinScope) ModifyStatement(stmt *gorm.Statement) {
	if stmt.Context != nil || stmt.DB == nil || stmt.DB.Statement == nil {
		return
	}
	tenant, ok := tenantOf(stmt.DB.Statement)
	if !ok {
		return
	}
	stmt.AddClause(clause.Where{Exprs: []clause.Expression{
		clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: tenantColumn}, Value: tenant},
	}})
}
