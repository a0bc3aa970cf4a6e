package core_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// shop is a handle on a database with roles of its own, so that other databases' logins are no members of them.
func shop(t *testing.T, change ...func(*core.Options)) (*core.Stratum, *stratumtest.Database) {
	t.Helper()
	d := stratumtest.EmptyDatabase(t)
	options := d.Options()
	options.RolePrefix = d.Name + "_r"
	for _, c := range change {
		c(&options)
	}
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	require.NoError(t, st.Migrate(t.Context()))
	return st, d
}

// found lists codes and objects.
func found(r *core.Report, s core.Severity) []string {
	list := make([]string, 0, len(r.Findings))
	for _, f := range r.AtLeast(s) {
		list = append(list, fmt.Sprintf("%s %s", f.Code, f.Object))
	}
	return list
}

func verified(t *testing.T, st *core.Stratum) *core.Report {
	t.Helper()
	report, err := st.Verify(t.Context())
	require.NoError(t, err)
	return report
}

func TestVerify(t *testing.T) {
	t.Parallel()
	st, d := shop(t)
	report := verified(t, st)
	require.Empty(t, report.Findings, "%s", report)
	require.Equal(t, core.AgainstMistakes, report.ThreatModel)
	require.Equal(t, d.Name, report.Database)

	runAs(t, d.OwnerDSN, `CREATE TABLE notes (tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(), id int PRIMARY KEY);
		INSERT INTO stratum.tables VALUES ('public', 'notes', 'owned', 'tenant_id')`)
	report = verified(t, st)
	require.Equal(t, []string{`policy_missing table "public"."notes"`, `rls_disabled table "public"."notes"`},
		found(report, core.SeverityNote))
	require.ErrorIs(t, report.Err(), core.ErrBoundary)
	for _, f := range report.Findings {
		runAs(t, d.OwnerDSN, f.Cure)
	}
	report = verified(t, st)
	require.Empty(t, report.Findings)
	require.Equal(t, 1, report.Tables)
}

// TestVerifyNeedsNoTenant and none of a tenant's rights: a tenant in ctx changes nothing.
func TestVerifyNeedsNoTenant(t *testing.T) {
	t.Parallel()
	st, _ := shop(t)
	acme, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	report, err := st.Verify(core.WithTenant(t.Context(), acme.ID))
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

// TestVerifyOneDSN holds that one login is no error, and that the report says what it is not.
func TestVerifyOneDSN(t *testing.T) {
	t.Parallel()
	st, _ := shop(t, func(o *core.Options) { o.DSN, o.SystemDSN = o.OwnerDSN, o.OwnerDSN },
		func(o *core.Options) {
			config, err := pgx.ParseConfig(o.DSN)
			require.NoError(t, err)
			runAs(t, o.DSN, "ALTER ROLE "+pgx.Identifier{config.User}.Sanitize()+" NOINHERIT; GRANT CREATE ON SCHEMA public TO "+
				pgx.Identifier{config.User}.Sanitize())
		})
	report := verified(t, st)
	require.True(t, report.OK(), "%s", report)
	require.Equal(t, core.AgainstMistakes, report.ThreatModel)
	require.Contains(t, report.Summary(), "DSN and SystemDSN are the same login")
	require.Len(t, report.AtLeast(core.SeverityWeakens), 3, "%s", report)
}

// TestVerifyHardened holds that hardened mode is told from three logins alone.
func TestVerifyHardened(t *testing.T) {
	t.Parallel()
	st, _ := shop(t, func(o *core.Options) { o.Hardened = true })
	report := verified(t, st)
	require.Empty(t, report.Findings, "%s", report)
	require.Equal(t, core.AgainstHostileSQL, report.ThreatModel)
	require.Equal(t, "threat model: against hostile SQL (hardened)", report.Summary())
}

// TestVerifyFreshConnection holds that what a connection starts with counts, which no table of roles and rights tells.
func TestVerifyFreshConnection(t *testing.T) {
	t.Parallel()
	st, d := shop(t)
	runAs(t, d.AdminDSN, "ALTER DATABASE "+pgx.Identifier{d.Name}.Sanitize()+" SET row_security = off")
	report := verified(t, st)
	require.Equal(t, []string{
		`login_refused login ` + pgx.Identifier{d.Name + "_app"}.Sanitize(),
		`login_refused login ` + pgx.Identifier{d.Name + "_system"}.Sanitize(),
	}, found(report, core.SeverityNote))
	require.Equal(t, core.NoBoundary, report.ThreatModel)
	runAs(t, d.AdminDSN, report.Findings[0].Cure)
	require.Empty(t, verified(t, st).Findings)

	// What the catalog shows by itself is not said twice.
	runAs(t, d.AdminDSN, "ALTER ROLE "+pgx.Identifier{d.Name + "_app"}.Sanitize()+" INHERIT")
	require.Equal(t, []string{`login_inherits login ` + pgx.Identifier{d.Name + "_app"}.Sanitize()},
		found(verified(t, st), core.SeverityNote))
}

func TestVerifyRefusals(t *testing.T) {
	t.Parallel()
	d := stratumtest.EmptyDatabase(t)
	options := d.Options()
	options.RolePrefix = d.Name + "_r"
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	_, err = st.Verify(t.Context())
	require.ErrorIs(t, err, core.ErrNotInstalled, "no report is better than an empty one")
	require.NoError(t, st.Close())
	_, err = st.Verify(t.Context())
	require.Error(t, err)
}

// TestVerifyJSON holds that a report is what a program reads in CI.
func TestVerifyJSON(t *testing.T) {
	t.Parallel()
	st, d := shop(t)
	runAs(t, d.OwnerDSN, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	text, err := json.Marshal(verified(t, st))
	require.NoError(t, err)
	var report core.Report
	require.NoError(t, json.Unmarshal(text, &report))
	require.False(t, report.OK())
	require.Equal(t, []string{`schema_create_granted schema "public"`}, found(&report, core.SeverityBreaks))
}
