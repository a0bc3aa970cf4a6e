package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/copies"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// ProvisionError is returned for a tenant that has been listed and whose schema or database could not be made. The
// tenant stays provisioning: nobody reaches it.
type ProvisionError struct {
	// Tenant is the tenant's id.
	Tenant uuid.UUID
	// Err is the reason.
	Err error
}

// Error says what to do.
func (e *ProvisionError) Error() string {
	return fmt.Sprintf("stratum: the tenant's place could not be made: %v (call Create again, or Tenants.Reconcile, "+
		"which can also take it back)", e.Err)
}

// Unwrap returns the reason.
func (e *ProvisionError) Unwrap() error { return e.Err }

// builder makes what tenants have of their own, and takes it away.
type builder struct {
	st    *Stratum
	slots chan struct{} // one for each place that is being worked on
}

// build makes the place of a tenant that is provisioning, or what is missing of it, and makes the tenant active. One
// that is no longer provisioning is left as it is: somebody else was first.
func (b *builder) build(ctx context.Context, t Tenant) error {
	l := location{isolation: t.Isolation, placement: t.Placement, label: t.Label.String()}
	if l.home() {
		return b.st.activate(ctx, t.ID, l)
	}
	return b.exclusively(ctx, []string{l.label}, func() error {
		status, err := b.st.statusOf(ctx, t.ID)
		if err != nil || status != StatusProvisioning {
			return err
		}
		if err := b.make(ctx, b.resident(t.ID, l, StatusActive)); err != nil {
			return err
		}
		return b.st.activate(ctx, t.ID, l)
	})
}

// resident is what the database in which a place is made is told of its tenant. A spare has no tenant yet.
func (b *builder) resident(id uuid.UUID, l location, status Status) provision.Resident {
	r := provision.Resident{
		ID: id, Label: l.label, Isolation: string(l.isolation), Placement: l.placement, Status: string(status),
	}
	if status == StatusActive {
		r.ChangedAt = time.Unix(0, 0) // whatever else the satellite has been told of a new tenant is more recent
	}
	return r
}

// make makes the place of a tenant, or of a spare.
func (b *builder) make(ctx context.Context, resident provision.Resident) error {
	l := location{
		isolation: Isolation(resident.Isolation), placement: resident.Placement, label: resident.Label,
	}
	if err := b.st.checkLodging(l); err != nil {
		return err
	}
	p, err := b.st.placement(ctx, l.placement)
	if err != nil {
		return err
	}
	if l.isolation == DatabaseIsolation {
		return b.makeDatabase(ctx, p, resident)
	}
	return b.makeInShared(ctx, p, l, resident)
}

// makeInShared makes a place in a placement's own database: a schema, or nothing but a line in its list of tenants.
func (b *builder) makeInShared(ctx context.Context, p Placement, l location, resident provision.Resident) error {
	var blueprint provision.Blueprint
	if l.isolation == SchemaIsolation {
		var err error
		if blueprint, err = b.blueprint(ctx); err != nil {
			return err
		}
	}
	db, err := b.st.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		if err := lockLabel(ctx, tx, l.label); err != nil {
			return err
		}
		if l.isolation == SchemaIsolation {
			schema := provision.Schema{Name: l.schema(), Label: l.label, Roles: b.st.roles}
			if err := schema.Make(ctx, tx, blueprint); err != nil {
				return err
			}
		}
		if p.Name == homePlacement || resident.ID == uuid.Nil {
			return nil
		}
		return resident.Save(ctx, tx)
	})
	if err != nil || l.isolation != SchemaIsolation {
		return err
	}
	return b.refreshSchema(ctx, db, l.label, blueprint.Model)
}

// makeDatabase copies the template of the placement's server.
func (b *builder) makeDatabase(ctx context.Context, p Placement, resident provision.Resident) error {
	registry, err := b.st.registry.get(ctx, b.st)
	if err != nil {
		return err
	}
	blueprint, err := b.blueprint(ctx)
	if err != nil {
		return err
	}
	template, err := b.template(ctx, p, blueprint.Model)
	if err != nil {
		return err
	}
	owner, err := b.st.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	name := b.st.databaseName(registry, resident.Label)
	made, err := provision.Create(ctx, owner, name, template)
	if err != nil {
		return err
	}
	db := b.st.ownerDatabase(p, name)
	defer func() { _ = db.Close() }() // what it did is committed
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		if err := lockLabel(ctx, tx, resident.Label); err != nil {
			return err
		}
		satellite := provision.Satellite{
			Site:  provision.Site{Registry: registry, Placement: p.Name, Label: resident.Label},
			Roles: b.st.roles, Number: provision.Number(resident.Label),
		}
		work := satellite.Make // what somebody else has left may be anything
		if made {
			work = satellite.Take
		}
		if err := b.fill(ctx, tx, blueprint, work); err != nil {
			return err
		}
		if resident.ID == uuid.Nil {
			return nil
		}
		return resident.Save(ctx, tx)
	})
	if err != nil {
		return err
	}
	return b.refresh(ctx, db, blueprint.Model)
}

