package gormstratum_test

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// statement is one that the conformance suite has generated, as it was sent.
type statement struct {
	path, sql string
	args      []any
}

// recorder keeps the statements of one caller that GORM has written.
type recorder struct {
	path       string
	statements []statement
}

func (r *recorder) keep(db *gorm.DB) {
	if db.Statement.SQL.Len() > 0 && !db.DryRun {
		r.statements = append(r.statements, statement{r.path, db.Statement.SQL.String(), slices.Clone(db.Statement.Vars)})
	}
}

// listen has GORM tell of each statement, those of hooks, preloads and associations included.
func (r *recorder) listen(t *testing.T, db *gorm.DB) {
	t.Helper()
	c := db.Callback()
	require.NoError(t, c.Query().After("gorm:query").Register("test:keep", r.keep))
	require.NoError(t, c.Row().After("gorm:row").Register("test:keep", r.keep))
	require.NoError(t, c.Raw().After("gorm:raw").Register("test:keep", r.keep))
	require.NoError(t, c.Create().After("gorm:create").Register("test:keep", r.keep))
	require.NoError(t, c.Update().After("gorm:update").Register("test:keep", r.keep))
	require.NoError(t, c.Delete().After("gorm:delete").Register("test:keep", r.keep))
}

// plan is a node of PostgreSQL's plan.
type plan struct {
	NodeType  string `json:"Node Type"`
	Relation  string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	IndexCond string `json:"Index Cond"`
	Filter    string `json:"Filter"`
	Plans     []plan `json:"Plans"`
}

// walk calls fn for the plan and all beneath it.
func (p plan) walk(fn func(plan)) {
	fn(p)
	for _, below := range p.Plans {
		below.walk(fn)
	}
}

// conditions are the conditions of the indexes that the rows of a scan are found by.
func (p plan) conditions() string {
	all := []string{p.IndexCond}
	for _, below := range p.Plans {
		if strings.HasPrefix(below.NodeType, "Bitmap") {
			all = append(all, below.conditions())
		}
	}
	return strings.Join(all, " ")
}

// isScan reports whether the node reads a table's rows.
func (p plan) isScan() bool { return p.Relation != "" && strings.HasSuffix(p.NodeType, "Scan") }

// byKey is a look-up of single rows by the whole primary key, where the index on it and the one on (tenant_id, id) cost
// the same. The tenant's column is compared with the row that is found.
func (p plan) byKey() bool {
	return strings.HasSuffix(p.Index, "_pkey") && pointCondition.MatchString(p.IndexCond) && strings.Contains(p.Filter, "tenant_id")
}

var pointCondition = regexp.MustCompile(`^\(+\w+ = [^<>]+\)+$`)

// explain returns the plan of a statement as the tenant of ctx.
func explain(ctx context.Context, t *testing.T, st *core.Stratum, s statement) plan {
	t.Helper()
	tx, err := st.DB().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	var text string
	require.NoError(t, tx.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) "+s.sql, s.args...).Scan(&text), s.sql)
	var plans []struct{ Plan plan }
	require.NoError(t, json.Unmarshal([]byte(text), &plans))
	return plans[0].Plan
}

// crowd fills the tables with the rows of tenants who are not there, so that a scan of all would be dear.
func (d desk) crowd(t *testing.T) {
	t.Helper()
	d.exec(t, d.AdminDSN, `
		SET session_replication_role = replica;
		CREATE TEMP TABLE crowd AS
			SELECT lpad(t::text, 32, '0')::uuid AS tenant, gen_random_uuid() AS id
			FROM generate_series(1, 60) t, generate_series(1, 100);
		INSERT INTO tickets (tenant_id, id, number, title, status) SELECT tenant, id, id::text, 'x', 'open' FROM crowd;
		INSERT INTO comments (tenant_id, id, ticket_id, body) SELECT tenant, gen_random_uuid(), id, 'x' FROM crowd;
		INSERT INTO tags (tenant_id, id, name, title) SELECT tenant, id, id::text, 'x' FROM crowd;
		INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id) SELECT tenant, id, id FROM crowd;
		INSERT INTO people (tenant_id, id, title) SELECT tenant, id, 'x' FROM crowd;
		INSERT INTO badges (tenant_id, id, person_id, title) SELECT tenant, gen_random_uuid(), id, 'x' FROM crowd;
		INSERT INTO remarks (tenant_id, id, owner_id, owner_type, parent_id, title)
			SELECT tenant, gen_random_uuid(), id, 'people', gen_random_uuid(), 'x' FROM crowd;
		INSERT INTO watchers (tenant_id, ticket_id, person_id, title) SELECT tenant, id, id, 'x' FROM crowd;
		ANALYZE`)
}

// Every scan of a tenant-owned table that the suite's statements make, in sub-queries and joins too, is by an index
// with the tenant's column in its condition.
func TestPlans(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	db := openConformance(t, d.st)
	var kept recorder
	kept.listen(t, db)
	conformance.Visit(t, conformance.Suite{Stratum: d.st, AdminDSN: d.AdminDSN, Paths: allPaths(db)},
		func(name string) { kept.path = name })
	d.crowd(t)
	ctx := d.tenant(t, "planner")
	scans, points := 0, make(map[string]int)
	var unplanned []string
	for _, s := range kept.statements {
		if !planned(s.sql) {
			unplanned = append(unplanned, s.sql)
			continue
		}
		explain(ctx, t, d.st, s).walk(func(p plan) {
			if !p.isScan() || strings.HasPrefix(p.Relation, "pg_") {
				return
			}
			scans++
			switch {
			case strings.Contains(p.conditions(), "tenant_id"):
			case p.byKey():
				points[p.Index]++
			default:
				t.Errorf("%s: %s of %s by %q (%s)\n%s", s.path, p.NodeType, p.Relation, p.Index, p.conditions()+" "+p.Filter, s.sql)
			}
		})
	}
	require.Greater(t, scans, 200)
	t.Logf("%d statements, %d scans of tenant-owned tables, of which by the whole primary key: %v; without a plan: %v",
		len(kept.statements), scans, points, slices.Compact(slices.Sorted(slices.Values(unplanned))))
}

// planned reports whether a statement has a plan.
func planned(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	return slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "TABLE"}, word)
}
