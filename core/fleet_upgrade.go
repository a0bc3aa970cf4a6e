package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// satelliteWorkers is how many targets are looked at at once.
const satelliteWorkers = 4

// errand is what is done at a target, with connections of the owner to its database.
type errand func(p Placement, t FleetTarget, db *sql.DB) error

// each calls fn for each target of these kinds and all shared tables but the model, a few at a time, and returns what
// it returned by target.
func (f *Fleet) each(ctx context.Context, kinds []Isolation, fn errand) (map[string]error, error) {
	next, stop := iter.Pull2(f.listOf(ctx, kinds...))
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
				if t.ID == homePlacement+"/shared" {
					continue
				}
				if err := f.visit(ctx, t, fn); err != nil {
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

func (f *Fleet) visit(ctx context.Context, t FleetTarget, fn errand) error {
	p, err := f.st.placement(ctx, t.Placement)
	if err != nil {
		return err
	}
	if t.Isolation == DatabaseIsolation {
		db := f.st.ownerDatabase(p, t.ID[len(t.Placement)+1:])
		defer func() { _ = db.Close() }() // what it did is committed
		return fn(p, t, db)
	}
	db, err := f.st.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	return fn(p, t, db)
}

// upgrade brings schema stratum up to date in all databases but the registry's, which Migrate does, and makes there
// what the tables of the model need beside themselves. A database where that fails fails as a target, too, and is
// reported there.
func (f *Fleet) upgrade(ctx context.Context, model shape.Model) error {
	extras := sync.OnceValues(func() (provision.Extras, error) { return f.st.Tenants.builder.readExtras(ctx) })
	failed, err := f.each(ctx, copiesAlone.kinds(), func(p Placement, _ FleetTarget, db *sql.DB) error {
		needed, err := extras()
		if err != nil {
			return err
		}
		return f.upgradeOne(ctx, p, db, upgrade{model: model, extras: needed})
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
	const query = `SELECT EXISTS (SELECT FROM stratum.ledger WHERE table_schema = '' AND source = 'extras'
		AND hash = $1)`
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
	return noteExtras(ctx, db, hash)
}

// noteExtras says what a database has beside its tables.
func noteExtras(ctx context.Context, db *sql.DB, hash string) error {
	const note = `INSERT INTO stratum.ledger (table_schema, source, hash, applied_at) VALUES ('', 'extras', $1, now())
		ON CONFLICT (table_schema, source) DO UPDATE SET hash = excluded.hash, applied_at = excluded.applied_at`
	if _, err := db.ExecContext(ctx, note, hash); err != nil {
		return fmt.Errorf("stratum: noting what the database has: %w", err)
	}
	return nil
}

// refreshAll brings the copies of some of the model's tables up to date everywhere.
func (f *Fleet) refreshAll(ctx context.Context, model, some shape.Model) error {
	if len(copied(some)) == 0 {
		return nil
	}
	b := f.st.Tenants.builder
	if err := b.watch(ctx, model); err != nil {
		return err
	}
	if err := b.announce(ctx); err != nil {
		return err
	}
	mixed := slices.ContainsFunc(some.Specs, func(s shape.Spec) bool { return s.Class == shape.Mixed })
	reach := copiesAlone
	if mixed {
		reach = butModel
	}
	failed, err := f.each(ctx, reach.kinds(), func(_ Placement, t FleetTarget, db *sql.DB) error {
		if t.Isolation == SchemaIsolation {
			d := f.st.mixedIn(t, some)
			return b.copy(ctx, db, d.Schemas, d.Tables)
		}
		return b.copy(ctx, db, nil, copied(some))
	})
	errs := []error{err}
	for target, err := range failed {
		errs = append(errs, fmt.Errorf("%s: %w", target, err))
	}
	return errors.Join(errs...)
}