// fill makes the tables of a database, and notes what they are.
func (b *builder) fill(
	ctx context.Context, tx *sql.Tx, blueprint provision.Blueprint,
	work func(context.Context, *sql.Tx, shape.Model) error,
) error {
	schema, err := b.st.Fleet.baseSchema()
	if err != nil {
		return err
	}
	if err := work(ctx, tx, blueprint.Model); err != nil {
		return err
	}
	return blueprint.Note(ctx, tx, schema)
}

// model reads the shared tables that everything is made from.
func (b *builder) model(ctx context.Context) (model shape.Model, err error) {
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return model, err
	}
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		model, err = provision.ReadModel(ctx, tx)
		return err
	})
	return model, err
}

// activate makes a tenant active whose place has been made. One that somebody else has made active meanwhile is fine.
func (s *Stratum) activate(ctx context.Context, id uuid.UUID, l location) error {
	const statement = `UPDATE stratum.tenants SET status = 'active', told_status = $2, updated_at = clock_timestamp()
		WHERE id = $1 AND status = 'provisioning'`
	var told *string
	if l.satellite() {
		status := string(StatusActive)
		told = &status
	}
	err := s.registryTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, statement, id, told); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, copies.NotifyTargets)
		return err
	})
	if err == nil {
		s.cached.catchUp(ctx)
	}
	return statementError(ctx, err)
}

// placement is a placement by its name. That of the registry's database is known without a look.
func (s *Stratum) placement(ctx context.Context, name string) (Placement, error) {
	if name == homePlacement {
		return Placement{Name: homePlacement, State: PlacementActive}, nil
	}
	return s.Placements.find(ctx, name)
}

// prepareSatellite makes a database fit for tenants: schema stratum, and the tables of the model where there is one.
// One that is inhabited must have been made fit before.
func (s *Stratum) prepareSatellite(ctx context.Context, p Placement, inhabited bool) error {
	registry, err := s.registry.get(ctx, s)
	if err != nil {
		return err
	}
	db, err := s.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	site := provision.Site{Registry: registry, Placement: p.Name, Shared: true}
	if inhabited {
		if err := checkSettled(ctx, db, site); err != nil {
			return err
		}
	}
	if err := s.installAt(ctx, p, db); err != nil {
		return err
	}
	var number int64
	err = s.registryTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT key_range FROM stratum.placements WHERE name = $1`, p.Name).Scan(&number)
	})
	if err != nil {
		return statementError(ctx, err)
	}
	return s.Tenants.builder.furnish(ctx, p, db, provision.Satellite{Site: site, Roles: s.roles, Number: number})
}

// furnish makes the tables of a placement's own database. While there is no model, it settles what the database is.
func (b *builder) furnish(ctx context.Context, p Placement, db *sql.DB, satellite provision.Satellite) error {
	blueprint, err := b.blueprint(ctx)
	if errors.Is(err, provision.ErrNoModel) {
		return inOwnerTx(ctx, db, func(tx *sql.Tx) error { return satellite.Site.Settle(ctx, tx) })
	}
	if err != nil {
		return err
	}
	if err := b.extras(ctx, db, blueprint.Model); err != nil {
		return err
	}
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error { return b.fill(ctx, tx, blueprint, satellite.Make) })
	if err != nil {
		return err
	}
	return b.refresh(ctx, db, blueprint.Model)
}

// installAt installs schema stratum, or brings it up to date.
func (s *Stratum) installAt(ctx context.Context, p Placement, db *sql.DB) error {
	options := s.installOptions(db)
	if p.Name != homePlacement {
		for _, l := range []struct {
			login     *string
			reference string
		}{{&options.DataLogin, p.DSN}, {&options.SystemLogin, p.SystemDSN}} {
			config, err := s.config(ctx, credentials{reference: l.reference})
			if err != nil {
				return err
			}
			*l.login = config.ConnConfig.User
		}
	}
	if err := install.Migrate(ctx, options); err != nil {
		return err
	}
	if !s.options.Hardened {
		return nil
	}
	if _, err := db.ExecContext(ctx, requireSignature); err != nil {
		return fmt.Errorf("stratum: turning the hardened mode on: %w", err)
	}
	return nil
}

// extras makes what the tables need beside themselves.
func (b *builder) extras(ctx context.Context, db *sql.DB, model shape.Model) error {
	extras, err := b.readExtras(ctx)
	if err != nil {
		return err
	}
	return extras.Make(ctx, db, b.st.roles, schemasOf(model))
}

func (b *builder) readExtras(ctx context.Context) (extras provision.Extras, err error) {
	home, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return extras, err
	}
	err = inOwnerTx(ctx, home, func(tx *sql.Tx) error {
		extras, err = provision.ReadExtras(ctx, tx)
		return err
	})
	return extras, err
}

func schemasOf(model shape.Model) []string {
	var schemas []string
	for _, s := range model.Specs {
		if !strings.Contains("\x00"+strings.Join(schemas, "\x00")+"\x00", "\x00"+s.Schema+"\x00") {
			schemas = append(schemas, s.Schema)
		}
	}
	return schemas
}
