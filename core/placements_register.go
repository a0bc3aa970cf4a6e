package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/provision"
)

// Register makes a database a placement, or changes what is registered under its name, and returns it. The database is
// given schema stratum and the tables of the model, with the login of OwnerDSN, before it takes tenants; it must be
// empty of both, or this registry's already. Register may be called at each start of a program, and again after it
// has failed: a new placement is closed until then, and one that was registered before stays as it was.
//
// Other programs that have the placement in use go on with the references that they know until they start anew.
//
// It returns ErrInvalidTenant, as an *InvalidError, for what no placement can have; ErrPlacement where a reference
// leads nowhere, the database is another registry's, or it has not got the tenants of the placement; ErrResidency where
// tenants there need a region or a label that is taken away; and the errors of Open and Migrate for its logins.
func (p *Placements) Register(ctx context.Context, placement Placement) (Placement, error) {
	placement = placement.withDefaults()
	err := placement.validate()
	if err == nil && placement.Name != homePlacement {
		err = p.prepare(ctx, placement)
	}
	if err == nil {
		err = p.write(ctx, placement)
	}
	if err != nil {
		return Placement{}, operationError("register placement", err)
	}
	p.st.databases.forget(placement.Name)
	p.st.owners.forget(placement.Name)
	return p.Get(ctx, placement.Name)
}

// prepare makes a database fit for tenants before the list says that it is.
func (p *Placements) prepare(ctx context.Context, placement Placement) (err error) {
	if err := p.checkCaller(ctx); err != nil {
		return err
	}
	known, err := p.find(ctx, placement.Name)
	switch {
	case errors.Is(err, ErrPlacementNotFound): // its range of keys comes with the line
		closed := placement
		closed.State = PlacementClosed
		err = p.write(ctx, closed)
	case err == nil:
		err = p.do(ctx, func(tx pgx.Tx) error { return checkResidents(ctx, tx, placement) })
	}
	if err != nil {
		return err
	}
	p.st.owners.forget(placement.Name)
	defer p.st.owners.forget(placement.Name) // its references are in force when they are written down
	if err := p.st.prepareSatellite(ctx, placement, known.Tenants > 0); err != nil {
		if errors.Is(err, provision.ErrForeign) {
			return fmt.Errorf("%w: %w", ErrPlacement, err)
		}
		return err
	}
	return p.st.tryPlacement(ctx, placement)
}

// tryPlacement connects as tenants and as the system will, and looks that both references lead to the placement.
func (s *Stratum) tryPlacement(ctx context.Context, p Placement) error {
	registry, err := s.registry.get(ctx, s)
	if err != nil {
		return err
	}
	logins, err := s.probePlacement(ctx, p)
	if err != nil {
		return err
	}
	for _, o := range []poolOptions{
		{login: logins.data, reference: p.DSN}, {login: logins.system, reference: p.SystemDSN, system: true},
	} {
		check := &satelliteCheck{st: s, key: databaseKey{placement: p.Name}, registry: registry}
		pool, err := s.databases.pool(ctx, check, o)
		if err != nil {
			return err
		}
		if err := errors.Join(pool.Ping(ctx), pool.Close()); err != nil {
			return err
		}
	}
	return nil
}

// checkSettled refuses a database that has not got the tenants of a placement that is registered anew.
func checkSettled(ctx context.Context, db *sql.DB, site provision.Site) error {
	return inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		var installed bool
		const query = `SELECT pg_catalog.to_regclass('stratum.site') IS NOT NULL`
		if err := tx.QueryRowContext(ctx, query).Scan(&installed); err != nil {
			return fmt.Errorf("stratum: looking at the placement: %w", err)
		}
		if installed {
			found, err := provision.ReadSite(ctx, tx)
			if err != nil || found == site {
				return err
			}
		}
		return fmt.Errorf("%w: the database there has not got the tenants of the placement (check where the reference "+
			"of OwnerDSN leads)", ErrPlacement)
	})
}
