package install_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// requireInstalled holds everything that a finished installation promises.
func requireInstalled(tb testing.TB, db *stratumtest.Database) {
	tb.Helper()
	state, err := install.ReadState(tb.Context(), connect(tb, db.DSN))
	require.NoError(tb, err)
	require.Equal(tb, install.State{
		Installed: true, Version: install.Version, MinCompatible: install.MinCompatible, Prefix: prefixOf(db),
	}, state)
	require.NoError(tb, state.Check())
	require.NoError(tb, state.CheckPrefix(rolesOf(tb, db)))
	_, err = install.CheckLogin(tb.Context(), connect(tb, db.DSN), rolesOf(tb, db), install.ForData)
	require.NoError(tb, err)
	_, err = install.CheckLogin(tb.Context(), connect(tb, db.SystemDSN), rolesOf(tb, db), install.ForSystem)
	require.NoError(tb, err)
	applied := value[[]int64](tb, db.AdminDSN, "SELECT array_agg(version_id ORDER BY id) FROM stratum.schema_migrations")
	require.Equal(tb, everyVersion(), applied, "each migration exactly once, in order")
}

// snapshot tells whether anything in the database's catalog, or in the cluster's about our roles, was written.
func snapshot(tb testing.TB, db *stratumtest.Database) string {
	tb.Helper()
	queries := []string{
		"SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_class",
		"SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_proc",
		"SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_namespace",
		"SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_extension",
		"SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_constraint",
		"SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_trigger",
		"SELECT coalesce(string_agg(attrelid || '.' || attnum || ':' || xmin, ' ' ORDER BY attrelid, attnum), '') FROM pg_attribute",
		"SELECT datname || ':' || xmin FROM pg_database WHERE datname = current_database()",
		fmt.Sprintf("SELECT coalesce(string_agg(oid || ':' || xmin, ' ' ORDER BY oid), '') FROM pg_authid "+
			"WHERE starts_with(rolname, '%s_')", db.Name),
		fmt.Sprintf("SELECT coalesce(string_agg(m.roleid || '.' || m.member || ':' || m.xmin, ' ' "+
			"ORDER BY roleid, member, grantor), '') FROM pg_auth_members m JOIN pg_authid r ON r.oid = m.roleid "+
			"WHERE starts_with(r.rolname, '%s_')", db.Name),
	}
	parts := make([]string, len(queries))
	for i, query := range queries {
		parts[i] = value[string](tb, db.AdminDSN, query)
	}
	return strings.Join(parts, "\n")
}

func TestMigrateInstalls(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	var log strings.Builder
	opts := options(t, db)
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	require.NoError(t, install.Migrate(t.Context(), opts))
	requireInstalled(t, db)
	require.Contains(t, log.String(), "migration applied")
	require.NotContains(t, log.String(), "postgres://")
}

func TestMigrateAgainChangesNothing(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	before := snapshot(t, db)
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
	require.Equal(t, before, snapshot(t, db))
}

// The setting is one with which a careless lock fails: its snapshot would be older than the lock.
func TestMigrateInTenProcessesAtOnce(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, fmt.Sprintf("ALTER ROLE %s_owner SET default_transaction_isolation = 'repeatable read'", db.Name))
	var group errgroup.Group
	for range 10 {
		opts := options(t, db)
		group.Go(func() error { return install.Migrate(t.Context(), opts) })
	}
	require.NoError(t, group.Wait())
	requireInstalled(t, db)
}

