package core_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// runAs runs SQL as the login of dsn, in one text.
func runAs(tb testing.TB, dsn, sql string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(tb.Context())) }()
	_, err = conn.PgConn().Exec(tb.Context(), sql).ReadAll()
	require.NoError(tb, err, sql)
}

// separate has roles of its own, so that a test may change them.
func separate(d *stratumtest.Database) core.Options {
	options := d.Options()
	options.RolePrefix = d.Name + "_r"
	return options
}

func open(t *testing.T, options core.Options) *core.Stratum {
	t.Helper()
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

func TestLifeOfAHandle(t *testing.T) {
	t.Parallel()
	d := stratumtest.EmptyDatabase(t)
	st, err := core.Open(t.Context(), separate(d))
	require.NoError(t, err)
	require.ErrorIs(t, st.Ping(t.Context()), core.ErrNotInstalled)
	_, err = st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.ErrorIs(t, err, core.ErrNotInstalled)

	require.NoError(t, st.Migrate(t.Context()))
	require.NoError(t, st.Migrate(t.Context()), "once more")
	require.NoError(t, st.Ping(t.Context()))
	acme, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)
	var one int
	require.NoError(t, st.DB().QueryRowContext(core.WithTenant(t.Context(), acme.ID), "SELECT 1").Scan(&one))

	require.NoError(t, st.Close())
	require.Error(t, st.Ping(t.Context()))
	require.ErrorIs(t, st.Migrate(t.Context()), core.ErrClosed)
	_, err = st.Tenants.Get(t.Context(), acme.ID)
	require.ErrorIs(t, err, core.ErrClosed)
}

// TestUnsafeLoginsAreRefused at every start, with the SQL that makes them safe; and after that SQL they are not.
func TestUnsafeLoginsAreRefused(t *testing.T) {
	t.Parallel()
	for name, unsafe := range map[string]string{
		"it inherits":          "ALTER ROLE $app INHERIT",
		"it sees no refusal":   "ALTER ROLE $app SET row_security = off",
		"it is another":        "ALTER ROLE $app SET role = $r_tenant",
		"a tenant by default":  "ALTER ROLE $app SET stratum.tenant = 'x'",
		"a role that logs in":  "ALTER ROLE $r_tenant LOGIN",
		"a role above others":  "ALTER ROLE $r_tenant SUPERUSER",
		"a role in another":    "GRANT $r_system TO $r_tenant",
		"temporary tables":     "GRANT TEMPORARY ON DATABASE $ TO PUBLIC",
		"new tables in public": "GRANT CREATE ON SCHEMA public TO PUBLIC",
		"no role to switch to": "REVOKE $r_tenant FROM $app",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := stratumtest.EmptyDatabase(t)
			sql := strings.NewReplacer("$app", d.Name+"_app", "$r", d.Name+"_r", "$", d.Name).Replace(unsafe)
			options := separate(d)
			require.NoError(t, open(t, options).Migrate(t.Context()))
			open(t, options)
			runAs(t, d.AdminDSN, sql)
			_, err := core.Open(t.Context(), options)
			var refused *core.LoginError
			require.ErrorAs(t, err, &refused)
			require.NotEmpty(t, refused.Cure)
			require.ErrorContains(t, err, refused.Cure)
			runAs(t, d.AdminDSN, refused.Cure)
			open(t, options)
		})
	}
}

// TestWhatOthersNeed is for this module's other packages.
func TestWhatOthersNeed(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	st := open(t, d.Options())
	require.Equal(t, []string{"stratum_tenant", "stratum_subtree", "stratum_schema", "stratum_system"}, st.Roles(access.Token{}).All())
	owner, err := st.OwnerDB(access.Token{})
	require.NoError(t, err)
	again, err := st.OwnerDB(access.Token{})
	require.NoError(t, err)
	require.Same(t, owner, again)
	var login string
	require.NoError(t, owner.QueryRowContext(t.Context(), "SELECT current_user").Scan(&login))
	require.Equal(t, d.Name+"_owner", login)
}
