package core

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// FleetTarget is one place with the application's tables.
type FleetTarget struct {
	// ID names it: the placement, and behind a stroke "shared", the name of a schema, or that of a database.
	ID string
	// Placement is where it is.
	Placement string
	// Isolation says what it is: SharedIsolation for the shared tables.
	Isolation Isolation
	// Label is that of the tenant, or of the spare; empty for shared tables.
	Label string
	// Spare is set where no tenant has it yet.
	Spare bool
}

// Targets lists what Migrate works on, page by page: the shared tables of each placement first, then the schemas and
// databases of tenants and spares. An error ends it.
func (f *Fleet) Targets(ctx context.Context) iter.Seq2[FleetTarget, error] {
	return func(yield func(FleetTarget, error) bool) {
		if err := f.st.Placements.checkCaller(ctx); err != nil {
			yield(FleetTarget{}, err)
			return
		}
		for t, err := range f.list(ctx) {
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// targetPage is how many targets are read at once.
const targetPage = 500

// list reads the registry page by page: a fleet may be large.
func (f *Fleet) list(ctx context.Context) iter.Seq2[FleetTarget, error] {
	return f.listOf(ctx, SchemaIsolation, DatabaseIsolation)
}

// listOf is list for the shared tables and places of some kinds alone.
func (f *Fleet) listOf(ctx context.Context, kinds ...Isolation) iter.Seq2[FleetTarget, error] {
	return func(yield func(FleetTarget, error) bool) {
		placements, err := f.st.Placements.list(ctx, `ORDER BY p.name <> 'home', p.name`)
		if err != nil {
			yield(FleetTarget{}, err)
			return
		}
		for _, p := range placements {
			if !yield(FleetTarget{ID: p.Name + "/shared", Placement: p.Name, Isolation: SharedIsolation}, nil) {
				return
			}
		}
		for after := (FleetTarget{}); ; {
			page, err := f.page(ctx, after, kinds)
			if err != nil {
				yield(FleetTarget{}, err)
				return
			}
			for _, t := range page {
				if !yield(t, nil) {
					return
				}
			}
			if len(page) < targetPage {
				return
			}
			after = page[len(page)-1]
		}
	}
}

// page returns the schemas and databases behind one: those of a database next to each other.
func (f *Fleet) page(ctx context.Context, after FleetTarget, kinds []Isolation) (page []FleetTarget, err error) {
	const query = `SELECT placement, isolation, label, spare FROM (
			SELECT placement, isolation, label, false AS spare FROM stratum.tenants
				WHERE isolation <> 'shared' AND status <> 'provisioning'
			UNION ALL SELECT placement, isolation, label, true FROM stratum.spares WHERE ready) t
		WHERE isolation = ANY($5) AND (placement, isolation, label) > ($1, $2, $3)
		ORDER BY placement, isolation, label LIMIT $4`
	registry, err := f.st.registry.get(ctx, f.st)
	if err != nil {
		return nil, err
	}
	err = f.st.registryTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, after.Placement, string(after.Isolation), after.Label, targetPage, kinds)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t FleetTarget, err error) {
			err = row.Scan(&t.Placement, &t.Isolation, &t.Label, &t.Spare)
			name := location{isolation: t.Isolation, label: t.Label}.schema()
			if t.Isolation == DatabaseIsolation {
				name = f.st.databaseName(registry, t.Label)
			}
			t.ID = t.Placement + "/" + name
			return t, err
		})
		return err
	})
	return page, statementError(ctx, err)
}

// reach says which targets a source concerns.
type reach uint8

const (
	everywhere  reach = iota
	modelAlone        // the shared tables of the registry's database
	butModel          // all but the shared tables of the registry's database, which are the model
	copiesAlone       // the databases that have copies of global tables
)

// kinds are those of the places that a source concerns beside shared tables.
func (r reach) kinds() []Isolation {
	switch r {
	case modelAlone:
		return nil
	case copiesAlone:
		return []Isolation{DatabaseIsolation}
	case everywhere, butModel:
	}
	return []Isolation{SchemaIsolation, DatabaseIsolation}
}

