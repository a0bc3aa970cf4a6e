package gormstratum_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/conformance"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// parameter is one in a statement's text.
var parameter = regexp.MustCompile(`\$(\d+)`)

// onTheWire are the texts that the suite's paths send, those of plain database/sql included, without what the guard
// sends of its own.
func (d desk) onTheWire(t *testing.T) []string {
	t.Helper()
	proxy, err := pgproxy.Start(t.Context(), d.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, proxy.Close()) }()
	options := d.Options()
	options.DSN = proxy.DSN()
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	db := openConformance(t, st)
	proxy.Record()
	conformance.Visit(t, conformance.Suite{Stratum: st, AdminDSN: d.AdminDSN, Paths: allPaths(db)}, func(string) {})
	texts := proxy.Statements()
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(text string) bool {
		return !planned(text) || strings.Contains(text, "set_config('stratum.") || strings.Contains(text, "stratum.admit")
	})
}

// asTenant is a connection that is what the guard makes of one, but can prepare statements.
func (d desk) asTenant(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := d.tenant(t, "planner")
	id, _ := core.TenantFrom(ctx)
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(ctx)) })
	role := d.st.Roles(access.Token{}).Tenant
	for _, setting := range [][2]string{
		{"stratum.tenant", id.String()},
		{"plan_cache_mode", "force_generic_plan"},
		{"search_path", d.st.SearchPath(access.Token{})},
		{"role", role},
	} {
		_, err := conn.Exec(t.Context(), "SELECT set_config($1, $2, false)", setting[0], setting[1])
		require.NoError(t, err)
	}
	return conn
}

// explainText returns the plan that serves a text for all parameters.
func explainText(t *testing.T, conn *pgx.Conn, number int, text string) conformance.Plan {
	t.Helper()
	most := 0
	for _, found := range parameter.FindAllStringSubmatch(text, -1) {
		var n int
		_, err := fmt.Sscan(found[1], &n)
		require.NoError(t, err)
		most = max(most, n)
	}
	name := fmt.Sprintf("explained_%d", number)
	_, err := conn.PgConn().Exec(t.Context(), "PREPARE "+name+" AS "+text).ReadAll()
	require.NoError(t, err, text)
	execute := "EXECUTE " + name
	if most > 0 {
		execute += "(" + strings.Repeat("NULL, ", most-1) + "NULL)"
	}
	results, err := conn.PgConn().Exec(t.Context(), "EXPLAIN (FORMAT JSON) "+execute).ReadAll()
	require.NoError(t, err, text)
	return conformance.ReadPlan(t, string(results[0].Rows[0][0]))
}

// What TestPlans shows of GORM's statements holds for whatever the suite sends, the application's own SQL included: the
// policies alone lead its plans.
func TestPlansOnTheWire(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	texts := d.onTheWire(t)
	d.exec(t, d.AdminDSN, conformance.CrowdSQL)
	conn := d.asTenant(t)
	scans, points := 0, 0
	for i, text := range texts {
		for _, p := range explainText(t, conn, i, text).Scans() {
			if strings.HasPrefix(p.Relation, "pg_") {
				continue
			}
			scans++
			if p.CheckScan(t, text) {
				points++
			}
		}
	}
	require.Greater(t, len(texts), 150)
	t.Logf("%d texts, %d scans of tenant-owned tables, %d of them by the whole primary key", len(texts), scans, points)
}
