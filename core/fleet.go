package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// Fleet runs migrations everywhere: over the shared tables, over the schemas and databases of tenants, and over those that
// wait for one. Each is a target, which is migrated once, in a transaction together with the record of it; whatever ends
// a run, the next one does what is left. Only the operator does so.
type Fleet struct {
	st *Stratum
}

// Migrations are what Fleet.Migrate runs: Goose, gormstratum.Migrations, or the StratumMigrations of an ent client.
type Migrations struct {
	name   string
	goose  fleet.Source
	shared SharedMigration
}

// SharedMigration is how an ORM migrates the shared tables of the registry's database, which are the model of all others.
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
}

// Goose are migrations as goose has them, SQL files in a folder and functions, for each target by itself. Names of tables
// in them have no schema. A tenant's place that is made later is made from the model, and counts as migrated.
func Goose(ctx context.Context, fsys fs.FS, dir string, options GooseOptions) (Migrations, error) {
	source, err := fleet.Goose(ctx, fsys, dir, fleet.GooseOptions{
		Name: options.Name, Table: options.Table, Migrations: options.Migrations, OutOfOrder: options.OutOfOrder,
		To: options.To,
	})
	if err != nil {
		return Migrations{}, fmt.Errorf("stratum: goose: %w", err)
	}
	return Migrations{name: source.Name(), goose: source}, nil
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
	// tenant that has something to do. Targets are named as in Fleet.Targets.
	Canary FleetCanary
	// LockTimeout is how long a migration waits for a table that somebody uses, with everybody else behind it, before it
	// steps back and tries again. Defaults to 2 s.
	LockTimeout time.Duration
	// Retries is how often a target is tried again after a lock that was not to be had, a deadlock or a lost connection.
	// Negative is never. Defaults to 5.
	Retries int
	// StopOnError has no further target begun after one has failed. Defaults to false.
	StopOnError bool
	// AllowDestructive lets columns be changed in ways that may lose data where the model says so. What the model does not
	// have is never dropped. Defaults to false: such a target fails and says which column.
	AllowDestructive bool
	// DryRun changes nothing and reports what would be run. Of what an ORM would do to the model only the shared tables'
	// part is known. Defaults to false.
	DryRun bool
	// Verify compares all targets with the model, also those that are recorded as being like it. Defaults to false.
	Verify bool
	// Rerun has migrations outside of transactions run again that were interrupted before. Defaults to false.
	Rerun bool
	// Progress is told of each target that is begun or ended, one call at a time, and should be quick.
	Progress func(FleetProgress)
	// Plans is told what a dry run found on a target. Defaults to the report's Plans alone, a hundred at most.
	Plans func(FleetPlan)
}

// Migrate runs the migrations on all targets. Failures of targets are in the report; the error is then a *FleetError.
func (f *Fleet) Migrate(ctx context.Context, options FleetOptions) (FleetReport, error) {
	if err := f.st.Placements.checkCaller(ctx); err != nil {
		return FleetReport{}, operationError("migrate the fleet", err)
	}
	run := fleetRun{fleet: f, options: options}
	report, err := run.run(ctx)
	return report, operationError("migrate the fleet", err)
}

// fleetRun is one Migrate.
type fleetRun struct {
	fleet   *Fleet
	options FleetOptions
	report  FleetReport
}

