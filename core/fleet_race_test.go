package core_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
)

// Tenants that are made while the fleet is migrated are migrated too, once, whatever model their places were begun with.
func TestFleetWhileTenantsAreMade(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var g errgroup.Group
	for worker := range 2 {
		g.Go(func() error {
			for n := 0; ctx.Err() == nil; n++ {
				batch := make([]core.NewTenant, 3)
				for i := range batch {
					slug := fmt.Sprintf("w%d-%d-%d", worker, n, i)
					batch[i] = core.NewTenant{Name: slug, Slug: slug, Isolation: core.SchemaIsolation}
				}
				if _, err := e.st.Tenants.CreateBatch(t.Context(), batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	texts := map[string]string{}
	var migrations []core.Migrations
	for n := range 4 {
		texts[fmt.Sprintf("%05d_c.sql", n+1)] = fmt.Sprintf("ALTER TABLE notes ADD COLUMN c%d text;", n)
		migrations = []core.Migrations{gooseOf(t, texts)}
		_, err := e.st.Fleet.Migrate(t.Context(), core.FleetOptions{Migrations: migrations})
		require.NoError(t, err)
	}
	stop()
	require.NoError(t, g.Wait())
	for drift, err := range e.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
	report, err := e.st.Fleet.Migrate(t.Context(), core.FleetOptions{Migrations: migrations})
	require.NoError(t, err)
	require.Zero(t, report.Done)
	require.Greater(t, report.Targets, 6)
}

// A target that is not what is recorded of it is looked at, and ends like all others.
func TestFleetRecordIsWrong(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.migrate(t, core.FleetOptions{})
	runAs(t, f.OwnerDSN, "ALTER TABLE "+f.homeSchema(t)+".notes ADD COLUMN colour text")
	runAs(t, f.OwnerDSN, "ALTER TABLE notes ADD COLUMN colour text; CREATE INDEX notes_colour ON notes (tenant_id, colour)")
	require.Equal(t, fleetOthers, f.migrate(t, core.FleetOptions{}).Done)
	require.Empty(t, f.drifts(t))
}

// oddSQL gives the third table called notes in a tenant's schema a right that none should have.
const oddSQL = `CREATE FUNCTION odd() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	DECLARE made record;
	BEGIN
		FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
			IF made.object_identity LIKE 't\_%.notes' AND 3 = (SELECT count(*) FROM pg_class c
				JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'notes' AND n.nspname LIKE 't\_%') THEN
				EXECUTE 'GRANT SELECT ON ' || made.object_identity || ' TO PUBLIC';
			END IF;
		END LOOP;
	END $$;
	CREATE EVENT TRIGGER odd ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION odd()`

// A schema that comes out otherwise than those made with it is seen, and put right before its tenant is active.
func TestBatchSeesAnOddSchema(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	runAs(t, e.AdminDSN, oddSQL)
	batch := make([]core.NewTenant, 40)
	for i := range batch {
		batch[i] = core.NewTenant{Name: "b", Slug: fmt.Sprintf("b-%d", i), Isolation: core.SchemaIsolation}
	}
	made, err := e.st.Tenants.CreateBatch(t.Context(), batch)
	require.NoError(t, err)
	for _, tenant := range made {
		require.Equal(t, core.StatusActive, tenant.Status)
	}
	for drift, err := range e.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
}
