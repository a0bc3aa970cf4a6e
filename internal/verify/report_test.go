package verify_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
	"github.com/stratum-hq/stratum-go/internal/verify"
)

// broken is a world with a finding of each severity.
func broken(t *testing.T) world {
	t.Helper()
	w := newWorld(t)
	run(t, w.OwnerDSN, w.fill(`CREATE INDEX slow ON invoices (number); GRANT REFERENCES ON tags TO {tenant};
		ALTER TABLE tags NO FORCE ROW LEVEL SECURITY`))
	return w
}

func TestReport(t *testing.T) {
	t.Parallel()
	report := broken(t).verify(t)
	require.Equal(t, []string{
		`breaks rls_not_forced table "public"."tags"`,
		`weakens references_granted table "public"."tags"`,
		`slows index_not_led_by_tenant index "public"."slow" on "public"."invoices"`,
		`note conflict_target index "public"."uni_customers_email" on "public"."customers"`,
	}, codes(report, verify.Note), "the worst first")
	require.Len(t, report.AtLeast(verify.Breaks), 1)
	require.Len(t, report.AtLeast(verify.Weakens), 2)
	require.Len(t, report.AtLeast(verify.Slows), 3)

	require.False(t, report.OK())
	require.ErrorIs(t, report.Err(), verify.ErrBoundary)
	require.ErrorContains(t, report.Err(), `ALTER TABLE "public"."tags" FORCE ROW LEVEL SECURITY;`)
	require.NotContains(t, report.Err().Error(), "REFERENCES", "what only weakens is no error")

	text := report.String()
	require.Equal(t, 0, strings.Index(text, "threat model: none holds until what breaks the boundary is cured (1 found)\n"))
	require.Contains(t, text, "BREAKS THE BOUNDARY [rls_not_forced] table \"public\".\"tags\": ")
	require.Contains(t, text, "\n    cure, as the owner:\n        ALTER TABLE \"public\".\"tags\" FORCE ROW LEVEL SECURITY;\n")
	require.Contains(t, text,
		"5 tenant-owned tables: 1 findings break the boundary, 1 weaken it, 1 cost speed, 1 notes\n")
	require.Equal(t, text, reprinted(report), "the same report is the same text")
}

// reprinted prints a copy that went through JSON.
func reprinted(r *verify.Report) string {
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	var other verify.Report
	if err := json.Unmarshal(text, &other); err != nil {
		return err.Error()
	}
	return other.String()
}

func TestReportJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(verify.Report{
		Database: "app", ThreatModel: verify.AgainstHostileSQL, Tables: 1,
		Findings: []verify.Finding{{
			Severity: verify.Slows, Code: verify.CodeIndexInvalid, Object: `index "i"`, Finding: "it is not valid",
			Cure: `DROP INDEX "i";`, RunAs: verify.Owner,
		}},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"database": "app", "threat_model": "against hostile SQL", "tables": 1, "findings": [{
		"severity": "slows", "code": "index_invalid", "object": "index \"i\"", "finding": "it is not valid",
		"cure": "DROP INDEX \"i\";", "run_as": "owner"}]}`, string(text))
	require.Equal(t, "threat model: against hostile SQL (hardened)",
		(&verify.Report{ThreatModel: verify.AgainstHostileSQL}).Summary())
}

// TestReportHoldsNoValues holds that an id in a default is not repeated.
func TestReportHoldsNoValues(t *testing.T) {
	t.Parallel()
	const id = "7f6ac3f0-0000-0000-0000-00000000beef"
	w := newWorld(t)
	run(t, w.OwnerDSN, "ALTER TABLE invoices ALTER COLUMN tenant_id SET DEFAULT '"+id+"'")
	report := w.verify(t)
	require.False(t, report.OK() && len(report.AtLeast(verify.Weakens)) == 0)
	require.NotContains(t, report.String(), id)
}

// TestRoundTrips holds that their number does not depend on how many tables there are.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.verify(t)
	few := w.queries.Load()
	const many = 300
	var ddl strings.Builder
	list := shop()
	for i := range many {
		fmt.Fprintf(&ddl, `CREATE TABLE t%d (id bigint PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(),
			tag_id bigint, name text UNIQUE);`, i)
		list = append(list, tables.Table{
			Name: fmt.Sprintf("t%d", i), PrimaryKey: []string{"id"},
			ForeignKeys: []tables.ForeignKey{reference(fmt.Sprintf("fk_%d", i), "tag_id", "tags", "id", true)},
		})
	}
	w.migrate(t, ddl.String(), list)
	report := w.verify(t)
	require.Equal(t, 5+many, report.Tables)
	require.Len(t, report.AtLeast(verify.Breaks), many, "one unique key each")
	require.Equal(t, few, w.queries.Load())
	require.LessOrEqual(t, few, int64(10), "begin, scope, one for each kind of object, commit")
}

// TestNotTheSystem holds that who may not become the system is refused, instead of told that all is well.
func TestNotTheSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := tryVerify(t, w.DSN, w.config)
	require.ErrorContains(t, err, "42501")
}

// TestModels holds what only the models know.
func TestModels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Declared = shop()
	require.Empty(t, codes(w.verify(t), verify.Slows), "what is declared is there")
	run(t, w.OwnerDSN, `ALTER TABLE customers DROP CONSTRAINT uni_customers_email;
		ALTER TABLE invoices DROP CONSTRAINT fk_invoices_customer;
		UPDATE stratum.tables SET class = 'global', tenant_column = NULL WHERE table_name = 'tags';
		DELETE FROM stratum.tables WHERE table_name IN ('invoices', 'river_job')`)
	w.config.Declared = append(w.config.Declared, ownedTable("orders"),
		tables.Table{Schema: "other", Name: "tags", Kind: tables.Global})
	report := w.verify(t)
	require.Equal(t, []string{
		`weakens class_differs table "public"."tags"`,
		`weakens foreign_key_missing constraint "fk_invoices_customer" on "public"."invoices"`,
		`weakens table_missing table "orders"`,
		`weakens table_missing table "other"."tags"`,
		`weakens unique_missing index "public"."uni_customers_email" on "public"."customers"`,
		`note table_unrecorded ` + tableInvoices,
	}, codes(report, verify.Note), "%s", report)
	w.config.Declared = nil
	require.NotNil(t, find(w.verify(t), verify.CodeTableReachable, `table "public"."river_job"`),
		"without a model or a record the table has no class")
}
