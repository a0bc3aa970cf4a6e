package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// TestSearchPathOfTheLogin is resolved for the login, because statements run as another role, and has temporary tables
// at its end, because PostgreSQL would look there first.
func TestSearchPathOfTheLogin(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	runAs(t, d.OwnerDSN, `CREATE SCHEMA "Odd,name"; CREATE SCHEMA `+d.Name+`_app; CREATE SCHEMA hidden;
		GRANT USAGE ON SCHEMA "Odd,name", `+d.Name+`_app TO PUBLIC`)
	for _, test := range [][2]string{
		{"", d.Name + "_app, public, pg_temp"},
		{`"$user"`, d.Name + "_app, pg_temp"},
		{`"Odd,name", public`, `"Odd,name", public, pg_temp`},
		{"missing, hidden, public", "public, pg_temp"},
		{"pg_temp, public", "public, pg_temp"},
		{"pg_catalog, public", "pg_catalog, public, pg_temp"},
	} {
		setting, want := test[0], test[1]
		if setting != "" {
			runAs(t, d.AdminDSN, "ALTER ROLE "+d.Name+"_app SET search_path = "+setting)
		}
		st, err := core.Open(t.Context(), d.Options())
		require.NoError(t, err)
		require.Equal(t, want, st.SearchPath(access.Token{}), setting)
		var found string
		ctx := core.AsSystem(t.Context(), "a test")
		require.NoError(t, st.DB().QueryRowContext(ctx, "SELECT current_setting('search_path')").Scan(&found))
		require.Equal(t, want, found, "and that is what statements have")
		require.NoError(t, st.Close())
	}
}

// TestSearchPathOfTheOptions comes before the login's.
func TestSearchPathOfTheOptions(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	for given, want := range map[string]string{
		"public":                     "public, pg_temp",
		"pg_temp , public":           "public, pg_temp",
		`"pg_temp", public, PG_TEMP`: "public, pg_temp",
		`"PG_TEMP"`:                  `"PG_TEMP", pg_temp`,
		" , ,public,":                "public, pg_temp",
		`"a,b", public`:              `"a,b", public, pg_temp`,
	} {
		options := d.Options()
		options.SearchPath = given
		st, err := core.Open(t.Context(), options)
		require.NoError(t, err)
		require.Equal(t, want, st.SearchPath(access.Token{}), given)
		var found string
		ctx := core.AsSystem(t.Context(), "a test")
		require.NoError(t, st.DB().QueryRowContext(ctx, "SELECT current_setting('search_path')").Scan(&found), given)
		require.NoError(t, st.Close())
	}
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	_, err := core.Open(t.Context(), core.Options{DSN: "postgres://app:s3cret@127.0.0.1:1/app"})
	require.ErrorContains(t, err, "Options.DSN (is the server up, and may this login connect?)")
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "s3cret")
	require.NotContains(t, err.Error(), "127.0.0.1")
}
