package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
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
	global bool // of tables that are the same for everyone
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
	// Global says that the migrations are of global tables: they are run in the registry's database alone, and the copies
	// of these tables elsewhere follow. Those of tenants' tables are run on each target, so keep the two in folders, and
	// with values of Name and Table, of their own. Defaults to false.
	Global bool
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

// Migrate runs the migrations on all targets. A target that fails is left at its last step, and nothing more is done to
// it; all others go on. Failures are in the report, and the error is then a *FleetError.
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
	failed  map[string]bool // targets that nothing more is done to
}

func (r *fleetRun) run(ctx context.Context) (FleetReport, error) {
	if !r.options.DryRun {
		if err := r.fleet.upgrade(ctx); err != nil {
			return r.report, err
		}
	}
	if err := r.migrateVersions(ctx); err != nil {
		return r.report, err
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
		return r.report, r.failures() // there is nothing to be like
	}
	if err != nil {
		return r.report, err
	}
	if err := r.settle(ctx); err != nil {
		return r.report, err
	}
	return r.report, r.follow(ctx, model)
}

// follow brings all targets to the model: first the global tables with their rows, and then what refers to them.
func (r *fleetRun) follow(ctx context.Context, model shape.Model) error {
	targets := r.fleet.targets(ctx, butModel)
	if err := r.sources(ctx, targets, r.convergeGlobals(model)); err != nil {
		return err
	}
	if !r.options.DryRun {
		if err := r.fleet.refreshAll(ctx, model, provision.Globals(model)); err != nil {
			// What lacks rows that it refers to fails as a target.
			r.fleet.st.options.Logger.WarnContext(ctx, "stratum: copies could not be brought up to date", "error", err)
		}
	}
	if err := r.sources(ctx, targets, r.converge(model)); err != nil {
		return err
	}
	if r.options.DryRun {
		return r.failures()
	}
	return errors.Join(r.failures(), r.fleet.refreshAll(ctx, model, model))
}

// migrateVersions runs goose's migrations: those of global tables first, for the others may refer to these.
func (r *fleetRun) migrateVersions(ctx context.Context) error {
	var global, versioned []fleet.Source
	for _, m := range r.options.Migrations {
		switch {
		case m.goose != nil && m.global:
			global = append(global, m.goose)
		case m.goose != nil:
			versioned = append(versioned, m.goose)
		}
	}
	if len(global) > 0 {
		canary := r.options.Canary
		r.options.Canary = fleet.Canary{None: true} // there is one target
		err := r.sources(ctx, r.fleet.targets(ctx, modelAlone), global...)
		r.options.Canary = canary
		if err != nil {
			return err
		}
	}
	if len(versioned) == 0 {
		return nil
	}
	return r.versions(ctx, versioned)
}

// versions runs versioned migrations on all targets. Places that were being made meanwhile from the older model, and were
// not listed yet, follow.
func (r *fleetRun) versions(ctx context.Context, versioned []fleet.Source) error {
	seen := make(map[string]bool)
	err := r.sources(ctx, func(yield func(fleet.Target, error) bool) {
		for t, err := range r.fleet.targets(ctx, everywhere) {
			seen[t.ID] = true
			if !yield(t, err) {
				return
			}
		}
	}, versioned...)
	if err != nil || r.options.DryRun {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.options.Canary = fleet.Canary{None: true} // it has been
	return r.sources(ctx, func(yield func(fleet.Target, error) bool) {
		for t, err := range r.fleet.targets(ctx, everywhere) {
			if err == nil && seen[t.ID] {
				continue
			}
			if !yield(t, err) {
				return
			}
		}
	}, versioned...)
}

// settle waits until all that was begun with an older model is listed.
func (r *fleetRun) settle(ctx context.Context) error {
	if r.options.DryRun {
		return nil
	}
	return r.fleet.st.Tenants.builder.settle(ctx)
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
	r.add(report)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCanary, err)
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

// sources runs sources on targets that have not failed, and adds what came of it to the report. Failures of single
// targets are no error yet, unless the model itself is among them, or the run is to stop.
func (r *fleetRun) sources(ctx context.Context, targets iter.Seq2[fleet.Target, error], sources ...fleet.Source) error {
	left := func(yield func(fleet.Target, error) bool) {
		for t, err := range targets {
			if err == nil && r.failed[t.ID] {
				continue
			}
			if !yield(t, err) {
				return
			}
		}
	}
	report, err := fleet.Run(ctx, r.fleetOptions(left, sources...))
	r.add(report)
	var failed *fleet.Error
	if !errors.As(err, &failed) || failed.Stopped != nil || len(failed.Failures) < failed.Failed {
		return err
	}
	failures := make(map[string]bool, len(failed.Failures)+len(r.failed))
	maps.Copy(failures, r.failed)
	for _, f := range failed.Failures {
		if f.Target == homePlacement+"/shared" {
			return err
		}
		failures[f.Target] = true
	}
	r.failed = failures
	return nil
}

// failures is the error for targets that have failed, if any have.
func (r *fleetRun) failures() error {
	if r.report.Failed == 0 {
		return nil
	}
	return &fleet.Error{Failed: r.report.Failed, Failures: r.report.Failures}
}

func (r *fleetRun) fleetOptions(targets iter.Seq2[fleet.Target, error], sources ...fleet.Source) fleet.Options {
	o := r.options
	if o.Canary.Target == homePlacement+"/shared" && len(sources) == 1 &&
		(sources[0].Name() == provision.Ledger || sources[0].Name() == provision.LedgerGlobals) {
		o.Canary = fleet.Canary{None: true} // it is what the others are brought to
	}
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
