package entstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
)

// ofView are the shapes beside a view on one.
func ofView() *entstratum.Registry {
	r, _ := ofShapes()
	r.Tables = append(r.Tables, entstratum.Table{Name: "firm_names", Entity: "FirmName", Class: entstratum.ClassView})
	return r
}

// A view that its schema defines is made, once, and its file of a versioned migration has it.
func TestDefinedViews(t *testing.T) {
	t.Parallel()
	d, r := newBare(t), ofView()
	r.Tables[len(r.Tables)-1].View = "SELECT name FROM firms"
	files, err := entstratum.Script(t.Context(), d.st, r, entstratum.ScriptOptions{}, entstratum.MigrateOptions{})
	require.NoError(t, err)
	d.exec(t, d.OwnerDSN, string(files[0].Content))
	files, err = entstratum.Script(t.Context(), d.st, r, entstratum.ScriptOptions{}, entstratum.MigrateOptions{})
	require.NoError(t, err)
	requireNoFiles(t, files)
	require.NoError(t, entstratum.Migrate(t.Context(), d.st, r, entstratum.MigrateOptions{}))
	require.Equal(t, []string{"{security_invoker=true}"}, d.texts(t,
		"SELECT reloptions::text FROM pg_class WHERE oid = 'firm_names'::regclass"))
	require.Equal(t, []string{"SELECT"}, d.rights(t, "firm_names"))
}

// A view that would show the rows of all tenants stops Migrate, which says what to do. One that checks policies as
// whoever asks it shows a tenant its own rows.
func TestViews(t *testing.T) {
	t.Parallel()
	d := newBare(t)
	run := func() error { return entstratum.Migrate(t.Context(), d.st, ofView(), entstratum.MigrateOptions{}) }
	r, _ := ofShapes()
	require.NoError(t, entstratum.Migrate(t.Context(), d.st, r, entstratum.MigrateOptions{}))
	const create = "CREATE VIEW firm_names AS SELECT name FROM firms"
	for _, test := range []struct{ make, text, drop string }{
		{"", `view "firm_names" does not exist (define it in its schema with entsql.View`, ""},
		{
			create, `"firm_names" checks policies as its owner (ALTER VIEW "firm_names" SET (security_invoker = true))`,
			"DROP VIEW firm_names",
		},
		{
			"CREATE VIEW firm_names WITH (security_invoker = false) AS SELECT 1", "checks policies as its owner",
			"DROP VIEW firm_names",
		},
		{
			"CREATE MATERIALIZED VIEW firm_names AS SELECT 1 AS name", "is a materialized view",
			"DROP MATERIALIZED VIEW firm_names",
		},
		{"CREATE TABLE firm_names (name text)", "is no view", "DROP TABLE firm_names"},
	} {
		d.exec(t, d.OwnerDSN, test.make)
		before := d.catalog(t)
		err := run()
		require.ErrorIs(t, err, entstratum.ErrView, test.make)
		require.ErrorContains(t, err, test.text)
		require.Equal(t, before, d.catalog(t))
		d.exec(t, d.OwnerDSN, test.drop)
	}
	d.exec(t, d.OwnerDSN, create+"; ALTER VIEW firm_names SET (security_invoker = on)")
	require.NoError(t, run())
	d.fillShapes(t)
	require.Equal(t, []string{"SELECT"}, d.rights(t, "firm_names"))
	rows := func(slug string) (n int) {
		ctx := core.WithTenant(t.Context(), value[[16]byte](t, d, "SELECT id FROM stratum.tenants WHERE slug = $1", slug))
		require.NoError(t, d.st.DB().QueryRowContext(ctx, "SELECT count(*) FROM firm_names").Scan(&n))
		return n
	}
	require.Equal(t, 1, rows("acme"))
	require.Equal(t, 1, rows("bolt"))
	_, err := d.st.DB().ExecContext(t.Context(), "SELECT FROM firm_names")
	require.ErrorIs(t, err, core.ErrNoTenant)
	report, err := entstratum.Verify(t.Context(), d.st, ofView())
	require.NoError(t, err)
	for _, f := range report.Findings {
		require.NotContains(t, f.Object, "firm_names")
	}
	files, err := entstratum.Script(t.Context(), d.st, ofView(), entstratum.ScriptOptions{}, entstratum.MigrateOptions{})
	require.NoError(t, err)
	requireNoFiles(t, files)
}
