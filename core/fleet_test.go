package core_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// fleet is an estate with tenants of every kind, at home and at a satellite, and places that wait for more.
type fleet struct {
	estate

	tenants []core.Tenant
	eu1     string // the administrator's DSN of the satellite
}

func newFleet(t *testing.T, changes ...func(o *core.Options)) fleet {
	t.Helper()
	f := fleet{estate: newEstate(t, changes...)}
	f.eu1 = f.register(t, "eu1").AdminDSN
	for _, placement := range []string{"home", "eu1"} {
		for _, isolation := range isolations() {
			f.tenants = append(f.tenants, f.create(t, core.NewTenant{
				Slug: placement + "-" + string(isolation), Isolation: isolation, Placement: placement,
			}))
		}
	}
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		made, err := f.st.Placements.Prepare(t.Context(), core.Spares{Isolation: isolation, Count: 1})
		require.NoError(t, err)
		require.Equal(t, 1, made)
	}
	return f
}

// of is the tenant of a slug.
func (f fleet) of(t *testing.T, slug string) core.Tenant {
	t.Helper()
	tenant, err := f.st.Tenants.BySlug(t.Context(), slug)
	require.NoError(t, err)
	return tenant
}

// targetOf is the ID of a tenant's target.
func (f fleet) targetOf(t *testing.T, slug string) string {
	t.Helper()
	label := f.of(t, slug).Label.String()
	for target, err := range f.st.Fleet.Targets(t.Context()) {
		require.NoError(t, err)
		if target.Label == label {
			return target.ID
		}
	}
	require.Fail(t, "no target", slug)
	return ""
}

// homeSchema is the name of the schema of the tenant at home.
func (f fleet) homeSchema(t *testing.T) string {
	t.Helper()
	return "t_" + f.of(t, "home-schema").Label.String()
}

func (f fleet) migrate(t *testing.T, options core.FleetOptions) core.FleetReport {
	t.Helper()
	report, err := f.st.Fleet.Migrate(t.Context(), options)
	require.NoError(t, err)
	require.Zero(t, report.Failed)
	return report
}

// drifts are the differences by target.
func (f fleet) drifts(t *testing.T) map[string][]core.Difference {
	t.Helper()
	found := map[string][]core.Difference{}
	for drift, err := range f.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, drift.Err)
		found[drift.Target.ID] = drift.Differences
	}
	return found
}

// targets is how many there are besides the model.
const (
	fleetTargets = 8 // two shared, two schemas, two databases, two spares
	fleetOthers  = fleetTargets - 1
)

func gooseOf(t *testing.T, texts map[string]string, more ...*goose.Migration) core.Migrations {
	t.Helper()
	m, err := core.Goose(t.Context(), mapFS(texts), ".", core.GooseOptions{Migrations: more})
	require.NoError(t, err)
	return m
}

// columned is a migration that gives notes a column, and tells in a row that it has run.
func columned() map[string]string {
	return map[string]string{
		"00001_colour.sql": "ALTER TABLE notes ADD COLUMN colour text NOT NULL DEFAULT 'red';\n" +
			"CREATE INDEX notes_colour ON notes (tenant_id, colour);",
		"00002_upper.sql": "UPDATE notes SET body = upper(body);",
	}
}

// doubled is a migration in Go that would show if it ran twice.
func doubled() *goose.Migration {
	return goose.NewGoMigration(3, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE notes SET body = body || body")
		return err
	}}, nil)
}

// Versioned migrations in SQL and Go run once on each target, DML included, and what is made later counts as migrated.
func TestFleetGoose(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, tenant := range f.tenants {
		note(t, f.st, tenant.ID, "a")
	}
	migrations := []core.Migrations{gooseOf(t, columned(), doubled())}
	report := f.migrate(t, core.FleetOptions{Migrations: migrations})
	require.Equal(t, fleetTargets, report.Targets)
	for _, tenant := range f.tenants {
		requireNotes(t, f.st, tenant.ID, "AA")
	}
	require.Empty(t, f.drifts(t))
	require.Zero(t, f.migrate(t, core.FleetOptions{Migrations: migrations}).Done)

	var later []core.Tenant
	for _, placement := range []string{"home", "eu1"} {
		for i, isolation := range []core.Isolation{
			core.SharedIsolation, core.SchemaIsolation, core.SchemaIsolation, core.DatabaseIsolation, core.DatabaseIsolation,
		} {
			later = append(later, f.create(t, core.NewTenant{
				Slug: "later-" + placement + slugOf(isolation, i), Isolation: isolation, Placement: placement,
			}))
		}
	}
	batch, err := f.st.Tenants.CreateBatch(t.Context(), []core.NewTenant{
		{Name: "b", Slug: "b1", Isolation: core.SchemaIsolation},
		{Name: "b", Slug: "b2", Isolation: core.SchemaIsolation},
		{Name: "b", Slug: "b3", Isolation: core.DatabaseIsolation},
	})
	require.NoError(t, err)
	f.register(t, "eu2")
	later = append(append(later, batch...), f.create(t, core.NewTenant{Slug: "eu2", Placement: "eu2"}))
	require.Zero(t, f.migrate(t, core.FleetOptions{Migrations: migrations}).Done)
	require.Empty(t, f.drifts(t))
	for _, tenant := range later {
		note(t, f.st, tenant.ID, "a")
	}
	more := columned()
	more["00004_more.sql"] = "UPDATE notes SET body = body || 'x' || colour;"
	f.migrate(t, core.FleetOptions{Migrations: []core.Migrations{gooseOf(t, more, doubled())}})
	for _, tenant := range later {
		requireNotes(t, f.st, tenant.ID, "axred")
	}
}

