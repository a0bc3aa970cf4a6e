package conformance

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// CrowdSQL fills the suite's tables with the rows of tenants who are not there, so that a scan of all would be dear. It
// is for the administrator's login.
const CrowdSQL = `
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
	ANALYZE`

// Plan is a node of PostgreSQL's plan.
type Plan struct {
	NodeType  string `json:"Node Type"`
	Relation  string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	IndexCond string `json:"Index Cond"`
	Filter    string `json:"Filter"`
	Plans     []Plan `json:"Plans"`
}

// ReadPlan reads what EXPLAIN (FORMAT JSON) has printed.
func ReadPlan(t *testing.T, text string) Plan {
	t.Helper()
	var plans []struct{ Plan Plan }
	require.NoError(t, json.Unmarshal([]byte(text), &plans))
	return plans[0].Plan
}

// Scans are the nodes of the plan that read a table's rows.
func (p Plan) Scans() []Plan {
	var scans []Plan
	if p.Relation != "" && strings.HasSuffix(p.NodeType, "Scan") {
		scans = append(scans, p)
	}
	for _, below := range p.Plans {
		scans = append(scans, below.Scans()...)
	}
	return scans
}

// Conditions are the conditions of the indexes that the rows of a scan are found by.
func (p Plan) Conditions() string {
	all := []string{p.IndexCond}
	for _, below := range p.Plans {
		if strings.HasPrefix(below.NodeType, "Bitmap") {
			all = append(all, below.Conditions())
		}
	}
	return strings.Join(all, " ")
}

// ByKey is a look-up of single rows by the whole primary key, where the index on it and the one on (tenant_id, id) cost
// the same. The tenant's column is compared with the row that is found.
func (p Plan) ByKey() bool {
	return strings.HasSuffix(p.Index, "_pkey") && pointCondition.MatchString(p.IndexCond) &&
		strings.Contains(p.Filter, "tenant_id")
}

var pointCondition = regexp.MustCompile(`^\(+\w+ = [^<>]+\)+$`)

// CheckScan demands that a scan of a tenant-owned table is by an index with the tenant's column in its condition. It
// reports whether the scan is by the whole primary key instead. where is what a failure is told with.
func (p Plan) CheckScan(t *testing.T, where string) (byKey bool) {
	t.Helper()
	switch {
	case strings.Contains(p.Conditions(), "tenant_id"):
	case p.ByKey():
		return true
	default:
		t.Errorf("%s of %s by %q (%s)\n%s", p.NodeType, p.Relation, p.Index, p.Conditions()+" "+p.Filter, where)
	}
	return false
}
