package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/verify"
)

// TestClean holds that what Migrate makes has no finding, and that the notes are those to expect.
func TestClean(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := w.verify(t)
	require.Equal(t, []string{
		`note conflict_target index "public"."uni_customers_email" on "public"."customers"`,
	}, codes(report, verify.Note), "%s", report)
	require.Equal(t, 5, report.Tables)
	require.True(t, report.OK())
	require.NoError(t, report.Err())
	require.Equal(t, verify.AgainstMistakes, report.ThreatModel)
	require.Contains(t, report.Findings[0].Finding, `a raw ON CONFLICT ("email") must name ("tenant_id", "email")`)
}