// Migrations of global tables run once, where these are written, and the copies follow.
func TestFleetGooseGlobal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	files := mapFS(map[string]string{"00001_area.sql": "ALTER TABLE countries ADD COLUMN area int NOT NULL DEFAULT 7;"})
	m, err := core.Goose(t.Context(), files, ".", core.GooseOptions{
		Name: "global", Table: "goose_global", Global: true,
	})
	require.NoError(t, err)
	f.migrate(t, core.FleetOptions{Migrations: []core.Migrations{m, gooseOf(t, columned())}})
	require.Empty(t, f.drifts(t))
	for _, tenant := range f.tenants {
		var areas int
		require.NoError(t, f.st.DB().QueryRowContext(core.WithTenant(t.Context(), tenant.ID),
			"SELECT sum(area) FROM countries").Scan(&areas), tenant.Slug)
		require.Equal(t, 14, areas)
	}
	require.Zero(t, ask[int](t, f.AdminDSN, "SELECT count(*) FROM pg_class WHERE relname = 'countries' "+
		"AND relnamespace <> 'public'::regnamespace"))
	require.Zero(t, f.migrate(t, core.FleetOptions{Migrations: []core.Migrations{m}}).Done)
}

// Types that a migration brings are there wherever a column has them.
func TestFleetNewType(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	migrateEstate(t, f.OwnerDSN, `CREATE TYPE mood AS ENUM ('fine', 'sour'); ALTER TABLE notes ADD COLUMN mood mood`,
		estateTables())
	require.Equal(t, fleetOthers, f.migrate(t, core.FleetOptions{}).Done)
	runAs(t, f.OwnerDSN, "ALTER TYPE mood ADD VALUE 'glad'")
	runAs(t, f.OwnerDSN, "ALTER TABLE notes ADD COLUMN next mood DEFAULT 'glad'")
	require.Equal(t, fleetOthers, f.migrate(t, core.FleetOptions{}).Done)
	require.Empty(t, f.drifts(t))
	require.Zero(t, f.migrate(t, core.FleetOptions{}).Done)
}

// A canary that fails is all that is touched.
func TestFleetCanary(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	migrations := []core.Migrations{gooseOf(t, columned())}
	for _, slug := range []string{"home-schema", "eu1-database"} {
		target := f.targetOf(t, slug)
		spoil := func(statement string) {
			dsn := f.AdminDSN
			if slug == "eu1-database" {
				dsn = f.databaseOf(t, f.eu1, f.of(t, slug))
			} else {
				statement = "SET search_path = " + f.homeSchema(t) + ";" + statement
			}
			runAs(t, dsn, statement)
		}
		spoil("ALTER TABLE notes ADD COLUMN colour int")
		options := core.FleetOptions{Migrations: migrations, Canary: core.FleetCanary{Target: target}}
		report, err := f.st.Fleet.Migrate(t.Context(), options)
		require.ErrorIs(t, err, core.ErrCanary)
		var failed *core.FleetError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, target, failed.Failures[0].Target)
		require.Equal(t, 1, report.Failed)
		require.Zero(t, report.Done)
		require.Len(t, f.drifts(t), 1, "nobody else was touched")
		spoil("ALTER TABLE notes DROP COLUMN colour")
	}
	_, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{Migrations: migrations, Canary: core.FleetCanary{Target: "x"}})
	require.Error(t, err)
	require.Empty(t, f.drifts(t))
	f.migrate(t, core.FleetOptions{Migrations: migrations, Canary: core.FleetCanary{Target: f.targetOf(t, "eu1-schema")}})
	require.Empty(t, f.drifts(t))
	f.migrate(t, core.FleetOptions{Migrations: migrations, Canary: core.FleetCanary{Target: "home/shared"}})
}