// The roles and their grants to the logins are the cluster's: ten databases make the same ones at once.
func TestMigrateInTenDatabasesAtOnce(t *testing.T) {
	t.Parallel()
	first := stratumtest.EmptyDatabase(t)
	opts := make([]install.Options, 10)
	opts[0] = options(t, first)
	for i := range opts[1:] {
		db := stratumtest.EmptyDatabase(t)
		next := options(t, db)
		next.Prefix, next.DataLogin, next.SystemLogin = opts[0].Prefix, opts[0].DataLogin, opts[0].SystemLogin
		// Since PostgreSQL 16 only who made a role may grant it, so one owner installs them all.
		exec(t, db.AdminDSN, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s_owner", db.Name, first.Name))
		next.Owner = poolOf(t, as(t, db.OwnerDSN, first.Name+"_owner"))
		opts[i+1] = next
	}
	var group errgroup.Group
	for _, o := range opts {
		group.Go(func() error { return install.Migrate(t.Context(), o) })
	}
	require.NoError(t, group.Wait())
	requireInstalled(t, first)
	for _, o := range opts {
		require.NoError(t, install.Migrate(t.Context(), o), "nothing is left to do")
	}
}

// interrupting ends a context when a given statement that writes is about to be sent.
type interrupting struct {
	at         int64
	statements atomic.Int64
	cancel     context.CancelFunc
}

func (i *interrupting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	// What only reads leaves things as they are.
	reads := slices.ContainsFunc([]string{"SELECT", "begin", "WITH"}, func(word string) bool {
		return strings.HasPrefix(strings.TrimSpace(data.SQL), word)
	})
	if !reads && i.statements.Add(1) == i.at {
		i.cancel()
	}
	return ctx
}

func (i *interrupting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Before whatever statement it ends, the next run completes the work. That the server has done a statement without the
// client's learning of it is to the next run the same as being ended before the one after it.
//
//nolint:tparallel // Each subtest tells whether there is another.
func TestMigrateResumesWhereItStopped(t *testing.T) {
	t.Parallel()
	statement := int64(0)
	for completed := false; !completed; {
		statement++
		t.Run(fmt.Sprintf("before statement %d", statement), func(t *testing.T) {
			db := stratumtest.EmptyDatabase(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			config := as(t, db.OwnerDSN, "")
			config.Tracer = &interrupting{at: statement, cancel: cancel}
			opts := options(t, db)
			opts.Owner = poolOf(t, config)
			completed = install.Migrate(ctx, opts) == nil
			require.NoError(t, install.Migrate(t.Context(), options(t, db)))
			requireInstalled(t, db)
		})
	}
	require.Greater(t, statement, int64(20), "it was interrupted at each of its statements")
}

// Those who wait leave the connections of a small pool to the one that works.
func TestMigrateSharesASmallPool(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	opts := options(t, db)
	opts.Owner.SetMaxOpenConns(2)
	var group errgroup.Group
	for range 10 {
		group.Go(func() error { return install.Migrate(t.Context(), opts) })
	}
	require.NoError(t, group.Wait())
	requireInstalled(t, db)
}

// attempting counts the attempts to take the lock.
type attempting struct{ times chan struct{} }

func (a attempting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.Contains(data.SQL, "pg_try_advisory_xact_lock") {
		a.times <- struct{}{}
	}
	return ctx
}

func (attempting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestMigrateWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	holder := connect(t, db.AdminDSN)
	_, err := holder.Exec(t.Context(), "BEGIN; SELECT pg_advisory_xact_lock(1937011297, 1953853805)")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	config := as(t, db.OwnerDSN, "")
	tracer := attempting{make(chan struct{}, 1000)}
	config.Tracer = tracer
	opts := options(t, db)
	opts.Owner = poolOf(t, config)
	result := make(chan error, 1)
	go func() { result <- install.Migrate(ctx, opts) }()
	for range 3 {
		select {
		case <-tracer.times:
		case err := <-result:
			require.FailNow(t, "Migrate did not wait", "%v", err)
		}
	}
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
}

func TestMigrateIntoNewerSchema(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	this, err := install.Embedded()
	require.NoError(t, err)
	newer := install.Extend(this, install.MinCompatible, "ALTER TABLE stratum.tenants ADD COLUMN colour text;")
	require.NoError(t, install.ApplyRelease(t.Context(), newer, options(t, db)))

	before := snapshot(t, db)
	opts := options(t, db)
	opts.DataLogin = opts.SystemLogin // which lacks the tenant roles: that too is for the newer binary to say
	require.NoError(t, install.Migrate(t.Context(), opts), "a schema that still serves this binary")
	require.Equal(t, before, snapshot(t, db))
	state, err := install.ReadState(t.Context(), connect(t, db.DSN))
	require.NoError(t, err)
	require.Equal(t, install.Version+1, state.Version, "an older binary never lowers it")
	require.NoError(t, state.Check())

	newest := install.Extend(newer, install.Version+2, "ALTER TABLE stratum.tenants DROP COLUMN colour;")
	require.NoError(t, install.ApplyRelease(t.Context(), newest, options(t, db)))
	err = install.Migrate(t.Context(), options(t, db))
	require.ErrorIs(t, err, install.ErrIncompatible)
	require.ErrorContains(t, err, fmt.Sprintf("version %d or newer", install.Version+2))
	state, err = install.ReadState(t.Context(), connect(t, db.DSN))
	require.NoError(t, err)
	require.ErrorIs(t, state.Check(), install.ErrIncompatible)
}

func TestMigrateUpgrades(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	this, err := install.Embedded()
	require.NoError(t, err)
	require.NoError(t, install.ApplyRelease(t.Context(), this[:2], options(t, db)))
	state, err := install.ReadState(t.Context(), connect(t, db.DSN))
	require.NoError(t, err)
	require.ErrorIs(t, state.Check(), install.ErrOutdated)
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
	requireInstalled(t, db)
}

func TestMigrateKeepsWhatAFailedMigrationFollows(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	this, err := install.Embedded()
	require.NoError(t, err)
	broken := install.Extend(this, install.Version+1, "CREATE TABLE stratum.half (); SELECT 1/0;")
	err = install.ApplyRelease(t.Context(), broken, options(t, db))
	require.ErrorContains(t, err, "next.sql")
	requireInstalled(t, db)
	require.False(t, value[bool](t, db.AdminDSN, "SELECT to_regclass('stratum.half') IS NOT NULL"))
}

func TestMigrateRefusesAnotherPrefix(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	opts := options(t, db)
	opts.Prefix = db.Name + "_other"
	before := snapshot(t, db)
	err := install.Migrate(t.Context(), opts)
	require.ErrorIs(t, err, install.ErrPrefix)
	require.ErrorContains(t, err, fmt.Sprintf("configure %q", prefixOf(db)))
	require.Equal(t, before, snapshot(t, db))
}

func TestMigrateRefusesItsOptions(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	require.ErrorContains(t, install.Migrate(t.Context(), install.Options{}), "set Options.Owner")
	opts := options(t, db)
	opts.Prefix = "Robert'); DROP ROLE"
	require.ErrorContains(t, install.Migrate(t.Context(), opts), "no prefix for roles")
	opts = options(t, db)
	opts.Prefix = db.Name // whose system role would be the system's login
	require.ErrorContains(t, install.Migrate(t.Context(), opts), "rename the login")
	opts = options(t, db)
	opts.Owner.SetMaxOpenConns(1)
	require.ErrorContains(t, install.Migrate(t.Context(), opts), "needs two connections")
	opts = options(t, db)
	opts.Owner.SetMaxOpenConns(2)
	require.NoError(t, install.Migrate(t.Context(), opts), "two are enough")
}

func TestMigrateUsesLtreeWhereItIs(t *testing.T) {
	t.Parallel()
	t.Run("in a schema that PUBLIC may not use", func(t *testing.T) {
		t.Parallel()
		db := stratumtest.EmptyDatabase(t)
		exec(t, db.OwnerDSN, `CREATE SCHEMA "My Extensions"; CREATE EXTENSION ltree SCHEMA "My Extensions"`)
		require.NoError(t, install.Migrate(t.Context(), options(t, db)))
		requireInstalled(t, db)
		createTenant(t, db, tenant{slug: "acme"})
	})
	t.Run("nowhere, and there is no schema public", func(t *testing.T) {
		t.Parallel()
		db := stratumtest.EmptyDatabase(t)
		exec(t, db.AdminDSN, "DROP SCHEMA public")
		require.NoError(t, install.Migrate(t.Context(), options(t, db)))
		requireInstalled(t, db)
		require.Equal(t, "stratum", value[string](t, db.AdminDSN,
			"SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'ltree'"))
		createTenant(t, db, tenant{slug: "acme"})
	})
}

// A function that fits an argument's type better than pg_catalog's would be called with the owner's rights.
func TestMigrateIgnoresFunctionsInPublic(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, `GRANT CREATE ON SCHEMA public TO PUBLIC;
		CREATE FUNCTION public.nextval(text) RETURNS bigint LANGUAGE plpgsql AS
			$$BEGIN RAISE EXCEPTION 'hijacked'; END$$;
		CREATE FUNCTION public.has_database_privilege(text, oid, text) RETURNS boolean LANGUAGE plpgsql AS
			$$BEGIN RAISE EXCEPTION 'hijacked'; END$$`)
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
	requireInstalled(t, db)
	require.Zero(t, value[int](t, db.AdminDSN, "SELECT count(*) FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid "+
		"WHERE d.refclassid = 'pg_proc'::regclass AND p.proname = 'nextval' AND p.pronamespace = 'public'::regnamespace"))
}

func TestMigrateTakesFromPublic(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
	for _, role := range rolesOf(t, db).All() {
		require.False(t, value[bool](t, db.AdminDSN, "SELECT has_database_privilege($1, current_database(), 'TEMP')", role))
		require.False(t, value[bool](t, db.AdminDSN, "SELECT has_schema_privilege($1, 'public', 'CREATE')", role))
		require.True(t, value[bool](t, db.AdminDSN, "SELECT has_schema_privilege($1, 'public', 'USAGE')", role))
	}
}

func TestMigrateGivesASuperuserNoRole(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	admin := value[string](t, db.AdminDSN, "SELECT current_user")
	opts := install.Options{Owner: pool(t, db.AdminDSN), Prefix: prefixOf(db), DataLogin: admin, SystemLogin: admin}
	require.NoError(t, install.Migrate(t.Context(), opts))
	// Since PostgreSQL 16 who makes a role is given it; a superuser is not.
	require.Zero(t, value[int](t, db.AdminDSN, "SELECT count(*) FROM pg_auth_members "+
		"WHERE member = current_user::regrole AND starts_with(roleid::regrole::text, $1)", prefixOf(db)))
	posture, err := install.CheckLogin(t.Context(), connect(t, db.AdminDSN), rolesOf(t, db), install.ForData)
	require.NoError(t, err)
	require.True(t, posture.Superuser)
}

func TestMigrateNeedsAServerOf15(t *testing.T) {
	t.Parallel()
	require.EqualError(t, install.CheckServer(140013),
		"stratum: PostgreSQL 14 is too old (upgrade the server to 15 or newer)")
	require.NoError(t, install.CheckServer(150000))
}

func TestRacesAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		race bool
	}{
		{&pgconn.PgError{Code: "23505"}, true},
		{&pgconn.PgError{Code: "42710"}, true},
		{fmt.Errorf("GRANT: %w", &pgconn.PgError{Code: "XX000", Message: "tuple concurrently updated"}), true},
		{&pgconn.PgError{Code: "XX000", Message: "cache lookup failed"}, false},
		{&pgconn.PgError{Code: "42501"}, false},
		{errors.New("broken pipe"), false},
	} {
		require.Equal(t, tc.race, install.IsRace(tc.err), "%v", tc.err)
	}
}

// Who may grant on may have granted to PUBLIC; the owner's REVOKE does not reach that.
func TestMigrateSaysWhatHadNoEffect(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	exec(t, db.AdminDSN, fmt.Sprintf("GRANT CREATE ON SCHEMA public TO %s_system WITH GRANT OPTION", db.Name))
	exec(t, db.SystemDSN, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	err := install.Migrate(t.Context(), options(t, db))
	require.ErrorContains(t, err, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	require.ErrorContains(t, err, "did not have its effect")
	exec(t, db.SystemDSN, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	require.NoError(t, install.Migrate(t.Context(), options(t, db)))
}

// everyVersion are goose's own first row and the embedded migrations.
func everyVersion() (versions []int64) {
	for v := range install.Version + 1 {
		versions = append(versions, int64(v))
	}
	return versions
}
