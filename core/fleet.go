package core

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"time"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/fleet"
)

// Fleet runs migrations everywhere: over the shared tables, over the schemas and databases of tenants, and over those
// that wait for one. Each is a target, which is migrated once, in a transaction together with the record of it;
// whatever ends a run, the next one does what is left. Only the operator does so.
type Fleet struct {
	st *Stratum
}

// Migrations are what Fleet.Migrate runs: Goose, gormstratum.Migrations, or the StratumMigrations of an ent client.
type Migrations struct {
	name   string
	goose  fleet.Source
	global bool // of tables that are the same for everyone
	shared SharedMigration
}

// SharedMigration is how an ORM migrates the shared tables of the registry's database, which are the model of all
// others.
type SharedMigration struct {
	// Name names the migrations in reports.
	Name string
	// Run migrates.
	Run func(ctx context.Context) error
	// Rehearse does what Run does in a transaction of the owner, hands it to look, and rolls it back.
	Rehearse func(ctx context.Context, look func(ctx context.Context, tx *sql.Tx) error) error
}

// NewMigrations makes Migrations of an ORM's, for this module's other packages.
func NewMigrations(_ access.Token, shared SharedMigration) Migrations {
	return Migrations{name: shared.Name, shared: shared}
}

// GooseMigration is goose's Migration.
type GooseMigration = fleet.GoMigration

// GooseOptions say how goose's migrations are read and recorded.
type GooseOptions struct {
	// Name names the migrations in reports. Defaults to "goose".
	Name string
	// Table is the table that says, in each target's schema, which migrations have run. Defaults to "goose_db_version".
	Table string
	// Migrations are those in Go, made by goose.NewGoMigration.
	Migrations []*GooseMigration
	// OutOfOrder also runs migrations that are older than a target's newest. Defaults to false: such a target fails.
	OutOfOrder bool
	// To is the newest version to run. Defaults to all.
	To int64
	// Global says that the migrations are of global tables: they are run in the registry's database alone, and the
	// copies of these tables elsewhere follow. Those of tenants' tables are run on each target, so keep the two in
	// folders, and with values of Name and Table, of their own. Defaults to false.
	Global bool
}

// Goose are migrations as goose has them, SQL files in a folder and functions, for each target by itself. Names of
// tables in them have no schema. A tenant's place that is made later is made from the model, and counts as migrated.
func Goose(ctx context.Context, fsys fs.FS, dir string, options GooseOptions) (Migrations, error) {
	source, err := fleet.Goose(ctx, fsys, dir, fleet.GooseOptions{
		Name: options.Name, Table: options.Table, Migrations: options.Migrations, OutOfOrder: options.OutOfOrder,
		To: options.To,
	})
	if err != nil {
		return Migrations{}, fmt.Errorf("stratum: goose: %w", err)
	}
	return Migrations{name: source.Name(), goose: source, global: options.Global}, nil
}

// FleetProgress is how far a run is.
type FleetProgress = fleet.Progress

// FleetPlan is what a dry run found on one target.
type FleetPlan = fleet.Plan

// FleetStep is one transaction of a FleetPlan.
type FleetStep = fleet.Step

// FleetError is returned by Fleet.Migrate where targets have failed.
type FleetError = fleet.Error

// FleetTargetError is the failure of one target.
type FleetTargetError = fleet.TargetError

// FleetReport is what a run did.
type FleetReport = fleet.Report

// FleetCanary says which targets go first.
type FleetCanary = fleet.Canary

// FleetOptions say what Fleet.Migrate runs, and how gently.
type FleetOptions struct {
	// Migrations are run in this order: goose's on each target, those of an ORM on the shared tables of the registry's
	// database, after which all other targets are brought to the shape of these. Without any, only the latter is done.
	Migrations []Migrations
	// PerServer is how many targets of one server are worked on at once, each over a connection. Defaults to 2.
	PerServer int
	// Canary is who goes first, alone; if it fails nothing else is begun. Defaults to the first schema or database of a
	// tenant. Targets are named as in Fleet.Targets.
	Canary FleetCanary
	// LockTimeout is how long a migration waits for a table that somebody uses, with everybody else behind it, before
	// it steps back and tries again. Defaults to 2 s.
	LockTimeout time.Duration
	// Retries is how often a target is tried again after a lock that was not to be had, a deadlock or a lost
	// connection. Negative is never. Defaults to 5.
	Retries int
	// StopOnError has no further target begun after one has failed. Defaults to false.
	StopOnError bool
	// AllowDestructive lets columns be changed in ways that may lose data where the model says so. What the model does
	// not have is never dropped. Defaults to false: such a target fails and says which column.
	AllowDestructive bool
	// DryRun changes nothing and reports what would be run. Of what an ORM would do to the model only the shared
	// tables' part is known. Defaults to false.
	DryRun bool
	// Verify compares all targets with the model. Otherwise those are not looked at that are recorded as being like it,
	// or like an earlier one, which then get what is new in it. Defaults to false.
	Verify bool
	// Rerun has migrations outside of transactions run again that were interrupted before. Defaults to false.
	Rerun bool
	// Progress is told of each target that is begun or ended, one call at a time, and should be quick.
	Progress func(FleetProgress)
	// Plans is told what a dry run found on a target. Defaults to the report's Plans alone, a hundred at most.
	Plans func(FleetPlan)
}

// Migrate runs the migrations on all targets. A target that fails is left at its last step, and nothing more is done to
// it; all others go on. Failures are in the report, and the error is then a *FleetError.
func (f *Fleet) Migrate(ctx context.Context, options FleetOptions) (FleetReport, error) {
	if err := f.st.Placements.checkCaller(ctx); err != nil {
		return FleetReport{}, operationError("migrate the fleet", err)
	}
	run := fleetRun{fleet: f, options: options, ended: make(map[string]fleet.Outcome)}
	err := run.run(ctx)
	return run.counted(), operationError("migrate the fleet", err)
}
