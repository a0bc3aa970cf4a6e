package gormstratum_test

import (
	"context"
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

// explain returns the plan of a statement as the tenant of ctx.
func explain(ctx context.Context, t *testing.T, st *core.Stratum, s statement) conformance.Plan {
	t.Helper()
	tx, err := st.DB().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	var text string
	require.NoError(t, tx.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) "+s.sql, s.args...).Scan(&text), s.sql)
	return conformance.ReadPlan(t, text)
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
	d.exec(t, d.AdminDSN, conformance.CrowdSQL)
	ctx := d.tenant(t, "planner")
	scans, points := 0, make(map[string]int)
	var unplanned []string
	for _, s := range kept.statements {
		if !planned(s.sql) {
			unplanned = append(unplanned, s.sql)
			continue
		}
		for _, p := range explain(ctx, t, d.st, s).Scans() {
			if strings.HasPrefix(p.Relation, "pg_") {
				continue
			}
			scans++
			if p.CheckScan(t, s.path+"\n"+s.sql) {
				points[p.Index]++
			}
		}
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
