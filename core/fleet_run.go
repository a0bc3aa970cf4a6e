package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// fleetRun is one Migrate.
type fleetRun struct {
	fleet   *Fleet
	options FleetOptions
	report  FleetReport
	ended   map[string]fleet.Outcome // of each target, the greatest of all passes
	quiet   bool                     // progress is not told
}

func (r *fleetRun) run(ctx context.Context) error {
	if !r.options.DryRun {
		if err := r.prepare(ctx); err != nil {
			return err
		}
	}
	if err := r.migrateVersions(ctx); err != nil {
		return err
	}
	for _, m := range r.options.Migrations {
		if m.shared.Run != nil {
			if err := r.migrateShared(ctx, m.shared); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	model, err := r.fleet.st.Tenants.builder.model(ctx)
	if errors.Is(err, provision.ErrNoModel) {
		return r.failures() // there is nothing to be like
	}
	if err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if !r.options.DryRun {
		if err := r.fleet.st.Tenants.builder.noteModel(ctx, model); err != nil {
			return err
		}
	}
	return r.follow(ctx, model)
}

// prepare brings all databases up to date in what is Stratum's, and writes down what the model is before it changes.
func (r *fleetRun) prepare(ctx context.Context) error {
	b := r.fleet.st.Tenants.builder
	model, err := b.model(ctx)
	known := err == nil
	if err != nil && !errors.Is(err, provision.ErrNoModel) {
		return err
	}
	if err := r.fleet.upgrade(ctx, model); err != nil || !known {
		return err
	}
	return b.noteModel(ctx, model)
}

// follow brings all targets to the model: first the global tables with their rows, and then what refers to them.
func (r *fleetRun) follow(ctx context.Context, model shape.Model) error {
	if !r.options.DryRun {
		if err := r.fleet.upgrade(ctx, model); err != nil {
			return err
		}
	}
	if err := r.followGlobals(ctx, model); err != nil {
		return err
	}
	if !r.options.DryRun {
		if err := r.fleet.refreshAll(ctx, model, provision.Globals(model)); err != nil {
			// What lacks rows that it refers to fails as a target.
			r.fleet.st.options.Logger.WarnContext(ctx, "stratum: copies could not be brought up to date", "error", err)
		}
	}
	if err := r.sources(ctx, toConverge(r.fleet.targets(ctx, butModel)), r.converge(model)); err != nil {
		return err
	}
	if r.options.DryRun {
		return r.failures()
	}
	return errors.Join(r.failures(), r.fleet.refreshAll(ctx, model, model))
}

// followGlobals makes the copies of global tables what these are, without their rows.
func (r *fleetRun) followGlobals(ctx context.Context, model shape.Model) error {
	canary := r.options.Canary
	defer func() { r.options.Canary, r.quiet = canary, false }()
	r.quiet = true
	if canary.Target != "" {
		t, found, err := r.fleet.firstTenant(ctx, canary.Target)
		if err != nil {
			return err
		}
		if !found || t.Kind == fleet.KindSchema {
			r.options.Canary = fleet.Canary{None: true} // its turn comes
		}
	}
	return r.sources(ctx, toConverge(r.fleet.targets(ctx, copiesAlone)), r.convergeGlobals(model))
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

// versions runs versioned migrations on all targets. Places that were being made meanwhile from the older model, and
// were not listed yet, follow.
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
	var coming upgrade
	err := m.Rehearse(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		if coming.model, err = provision.ReadModel(ctx, tx); err != nil {
			return err
		}
		coming.extras, err = provision.ReadExtras(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if r.options.DryRun {
		return nil
	}
	if err := r.canary(ctx, coming); err != nil {
		return err
	}
	return m.Run(ctx)
}

// canary brings the canary to the model to come, and nobody else. Where that has new global tables, or types, what
// refers to them cannot be made yet: the canary then goes first after the shared tables.
func (r *fleetRun) canary(ctx context.Context, coming upgrade) error {
	if r.options.Canary.None {
		return nil
	}
	b := r.fleet.st.Tenants.builder
	now, err := b.model(ctx)
	switch {
	case errors.Is(err, provision.ErrNoModel):
		return nil
	case err != nil:
		return err
	case newGlobals(now, coming.model), now.Shape.Hash() == coming.model.Shape.Hash():
		return nil
	}
	if extras, err := b.readExtras(ctx); err != nil || !extras.Equal(coming.extras) {
		return err
	}
	canary, found, err := r.fleet.firstTenant(ctx, r.options.Canary.Target)
	if err != nil || !found {
		return err
	}
	only := func(yield func(fleet.Target, error) bool) { yield(canary, nil) }
	options := r.fleetOptions(toConverge(only), r.converge(coming.model))
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
	before := maps.Clone(r.ended) // which grows while the targets are listed
	left := func(yield func(fleet.Target, error) bool) {
		for t, err := range targets {
			if err == nil && before[t.ID] == fleet.Failed {
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
	if !errors.As(err, &failed) || failed.Stopped != nil || r.ended[homePlacement+"/shared"] == fleet.Failed {
		return err
	}
	return nil
}

// failures is the error for targets that have failed, if any have.
func (r *fleetRun) failures() error {
	if report := r.counted(); report.Failed > 0 {
		return &fleet.Error{Failed: report.Failed, Failures: report.Failures}
	}
	return nil
}

func (r *fleetRun) fleetOptions(targets iter.Seq2[fleet.Target, error], sources ...fleet.Source) fleet.Options {
	o := r.options
	if o.Canary.Target == homePlacement+"/shared" && len(sources) == 1 && sources[0].Name() == provision.Ledger {
		o.Canary = fleet.Canary{None: true} // it is what the others are brought to
	}
	if r.quiet {
		o.Progress = nil
	}
	return fleet.Options{
		Targets: targets, Sources: sources, PerServer: o.PerServer, Canary: o.Canary, Fit: r.fleet.there,
		LockTimeout: o.LockTimeout, Retries: o.Retries, StopOnError: o.StopOnError,
		DryRun: o.DryRun, Verify: o.Verify, Rerun: o.Rerun,
		Progress: o.Progress, Plans: o.Plans, Ended: r.end, Logger: r.fleet.st.options.Logger,
	}
}

// end keeps what became of a target. Runs call it one at a time, and one run is under way at a time.
func (r *fleetRun) end(t fleet.Target, outcome fleet.Outcome) {
	r.ended[t.ID] = max(r.ended[t.ID], outcome)
}

// counted is the report with the numbers of targets, each counted once.
func (r *fleetRun) counted() FleetReport {
	report := r.report
	report.Targets = len(r.ended)
	for _, outcome := range r.ended {
		switch outcome {
		case fleet.Skipped:
			report.Skipped++
		case fleet.Done:
			report.Done++
		case fleet.Failed:
			report.Failed++
		}
	}
	return report
}

// add sums up all but the numbers of targets, which several passes concern.
func (r *fleetRun) add(report FleetReport) {
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
