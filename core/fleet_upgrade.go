package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// satelliteWorkers is how many databases are looked at at once.
const satelliteWorkers = 4

// eachSatellite calls fn for each database but the registry's, a few at a time, and returns what it returned by target.
func (f *Fleet) eachSatellite(ctx context.Context, fn func(Placement, string) error) (map[string]error, error) {
	next, stop := iter.Pull2(f.list(ctx))
	defer stop()
	var (
		mu     sync.Mutex
		work   sync.WaitGroup
		failed = make(map[string]error)
		listed error
	)
	pull := func() (FleetTarget, bool) {
		mu.Lock()
		defer mu.Unlock()
		t, err, ok := next()
		if err != nil {
			listed = err
		}
		return t, ok && err == nil && listed == nil
	}
	for range satelliteWorkers {
		work.Go(func() {
			for t, ok := pull(); ok; t, ok = pull() {
				if t.Isolation == SchemaIsolation || t.ID == homePlacement+"/shared" {
					continue
				}
				if err := f.satellite(ctx, t, fn); err != nil {
					mu.Lock()
					failed[t.ID] = err
					mu.Unlock()
				}
			}
		})
	}
	work.Wait()
	return failed, listed
}

func (f *Fleet) satellite(ctx context.Context, t FleetTarget, fn func(Placement, string) error) error {
	p, err := f.st.placement(ctx, t.Placement)
	if err != nil {
		return err
	}
	database := ""
	if t.Isolation == DatabaseIsolation {
		database = t.ID[len(t.Placement)+1:]
	}
	return fn(p, database)
}

// upgrade brings schema stratum up to date in all databases but the registry's, which Migrate does, and makes there what
// tables need beside themselves. A database where that fails fails as a target, too, and is reported there.
func (f *Fleet) upgrade(ctx context.Context) error {
	b := f.st.Tenants.builder
	model, err := b.model(ctx)
	if err != nil && !errors.Is(err, provision.ErrNoModel) {
		return err
	}
	extras, err := b.readExtras(ctx)
	if err != nil {
		return err
	}
	failed, err := f.eachSatellite(ctx, func(p Placement, database string) error {
		db := f.st.ownerDatabase(p, database)
		defer func() { _ = db.Close() }() // what it did is committed
		return f.upgradeOne(ctx, p, db, upgrade{model: model, extras: extras})
	})
	for target, err := range failed {
		f.st.options.Logger.WarnContext(ctx, "stratum: a database could not be brought up to date", "target", target,
			"error", err)
	}
	return err
}

// upgrade is what a database is brought to.
type upgrade struct {
	model  shape.Model
	extras provision.Extras
}

func (f *Fleet) upgradeOne(ctx context.Context, p Placement, db *sql.DB, u upgrade) error {
	hash := u.extras.Hash(u.model, install.Version, "")
	const query = `SELECT EXISTS (SELECT FROM stratum.ledger WHERE table_schema = '' AND source = 'extras' AND hash = $1)`
	var current bool
	// Where schema stratum is older there is no such table.
	if err := db.QueryRowContext(ctx, query, hash).Scan(&current); err == nil && current {
		return nil
	}
	if err := f.st.installAt(ctx, p, db); err != nil {
		return err
	}
	if len(u.model.Specs) > 0 {
		if err := u.extras.Make(ctx, db, f.st.roles, schemasOf(u.model)); err != nil {
			return err
		}
	}
	const note = `INSERT INTO stratum.ledger (table_schema, source, hash, applied_at) VALUES ('', 'extras', $1, now())
		ON CONFLICT (table_schema, source) DO UPDATE SET hash = excluded.hash, applied_at = excluded.applied_at`
	if _, err := db.ExecContext(ctx, note, hash); err != nil {
		return fmt.Errorf("stratum: noting what the database has: %w", err)
	}
	return nil
}

// refreshAll brings all copies of global tables up to date.
func (f *Fleet) refreshAll(ctx context.Context, model shape.Model) error {
	if len(copied(model)) == 0 {
		return nil
	}
	if err := f.st.Tenants.builder.watch(ctx, model); err != nil {
		return err
	}
	failed, err := f.eachSatellite(ctx, func(p Placement, database string) error {
		return f.st.Tenants.builder.refresh(ctx, p, database, model)
	})
	errs := []error{err}
	for target, err := range failed {
		errs = append(errs, fmt.Errorf("%s: %w", target, err))
	}
	return errors.Join(errs...)
}
