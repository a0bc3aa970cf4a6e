package core_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// ddlSpy writes down each DDL command in a database, and the databases that are made or dropped from then on.
const ddlSpy = `
CREATE TABLE public.ddl_spy (command text);
GRANT INSERT ON public.ddl_spy TO PUBLIC;
CREATE FUNCTION public.ddl_spy() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO public.ddl_spy VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER ddl_spy ON ddl_command_end EXECUTE FUNCTION public.ddl_spy();`

// TestSpares are taken by tenants, which are then there at once.
func TestSpares(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	db := e.register(t, "eu1")
	ctx := t.Context()
	for _, placement := range []string{"home", "eu1"} {
		for _, isolation := range isolations()[1:] {
			spares := core.Spares{Isolation: isolation, Placement: placement, Count: 2}
			made, err := e.st.Placements.Prepare(ctx, spares)
			require.NoError(t, err)
			require.Equal(t, 2, made)
			made, err = e.st.Placements.Prepare(ctx, spares)
			require.NoError(t, err)
			require.Zero(t, made, "there are enough")
		}
	}
	require.Equal(t, 8, ask[int](t, e.AdminDSN, "SELECT count(*) FROM stratum.spares WHERE ready"))
	require.Empty(t, e.rubble(t, db))
	runAs(t, e.AdminDSN, ddlSpy)
	runAs(t, db.AdminDSN, ddlSpy)
	const ours = `SELECT count(*) FROM pg_database, stratum.site
		WHERE starts_with(datname, 'stratum_' || left(replace(registry::text, '-', ''), 8))`
	databases := ask[int](t, e.AdminDSN, ours)
	var tenants []core.Tenant
	for _, placement := range []string{"home", "eu1"} {
		for _, isolation := range isolations()[1:] {
			tenant := e.create(t, core.NewTenant{
				Slug: string(isolation) + "-" + placement, Isolation: isolation, Placement: placement,
			})
			tenants = append(tenants, tenant)
			note(t, e.st, tenant.ID, tenant.Slug)
		}
	}
	require.Equal(t, databases, ask[int](t, e.AdminDSN, ours))
	for _, dsn := range []string{e.AdminDSN, db.AdminDSN} {
		require.Equal(t, "", ask[string](t, dsn, "SELECT coalesce(string_agg(command, ', '), '') FROM ddl_spy"))
	}
	require.Equal(t, 4, ask[int](t, e.AdminDSN, "SELECT count(*) FROM stratum.spares"))
	for _, tenant := range tenants {
		requireNotes(t, e.open(t), tenant.ID, tenant.Slug)
	}
	require.ErrorIs(t, e.st.Placements.Remove(ctx, "eu1"), core.ErrPlacementInUse)
	_, err := e.st.Placements.Prepare(ctx, core.Spares{Isolation: core.SharedIsolation, Count: 1})
	requireInvalid(t, "Isolation", err)
	_, err = e.st.Placements.Prepare(ctx, core.Spares{Isolation: core.SchemaIsolation, Placement: "us1", Count: 1})
	require.ErrorIs(t, err, core.ErrPlacementNotFound)
}

// TestSparesAreTakenOnce however many ask at once, and by a child whose parent is being made too.
func TestSparesAreTakenOnce(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	_, err := e.st.Placements.Prepare(ctx, core.Spares{Isolation: core.SchemaIsolation, Count: 8})
	require.NoError(t, err)
	spares := ask[[]string](t, e.AdminDSN, "SELECT array_agg(label ORDER BY label) FROM stratum.spares")
	programs := []*core.Stratum{e.st, e.open(t)}
	var work sync.WaitGroup
	for n := range 8 {
		work.Go(func() {
			slug := fmt.Sprintf("t%d", n)
			tenant, err := programs[n%2].Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug, Isolation: core.SchemaIsolation})
			if err != nil || tenant.Status != core.StatusActive {
				t.Errorf("%s: %v", slug, err)
			}
		})
	}
	work.Wait()
	require.Equal(t, spares, ask[[]string](t, e.AdminDSN, "SELECT array_agg(label ORDER BY label) FROM stratum.tenants"))
	require.Zero(t, ask[int](t, e.AdminDSN, "SELECT count(*) FROM stratum.spares"))

	_, err = e.st.Placements.Prepare(ctx, core.Spares{Isolation: core.SchemaIsolation, Count: 1})
	require.NoError(t, err)
	created, err := e.st.Tenants.CreateBatch(ctx, []core.NewTenant{
		{Name: "n", Slug: "parent", Isolation: core.DatabaseIsolation},
		{Name: "n", Slug: "child", ParentSlug: "parent", Isolation: core.SchemaIsolation},
	})
	require.NoError(t, err)
	require.Equal(t, core.StatusActive, created[1].Status)
	note(t, e.st, created[1].ID, "x")
}

