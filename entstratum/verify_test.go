package entstratum_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// newApart makes a database whose roles are its own: other databases' logins may not become its system role, which
// Verify would report. It has no tables.
func newApart(t *testing.T, searchPath string) desk {
	t.Helper()
	d := desk{Database: stratumtest.EmptyDatabase(t)}
	options := d.Options()
	options.RolePrefix, options.SearchPath, options.Logger = d.Name+"_r", searchPath, quiet()
	d = d.openStratum(t, options)
	require.NoError(t, d.st.Migrate(t.Context()))
	return d
}

// verified lists what was found, notes left out.
func (d desk) verified(t *testing.T) []string {
	t.Helper()
	report, err := ent.StratumVerify(t.Context(), d.client)
	require.NoError(t, err)
	list := make([]string, 0, len(report.Findings))
	for _, f := range report.AtLeast(core.SeveritySlows) {
		list = append(list, fmt.Sprintf("%s %s", f.Code, f.Object))
	}
	return list
}

// What Migrate makes has no finding, and what the schemas know beyond the database is found, each thing with a cure
// that Migrate is.
func TestVerify(t *testing.T) {
	t.Parallel()
	d := newApart(t, "")
	require.Contains(t, d.verified(t), `table_missing table "tickets"`, "before Migrate")
	require.Contains(t, d.verified(t), `table_missing table "river_job"`)
	d.exec(t, d.OwnerDSN, "CREATE TABLE river_job (id bigint)")
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	require.Empty(t, d.verified(t))
	report, err := d.st.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.AtLeast(core.SeveritySlows), "without the schemas: %s", report)
	d.withRows(t, d.tenant(t, "acme"))
	wanted := d.catalog(t)
	for damage, found := range map[string]string{
		"DROP POLICY stratum_tenant ON tickets":           `policy_missing table "public"."tickets"`,
		"ALTER TABLE tickets NO FORCE ROW LEVEL SECURITY": `rls_not_forced table "public"."tickets"`,
		"ALTER TABLE comments DROP CONSTRAINT comments_tickets_comments": `foreign_key_missing constraint ` +
			`"comments_tickets_comments" on "public"."comments"`,
		"ALTER TABLE ticket_tags DROP CONSTRAINT ticket_tags_tag_id": `foreign_key_missing constraint ` +
			`"ticket_tags_tag_id" on "public"."ticket_tags"`,
		"DROP INDEX ticket_tenant_id_number": `unique_missing index "public"."ticket_tenant_id_number" on "public"."tickets"`,
		"DROP INDEX template_tenant_id_code": `unique_missing index "public"."template_tenant_id_code" on ` +
			`"public"."templates"`,
		"UPDATE stratum.tables SET class = 'global', tenant_column = NULL WHERE table_name = 'tickets'": `class_differs ` +
			`table "public"."tickets"`,
		"COMMENT ON INDEX badges_serial_key IS NULL":         `unique_across_tenants index "public"."badges_serial_key"`,
		"CREATE UNIQUE INDEX titles ON tickets (title)":      `unique_across_tenants index "public"."titles"`,
		"DROP TABLE watchers":                                `table_missing table "watchers"`,
		"ALTER TABLE tickets ALTER tenant_id DROP DEFAULT":   `"public"."tickets"`,
		"ALTER TABLE comments ALTER tenant_id DROP NOT NULL": `"public"."comments"`,
	} {
		d.exec(t, d.OwnerDSN, damage)
		list := fmt.Sprint(d.verified(t))
		require.Contains(t, list, found, damage)
		d.exec(t, d.OwnerDSN, "DROP INDEX IF EXISTS titles")
		require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
		require.Empty(t, d.verified(t), damage)
		require.Equal(t, wanted, d.catalog(t), damage)
	}
}

// Tables are made and found where statements of tenants find them: in the first schema of the search_path. One of the
// same name further back is another table, and stays as it is.
func TestMigrateInAnotherSchema(t *testing.T) {
	t.Parallel()
	d := newApart(t, `"My ""App", public`)
	d.exec(t, d.OwnerDSN, `CREATE SCHEMA "My ""App"; CREATE TABLE public.tickets (id int); CREATE TABLE river_job (id int)`)
	require.NoError(t, ent.StratumMigrate(t.Context(), d.client))
	require.Equal(t, []string{`table_unclassed table "public"."tickets"`}, d.verified(t))
	require.Empty(t, d.definitions(t, "public.tickets"))
	require.Contains(t, d.definitions(t, `"My ""App".tickets`), "tickets_stratum_key")
	ctx := d.tenant(t, "acme")
	d.withRows(t, ctx)
	require.Equal(t, 1, d.client.Ticket.Query().CountX(ctx))
	before := d.texts(t, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'My \"App' ORDER BY 1")
	sent := statements(t, d.OwnerDSN, func(owner string) error {
		options := d.Options()
		options.OwnerDSN, options.RolePrefix, options.SearchPath = owner, d.Name+"_r", `"My ""App", public`
		return ent.StratumMigrate(t.Context(), d.openStratum(t, options).client)
	})
	for _, statement := range sent {
		require.NotRegexp(t, changes, statement)
	}
	require.Equal(t, before, d.texts(t, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'My \"App' ORDER BY 1"))
}