func (r *fleetRun) run(ctx context.Context) (FleetReport, error) {
	if !r.options.DryRun {
		if err := r.fleet.upgrade(ctx); err != nil {
			return r.report, err
		}
	}
	var versioned []fleet.Source
	for _, m := range r.options.Migrations {
		if m.goose != nil {
			versioned = append(versioned, m.goose)
		}
	}
	if len(versioned) > 0 {
		if err := r.sources(ctx, everywhere, versioned...); err != nil {
			return r.report, err
		}
	}
	for _, m := range r.options.Migrations {
		if m.shared.Run != nil {
			if err := r.migrateShared(ctx, m.shared); err != nil {
				return r.report, fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	model, err := r.fleet.st.Tenants.builder.model(ctx)
	if errors.Is(err, provision.ErrNoModel) {
		return r.report, nil // there is nothing to be like
	}
	if err != nil {
		return r.report, err
	}
	if err := r.sources(ctx, butModel, r.converge(model)); err != nil {
		return r.report, err
	}
	if r.options.DryRun {
		return r.report, nil
	}
	return r.report, r.fleet.refreshAll(ctx, model)
}

// migrateShared has the canary follow the model before the model itself is changed: it is read from within a rehearsal.
func (r *fleetRun) migrateShared(ctx context.Context, m SharedMigration) error {
	var model shape.Model
	err := m.Rehearse(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		model, err = provision.ReadModel(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if r.options.DryRun {
		return nil
	}
	if err := r.canary(ctx, model); err != nil {
		return err
	}
	return m.Run(ctx)
}

// canary brings the canary to the model to come, and nobody else. Where the model has new global tables, the canary's
// references to them cannot be made yet: it then goes first after the shared tables.
func (r *fleetRun) canary(ctx context.Context, model shape.Model) error {
	if r.options.Canary.None {
		return nil
	}
	now, err := r.fleet.st.Tenants.builder.model(ctx)
	switch {
	case errors.Is(err, provision.ErrNoModel):
		return nil
	case err != nil:
		return err
	case newGlobals(now, model), now.Shape.Hash() == model.Shape.Hash():
		return nil
	}
	canary, found, err := r.fleet.firstTenant(ctx, r.options.Canary.Target)
	if err != nil || !found {
		return err
	}
	only := func(yield func(fleet.Target, error) bool) { yield(canary, nil) }
	options := r.fleetOptions(only, r.converge(model))
	options.Canary = fleet.Canary{None: true}
	report, err := fleet.Run(ctx, options)
	if err != nil {
		r.report = report
		return fmt.Errorf("the canary: %w", err)
	}
	return nil
}

// newGlobals reports whether a global table is in the model to come that is not there now.
func newGlobals(now, coming shape.Model) bool {
	there := map[shape.Spec]bool{}
	for _, s := range now.Specs {
		there[s] = true
	}
	for _, s := range coming.Specs {
		if s.Class == shape.Global && !there[s] {
			return true
		}
	}
	return false
}

// sources runs sources on the targets of a kind, and adds what came of it to the report.
func (r *fleetRun) sources(ctx context.Context, reach reach, sources ...fleet.Source) error {
	report, err := fleet.Run(ctx, r.fleetOptions(r.fleet.targets(ctx, reach), sources...))
	r.add(report)
	return err
}

func (r *fleetRun) fleetOptions(targets iter.Seq2[fleet.Target, error], sources ...fleet.Source) fleet.Options {
	o := r.options
	return fleet.Options{
		Targets: targets, Sources: sources, PerServer: o.PerServer, Canary: o.Canary, LockTimeout: o.LockTimeout,
		Retries: o.Retries, StopOnError: o.StopOnError, DryRun: o.DryRun, Verify: o.Verify, Rerun: o.Rerun,
		Progress: o.Progress, Plans: o.Plans, Logger: r.fleet.st.options.Logger,
	}
}

// add keeps the larger number of targets, since the same are migrated by several sources, and all else summed up.
func (r *fleetRun) add(report FleetReport) {
	r.report.Targets = max(r.report.Targets, report.Targets)
	r.report.Done += report.Done
	r.report.Skipped += report.Skipped
	r.report.Failed += report.Failed
	r.report.Retries += report.Retries
	r.report.Failures = append(r.report.Failures, report.Failures...)
	r.report.Plans = append(r.report.Plans, report.Plans...)
	r.report.Took += report.Took
	if r.report.Causes == nil {
		r.report.Causes = map[string]int{}
	}
	for code, n := range report.Causes {
		r.report.Causes[code] += n
	}
}