// A tenant whose schema or database is gone is no canary that stops all others, unless it is named.
func TestFleetCanaryIsThere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	gone := []string{f.targetOf(t, "eu1-database"), f.targetOf(t, "eu1-schema")} // the first of all
	runAs(t, f.eu1, "DROP DATABASE "+strings.TrimPrefix(gone[0], "eu1/")+" WITH (FORCE)")
	runAs(t, f.eu1, "DROP SCHEMA "+strings.TrimPrefix(gone[1], "eu1/")+" CASCADE")
	for name, migrations := range map[string][]core.Migrations{
		"files": {gooseOf(t, columned())}, "the model": nil,
	} {
		if migrations == nil {
			runAs(t, f.OwnerDSN, "ALTER TABLE notes ADD COLUMN size int")
		}
		report, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{Migrations: migrations})
		require.NotErrorIs(t, err, core.ErrCanary, name)
		var failed *core.FleetError
		require.ErrorAs(t, err, &failed, name)
		var missing []string
		for _, failure := range failed.Failures {
			missing = append(missing, failure.Target)
		}
		require.ElementsMatch(t, gone, missing, name)
		require.Equal(t, report.Targets-len(gone), report.Done, name)
	}
	_, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{Canary: core.FleetCanary{Target: gone[1]}})
	require.ErrorIs(t, err, core.ErrCanary)
}

// One target that fails stops nobody else, and is alone what is left to do.
func TestFleetPoisoned(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	poisoned := f.targetOf(t, "home-database")
	dsn := f.databaseOf(t, f.AdminDSN, f.of(t, "home-database"))
	runAs(t, dsn, "ALTER TABLE notes ADD COLUMN colour int")
	migrations := []core.Migrations{gooseOf(t, columned())}
	report, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{Migrations: migrations})
	var failed *core.FleetError
	require.ErrorAs(t, err, &failed)
	require.NotErrorIs(t, err, core.ErrCanary)
	require.Equal(t, 1, report.Failed)
	require.Equal(t, map[string]int{"42701": 1}, report.Causes)
	require.Equal(t, poisoned, report.Failures[0].Target)
	require.Equal(t, "00001_colour.sql", report.Failures[0].Version)
	drifts := f.drifts(t)
	require.Len(t, drifts, 1)
	require.Contains(t, drifts, poisoned)

	runAs(t, dsn, "ALTER TABLE notes DROP COLUMN colour")
	f.migrate(t, core.FleetOptions{Migrations: migrations})
	require.Empty(t, f.drifts(t))
	require.Zero(t, f.migrate(t, core.FleetOptions{Migrations: migrations}).Done)
}

// StopOnError leaves alone what has not been begun.
func TestFleetStopOnError(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	runAs(t, f.AdminDSN, "ALTER TABLE "+f.homeSchema(t)+".notes ADD COLUMN colour int")
	report, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{
		Migrations: []core.Migrations{gooseOf(t, columned())}, StopOnError: true, PerServer: 1,
		Canary: core.FleetCanary{None: true},
	})
	require.ErrorIs(t, err, core.ErrStopped)
	require.Equal(t, 1, report.Failed)
	require.Less(t, report.Done, fleetTargets-1)
}

// A dry run lists what there is to do, and changes nothing.
func TestFleetDryRun(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	plans := map[string]core.FleetPlan{}
	report, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{
		Migrations: []core.Migrations{gooseOf(t, columned(), doubled())}, DryRun: true,
		Plans: func(p core.FleetPlan) { plans[p.Target] = p },
	})
	require.NoError(t, err)
	require.Equal(t, fleetTargets, report.Done)
	require.Len(t, plans, fleetTargets)
	for target, plan := range plans {
		require.Len(t, plan.Steps, 3, target)
		require.Equal(t, "00001_colour.sql", plan.Steps[0].Version)
		require.Len(t, plan.Steps[0].Statements, 2)
		require.True(t, plan.Steps[2].Go)
	}
	require.Empty(t, f.drifts(t))
	require.False(t, ask[bool](t, f.AdminDSN, "SELECT to_regclass('goose_db_version') IS NOT NULL"))

	runAs(t, f.AdminDSN, "ALTER TABLE notes ADD COLUMN colour text")
	report = f.migrate(t, core.FleetOptions{DryRun: true})
	require.Equal(t, fleetOthers, report.Done)
	require.Len(t, report.Plans, fleetOthers)
	require.Len(t, f.drifts(t), fleetOthers)
	require.Equal(t, fleetOthers, f.migrate(t, core.FleetOptions{}).Done)
	require.Empty(t, f.drifts(t))
}

