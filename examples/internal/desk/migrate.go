package desk

import (
	"context"

	"github.com/stratum-hq/stratum-go/core"
)

// migrate brings the next version of the application's tables to all tenants: the shared tables, each schema and each
// database. One of the tenants goes first, and what is interrupted goes on with the next call.
func (d *desk) migrate(ctx context.Context) error {
	title, next, err := d.app.Next(ctx)
	if err != nil {
		return err
	}
	d.printf("%s\n", title)
	targets := 0
	for _, err := range d.app.Stratum().Fleet.Targets(ctx) {
		if err != nil {
			return err
		}
		targets++
	}
	bar := newProgress(d.out, targets)
	report, err := d.app.Stratum().Fleet.Migrate(ctx, core.FleetOptions{
		Migrations: []core.Migrations{next}, Progress: func(p core.FleetProgress) { bar.draw(p.Ended()) },
	})
	bar.end()
	if err != nil {
		return err
	}
	d.printf("the tables are alike in %d places; %d failed, %d tried again; in %s\n\n", targets-report.Failed,
		report.Failed, report.Retries, since(bar.started))
	return d.checkDrift(ctx)
}

// checkDrift makes sure that all tables look the same everywhere.
func (d *desk) checkDrift(ctx context.Context) error {
	for drift, err := range d.app.Stratum().Fleet.Drift(ctx) {
		if err != nil {
			return err
		}
		d.printf("%s differs from the shared tables: %v\n", drift.Target.ID, drift.Differences)
	}
	return nil
}
