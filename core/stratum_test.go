package core_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// openStratum is a handle on a database of its own, with three logins.
func openStratum(t *testing.T) *core.Stratum {
	t.Helper()
	st, _ := stratumtest.Open(t)
	return st
}

// admin runs statements as the superuser. Each may be several, separated by semicolons.
func admin(t *testing.T, d *stratumtest.Database, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	for _, sql := range statements {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err, sql)
	}
	require.NoError(t, conn.Close(t.Context()))
}

func TestOpenRefusesOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	const dsn = "postgres://app:" + secret + "@127.0.0.1:1/app?connect_timeout=1"
	cases := map[string]struct {
		options core.Options
		text    string
	}{
		"no DSN":               {core.Options{}, "Options.DSN is empty"},
		"a broken DSN":         {core.Options{DSN: "postgres://app:" + secret + "@host:port/app"}, "Options.DSN cannot be read"},
		"a broken owner's DSN": {core.Options{DSN: dsn, OwnerDSN: "host=x port=" + secret}, "Options.OwnerDSN"},
		"a bad prefix":         {core.Options{DSN: dsn, RolePrefix: "No Way"}, "Options.RolePrefix"},
		"negative connections": {core.Options{DSN: dsn, MaxConns: -1}, "Options.MaxConns"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := core.Open(t.Context(), c.options)
			require.ErrorIs(t, err, core.ErrConfig)
			require.ErrorContains(t, err, c.text)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestOpenSaysWhichServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	_, err := core.Open(t.Context(), core.Options{DSN: "postgres://app:hunter2@127.0.0.1:1/app"})
	require.ErrorContains(t, err, "Options.DSN")
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "postgres://")

	d := stratumtest.NewDatabase(t)
	_, err = core.Open(t.Context(), core.Options{DSN: d.DSN, SystemDSN: "postgres://app:hunter2@127.0.0.1:1/app"})
	require.ErrorContains(t, err, "Options.SystemDSN")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = core.Open(cancelled, core.Options{DSN: d.DSN})
	require.ErrorIs(t, err, context.Canceled)
}

func TestStatementsBeforeMigrateSayWhatToDo(t *testing.T) {
	t.Parallel()
	d := stratumtest.EmptyDatabase(t)
	st, err := core.Open(t.Context(), d.Options())
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()

	require.ErrorIs(t, st.Ping(t.Context()), core.ErrNotInstalled)
	_, err = st.DB().ExecContext(core.WithTenant(t.Context(), unknownID), "SELECT 1")
	require.ErrorIs(t, err, core.ErrNotInstalled)
	_, err = st.DB().ExecContext(core.AsSystem(t.Context(), "a reason"), "SELECT 1")
	require.ErrorIs(t, err, core.ErrNotInstalled)
	_, err = st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.ErrorIs(t, err, core.ErrNotInstalled)

	require.NoError(t, st.Migrate(t.Context()))
	require.NoError(t, st.Migrate(t.Context()))
	require.NoError(t, st.Ping(t.Context()))
}

// In development one superuser's DSN is enough: statements run as a plain role all the same, and a log line warns.
func TestASuperuserSwitchesToAPlainRole(t *testing.T) {
	t.Parallel()
	d := stratumtest.EmptyDatabase(t)
	var log bytes.Buffer
	st, err := core.Open(t.Context(), core.Options{DSN: d.AdminDSN, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	require.Contains(t, log.String(), "superuser")
	require.NoError(t, st.Migrate(t.Context()))
	acme, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(t, err)

	scopes := map[string]context.Context{
		"stratum_tenant":  core.WithTenant(t.Context(), acme.ID),
		"stratum_subtree": core.WithSubtree(t.Context(), acme.ID),
		"stratum_system":  core.AsSystem(t.Context(), "a reason"),
	}
	for role, ctx := range scopes {
		var current, superuser string
		err := st.DB().QueryRowContext(ctx, "SELECT current_user, current_setting('is_superuser')").Scan(&current, &superuser)
		require.NoError(t, err)
		require.Equal(t, []string{role, "off"}, []string{current, superuser})
	}
	_, err = st.DB().ExecContext(scopes["stratum_tenant"], "CREATE TEMPORARY TABLE shadow (id int)")
	require.ErrorIs(t, err, core.ErrPermission)
}

// Each start looks again: what was safe yesterday is refused today, with the SQL that cures it.
func TestOpenRefusesALoginThatBecameUnsafe(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	app := d.Name + "_app"
	for name, harm := range map[string]string{
		"inherits":          `ALTER ROLE "` + app + `" INHERIT`,
		"has a tenant":      `ALTER ROLE "` + app + `" SET stratum.tenant = '` + unknownID.String() + `'`,
		"may not switch":    `REVOKE stratum_tenant FROM "` + app + `"`,
		"has no row policy": `ALTER ROLE "` + app + `" SET row_security = off`,
	} {
		admin(t, d, harm)
		_, err := core.Open(t.Context(), d.Options())
		var refused *core.LoginError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, app, refused.Login)
		require.Contains(t, err.Error(), refused.Cure)

		admin(t, d, refused.Cure)
		st, err := core.Open(t.Context(), d.Options())
		require.NoError(t, err, name)
		require.NoError(t, st.Close())
	}
}

// A login that lacks rights is told all of them at once; the script does the work in its place.
func TestMigrateScriptDoesWhatALoginMayNot(t *testing.T) {
	t.Parallel()
	d := stratumtest.EmptyDatabase(t)
	options := d.Options()
	options.OwnerDSN = d.DSN
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()

	var lacks *core.PrivilegeError
	require.ErrorAs(t, st.Migrate(t.Context()), &lacks)
	require.NotEmpty(t, lacks.Missing)

	script, err := st.MigrateScript()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(script, "--"), "the script begins with what it needs")
	admin(t, d, script)
	require.NoError(t, st.Migrate(t.Context()))
	require.NoError(t, st.Ping(t.Context()))
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	d := stratumtest.NewDatabase(t)
	st, err := core.Open(t.Context(), d.Options())
	require.NoError(t, err)
	require.NoError(t, st.Ping(t.Context()))
	require.NoError(t, st.Close())
	require.NoError(t, st.Close())
	require.Error(t, st.Ping(t.Context()))
	require.ErrorIs(t, st.Migrate(t.Context()), core.ErrClosed)
}