// targets are the targets for the runner.
func (f *Fleet) targets(ctx context.Context, reach reach) iter.Seq2[fleet.Target, error] {
	return func(yield func(fleet.Target, error) bool) {
		schema, err := f.baseSchema()
		if err != nil {
			yield(fleet.Target{}, err)
			return
		}
		for t, err := range f.listOf(ctx, reach.kinds()...) {
			isModel := t.Placement == homePlacement && t.Isolation == SharedIsolation
			if err == nil && isModel == (reach == butModel || reach == copiesAlone) && reach != everywhere {
				continue
			}
			if !yield(f.target(t, schema), err) || err != nil {
				return
			}
		}
	}
}

// errNoSchema refuses a search_path in which nothing could be made.
var errNoSchema = errors.New("stratum: the search_path names no schema for the application's tables (set " +
	"core.Options.SearchPath)")

// baseSchema is the schema of the shared tables: the first of the search_path.
func (f *Fleet) baseSchema() (string, error) {
	for _, entry := range sqltext.SplitPath(withoutTemp(f.st.searchPath)) {
		return sqltext.PathName(entry), nil
	}
	return "", errNoSchema
}

// target is a target for the runner.
func (f *Fleet) target(t FleetTarget, base string) fleet.Target {
	s := f.st
	found := fleet.Target{ID: t.ID, Server: t.Placement, Schema: base, SearchPath: s.searchPath}
	database := ""
	switch t.Isolation {
	case SchemaIsolation:
		found.Kind = fleet.KindSchema
		found.Schema = location{isolation: t.Isolation, label: t.Label}.schema()
		found.SearchPath = found.Schema + ", " + s.searchPath
	case DatabaseIsolation:
		found.Kind = fleet.KindDatabase
		database = t.ID[len(t.Placement)+1:]
	case SharedIsolation:
	}
	found.Database = fleet.Database{
		Name: t.Placement + "/" + database,
		Config: func(ctx context.Context) (*pgx.ConnConfig, error) {
			p, err := s.placement(ctx, t.Placement)
			if err != nil {
				return nil, err
			}
			return s.ownerConfig(ctx, p, database)
		},
	}
	return found
}

// firstTenant is the target of an ID, or the first schema or database of a tenant.
func (f *Fleet) firstTenant(ctx context.Context, id string) (target fleet.Target, found bool, err error) {
	base, err := f.baseSchema()
	if err != nil {
		return target, false, err
	}
	for t, err := range f.list(ctx) {
		if err != nil {
			return target, false, err
		}
		if t.ID != id && (id != "" || t.Isolation == SharedIsolation) {
			continue
		}
		if t.Placement == homePlacement && t.Isolation == SharedIsolation {
			return target, false, nil // the model itself: it has no rehearsal but its own
		}
		if target = f.target(t, base); id != "" || f.there(ctx, target) {
			return target, true, nil
		}
	}
	if id != "" {
		return target, false, fmt.Errorf("%w: %q", ErrNoTarget, id)
	}
	return target, false, nil
}

// there reports whether the schema or the database of a tenant can be reached and is there. The first one that is not
// would stop the migration of all others as their canary.
func (f *Fleet) there(ctx context.Context, t fleet.Target) (there bool) {
	p, err := f.st.placement(ctx, t.Server)
	if err != nil {
		return false
	}
	owner, err := f.st.ownerOf(ctx, p)
	if err != nil {
		return false
	}
	const query = `SELECT CASE WHEN $1 = '' THEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $2)
		ELSE EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datallowconn) END`
	database := strings.TrimPrefix(t.Database.Name, t.Server+"/")
	err = owner.QueryRowContext(ctx, query, database, t.Schema).Scan(&there)
	return err == nil && there
}

// ErrNoTarget is returned for a canary that is none of Fleet.Targets.
var ErrNoTarget = errors.New("stratum: no such target (Fleet.Targets lists them)")