// What may lose data is done where that is allowed, and else refused by name.
func TestFleetDestructive(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	runAs(t, f.AdminDSN, "ALTER TABLE notes ADD COLUMN size bigint; UPDATE notes SET size = 1")
	f.migrate(t, core.FleetOptions{})
	runAs(t, f.AdminDSN, "ALTER TABLE notes ALTER COLUMN size TYPE integer")
	_, err := f.st.Fleet.Migrate(t.Context(), core.FleetOptions{})
	require.ErrorIs(t, err, core.ErrDestructive)
	require.ErrorContains(t, err, "notes")
	require.ErrorContains(t, err, "size")
	require.Len(t, f.drifts(t), fleetOthers)
	f.migrate(t, core.FleetOptions{AllowDestructive: true})
	require.Empty(t, f.drifts(t))

	// What the model no longer has is told, and left alone.
	runAs(t, f.AdminDSN, "ALTER TABLE notes DROP COLUMN size")
	f.migrate(t, core.FleetOptions{AllowDestructive: true})
	for target, differences := range f.drifts(t) {
		require.Len(t, differences, 1, target)
		require.Equal(t, "size", differences[0].Object)
		require.Empty(t, differences[0].Want)
		require.True(t, differences[0].Destructive)
	}
	require.Len(t, f.drifts(t), fleetOthers)
}

// A table that somebody uses makes its target wait and come again, while all others go on.
func TestFleetLocked(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	conn, err := pgx.Connect(t.Context(), f.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE "+f.homeSchema(t)+".notes IN ACCESS SHARE MODE")
	require.NoError(t, err)
	locked := f.targetOf(t, "home-schema")

	options := core.FleetOptions{
		Migrations: []core.Migrations{gooseOf(t, columned())}, LockTimeout: 20 * time.Millisecond, Retries: -1,
		Canary: core.FleetCanary{None: true},
	}
	report, err := f.st.Fleet.Migrate(t.Context(), options)
	require.Error(t, err)
	require.Equal(t, map[string]int{"55P03": 1}, report.Causes)
	require.Equal(t, locked, report.Failures[0].Target)
	require.Len(t, f.drifts(t), 1)

	options.Retries = 50
	released := make(chan error, 1)
	var once sync.Once
	options.Progress = func(core.FleetProgress) {
		once.Do(func() {
			go func() {
				// The lock goes once the target has come to it.
				const waits = `SELECT count(*) > 0 FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'relation'`
				for {
					var waiting bool
					if err := tx.QueryRow(context.WithoutCancel(t.Context()), waits).Scan(&waiting); err != nil || waiting {
						released <- errors.Join(err, tx.Rollback(context.WithoutCancel(t.Context())))
						return
					}
				}
			}()
		})
	}
	options.LockTimeout = 50 * time.Millisecond
	f.migrate(t, options)
	require.NoError(t, <-released)
	require.Empty(t, f.drifts(t))
}

// Progress adds up to the report.
func TestFleetProgress(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	runAs(t, f.AdminDSN, "ALTER TABLE notes ADD COLUMN colour text")
	var last core.FleetProgress
	calls, busiest := 0, 0
	report := f.migrate(t, core.FleetOptions{Progress: func(p core.FleetProgress) {
		calls++
		require.LessOrEqual(t, p.Ended(), p.Targets)
		require.GreaterOrEqual(t, p.Ended(), last.Ended())
		busiest = max(busiest, len(p.Current))
		last = p
	}})
	require.Equal(t, fleetOthers, report.Done)
	require.Equal(t, 2*fleetOthers, calls)
	require.Equal(t, fleetOthers, last.Done)
	require.Equal(t, fleetOthers, last.Targets)
	require.Empty(t, last.Current)
	require.Positive(t, busiest)
	require.Positive(t, report.Took)
}

// Nobody but the operator migrates.
func TestFleetIsTheOperators(t *testing.T) {
	t.Parallel()
	f := newEstate(t)
	tenant := f.create(t, core.NewTenant{Slug: "a"})
	ctx := core.WithTenant(t.Context(), tenant.ID)
	_, err := f.st.Fleet.Migrate(ctx, core.FleetOptions{})
	require.ErrorIs(t, err, core.ErrForbidden)
	for _, err := range f.st.Fleet.Drift(ctx) {
		require.ErrorIs(t, err, core.ErrForbidden)
	}
	for _, err := range f.st.Fleet.Targets(ctx) {
		require.ErrorIs(t, err, core.ErrForbidden)
	}
}