// TestPrepareIsInterrupted by a database that fails, and goes on afterwards.
func TestPrepareIsInterrupted(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	// The first table of a spare can be made, and the second not.
	runAs(t, e.AdminDSN, `CREATE FUNCTION public.fail() RETURNS event_trigger LANGUAGE plpgsql AS $$
		BEGIN IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE 't\_%.notes') THEN
			RAISE 'no room'; END IF; END $$;
		CREATE EVENT TRIGGER fail ON ddl_command_end EXECUTE FUNCTION public.fail()`)
	spares := core.Spares{Isolation: core.SchemaIsolation, Count: 2}
	_, err := e.st.Placements.Prepare(ctx, spares)
	require.ErrorContains(t, err, "no room")
	require.Zero(t, ask[int](t, e.AdminDSN, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'"), "all or nothing")
	tenant, err := e.st.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: "n", Isolation: core.SchemaIsolation})
	require.ErrorContains(t, err, "no room", "a spare that is not ready is not taken")
	require.Equal(t, core.StatusProvisioning, tenant.Status)
	runAs(t, e.AdminDSN, "DROP EVENT TRIGGER fail")
	made, err := e.st.Placements.Prepare(ctx, spares)
	require.NoError(t, err)
	require.Equal(t, 1, made, "and the one from before")
	require.Equal(t, 2, ask[int](t, e.AdminDSN, "SELECT count(*) FROM stratum.spares WHERE ready"))
	e.settle(t, 0)
}

// TestDamagedPlaces never become active: what is there is compared with what must be.
func TestDamagedPlaces(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx := t.Context()
	for _, isolation := range isolations()[1:] {
		_, err := e.st.Placements.Prepare(ctx, core.Spares{Isolation: isolation, Count: 1})
		require.NoError(t, err)
	}
	// The spare of a database has lost a policy and has a column of another type.
	label := ask[string](t, e.AdminDSN, "SELECT label FROM stratum.spares WHERE isolation = 'database'")
	prefix := ask[string](t, e.AdminDSN, `SELECT 'stratum_' || left(replace(registry::text, '-', ''), 8) || '_t_' FROM stratum.site`)
	dsn := strings.Replace(e.AdminDSN, "/"+e.Name, "/"+prefix+label, 1)
	runAs(t, dsn, "DROP POLICY stratum_tenant ON notes; ALTER TABLE notes DISABLE ROW LEVEL SECURITY")
	tenant := e.create(t, core.NewTenant{Slug: "mended", Isolation: core.DatabaseIsolation})
	require.Equal(t, label, tenant.Label.String())
	require.True(t, ask[bool](t, dsn, "SELECT relrowsecurity FROM pg_class WHERE oid = 'public.notes'::regclass"))
	require.Equal(t, 1, ask[int](t, dsn, "SELECT count(*) FROM pg_policies WHERE tablename = 'notes' AND policyname = 'stratum_tenant'"))

	_, err := e.st.Placements.Prepare(ctx, core.Spares{Isolation: core.DatabaseIsolation, Count: 1})
	require.NoError(t, err)
	label = ask[string](t, e.AdminDSN, "SELECT label FROM stratum.spares WHERE isolation = 'database'")
	runAs(t, strings.Replace(e.AdminDSN, "/"+e.Name, "/"+prefix+label, 1), "ALTER TABLE notes ADD COLUMN more text NOT NULL")
	damaged, err := e.st.Tenants.Create(ctx, core.NewTenant{Name: "n", Slug: "damaged", Isolation: core.DatabaseIsolation})
	require.ErrorContains(t, err, "not what they must be")
	require.Equal(t, core.StatusProvisioning, damaged.Status)
	_, err = notes(ctx, e.st.DB(), damaged.ID)
	require.ErrorIs(t, err, core.ErrTenantNotActive)

	// A schema that loses a table fails: no statement reaches the shared one instead.
	own := e.create(t, core.NewTenant{Slug: "own", Isolation: core.SchemaIsolation})
	note(t, e.st, own.ID, "x")
	shared := e.create(t, core.NewTenant{Slug: "shared"})
	note(t, e.st, shared.ID, "of another")
	runAs(t, e.AdminDSN, "DROP TABLE "+pgx.Identifier{"t_" + own.Label.String(), "notes"}.Sanitize()+" CASCADE")
	_, err = notes(ctx, e.st.DB(), own.ID)
	require.Error(t, err)
	require.ErrorIs(t, err, core.ErrPermission)
	_, err = e.st.DB().ExecContext(core.AsSystemAt(ctx, "a test", own.ID), "DELETE FROM notes")
	require.ErrorIs(t, err, core.ErrSchemaTable)
	runAs(t, e.AdminDSN, "DROP SCHEMA "+pgx.Identifier{"t_" + own.Label.String()}.Sanitize()+" CASCADE")
	_, err = notes(ctx, e.st.DB(), own.ID)
	require.ErrorIs(t, err, core.ErrSchemaMissing)
	requireNotes(t, e.st, shared.ID, "of another")
}
