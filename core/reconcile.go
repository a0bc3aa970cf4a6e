package core

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/provision"
)

// ErrUntold is returned where a tenant's status has changed in the registry, and the database that the tenant lives in
// could not be told.
var ErrUntold = errors.New("stratum: the status is changed in the registry, but the tenant's database was not " +
	"reached and still goes by the old one (run Tenants.Reconcile when it is back)")

// untold are tenants that a satellite believes to have another status than they have.
const untold = `SELECT id, isolation, placement, label, status, updated_at FROM stratum.tenants
	WHERE (isolation = 'database' OR placement <> 'home') AND status <> 'provisioning'
		AND told_status IS DISTINCT FROM status `

// tell brings the statuses of tenants to the satellites that they live in.
func (b *builder) tell(ctx context.Context, condition string, args ...any) error {
	var residents []provision.Resident
	err := b.st.registryTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, untold+condition, args...)
		if err != nil {
			return err
		}
		residents, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r provision.Resident, err error) {
			err = row.Scan(&r.ID, &r.Isolation, &r.Placement, &r.Label, &r.Status, &r.ChangedAt)
			return r, err
		})
		return err
	})
	if err != nil {
		return statementError(ctx, err)
	}
	var errs []error
	for _, r := range residents {
		if err := b.tellOne(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrUntold, err))
		}
	}
	return errors.Join(errs...)
}

// tellOne tells one satellite of one tenant, and then writes down that it knows: unless the tenant has been changed
// meanwhile, for then somebody else has more recent news, and may have told them already.
func (b *builder) tellOne(ctx context.Context, r provision.Resident) error {
	label := ""
	if Isolation(r.Isolation) == DatabaseIsolation {
		label = r.Label
	}
	database, err := b.st.databases.get(ctx, r.Placement, label)
	if err != nil {
		return err
	}
	err = b.st.systemTx(ctx, database.System, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, provision.ResidentSQL, r.Args()...)
		return err
	})
	if err != nil {
		return statementError(ctx, err)
	}
	return statementError(ctx, b.st.registryTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE stratum.tenants SET told_status = $2
			WHERE id = $1 AND status = $2 AND updated_at = $3`, r.ID, r.Status, r.ChangedAt)
		return err
	}))
}

// ReconcileOptions say what Reconcile does.
type ReconcileOptions struct {
	// Remove takes back tenants that are provisioning instead of finishing them: what was made of their place is
	// dropped, and they are listed no more. Defaults to false.
	Remove bool
	// Tenants are the tenants to look at. Defaults to all.
	Tenants []uuid.UUID
	// OlderThan leaves alone what was begun less than this ago, and may still be at work elsewhere. Defaults to 0.
	OlderThan time.Duration
}

// ReconcileReport says what Reconcile has done.
type ReconcileReport struct {
	// Finished are the tenants that have become active, and Removed those that were taken back.
	Finished, Removed []uuid.UUID
	// Failed are those that are still provisioning, with the reason.
	Failed []TenantFailure
}

// Reconcile finishes what a crash or an error has left half done: tenants that are provisioning become active or are
// taken back, spares are finished, and satellites that were out of reach are told of changed statuses. It may run in
// many programs at once, and at each start of one.
//
// Failures of single tenants are in the report; the error is that of the first of them, or of the registry.
func (t *Tenants) Reconcile(ctx context.Context, options ReconcileOptions) (ReconcileReport, error) {
	const op = "reconcile"
	sc, err := scopeOf(ctx)
	if err != nil {
		return ReconcileReport{}, operationError(op, err)
	}
	if sc.Tenant != uuid.Nil {
		return ReconcileReport{}, operationError(op, ErrForbiddenPlacement)
	}
	var report ReconcileReport
	waiting, err := t.provisioning(ctx, options)
	if err != nil {
		return report, operationError(op, err)
	}
	var errs []error
	if options.Remove {
		slices.Reverse(waiting) // nobody can go while somebody is beneath
	}
	for _, tenant := range waiting {
		if err := t.reconcile(ctx, tenant, options, &report); err != nil {
			report.Failed = append(report.Failed, TenantFailure{Tenant: tenant.ID, Err: err})
			errs = append(errs, &ProvisionError{Tenant: tenant.ID, Err: err})
		}
	}
	errs = append(errs, t.builder.tell(ctx, ""), t.builder.finishSpares(ctx, ""))
	return report, operationError(op, errors.Join(errs...))
}

// provisioning lists the tenants that are, parents first.
func (t *Tenants) provisioning(ctx context.Context, options ReconcileOptions) (found []Tenant, err error) {
	ids := options.Tenants
	if ids == nil {
		ids = []uuid.UUID{}
	}
	err = t.do(ctx, "list tenants", readOnly, func(s session) (err error) {
		found, err = s.find(ctx, `WHERE status = 'provisioning' AND (cardinality($1::uuid[]) = 0 OR id = ANY($1))
			AND created_at <= clock_timestamp() - make_interval(secs => $2) ORDER BY nlevel(path), id`,
			ids, options.OlderThan.Seconds())
		return err
	})
	return found, err
}

func (t *Tenants) reconcile(
	ctx context.Context, tenant Tenant, options ReconcileOptions, report *ReconcileReport,
) error {
	if options.Remove {
		removed, err := t.builder.remove(ctx, tenant)
		if removed {
			report.Removed = append(report.Removed, tenant.ID)
		}
		return err
	}
	err := t.builder.build(ctx, tenant)
	if errors.Is(err, ErrTenantNotFound) {
		return nil // somebody else has taken it back meanwhile
	}
	if err != nil {
		return err
	}
	report.Finished = append(report.Finished, tenant.ID)
	return nil
}

// remove takes back a tenant that has never been active, and reports whether it was there to be taken back. The place
// goes first: a crash in between leaves the tenant listed, and the next call goes on.
func (b *builder) remove(ctx context.Context, t Tenant) (removed bool, err error) {
	l := location{isolation: t.Isolation, placement: t.Placement, label: t.Label.String()}
	err = b.exclusively(ctx, []string{l.label}, func() error {
		status, err := b.st.statusOf(ctx, t.ID)
		if errors.Is(err, ErrTenantNotFound) {
			return nil // somebody else was first
		}
		if err != nil || status != StatusProvisioning {
			return err
		}
		if err := b.unmake(ctx, l, t.ID); err != nil {
			return err
		}
		removed, err = b.unlist(ctx, t.ID)
		return err
	})
	return removed, err
}

// unlist takes a tenant that is provisioning off the list.
func (b *builder) unlist(ctx context.Context, id uuid.UUID) (removed bool, err error) {
	err = b.st.registryTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM stratum.tenants WHERE id = $1 AND status = 'provisioning'`, id)
		removed = tag.RowsAffected() > 0
		if hasCode(err, codeForeignKey) {
			return ErrHasChildren
		}
		return err
	})
	return removed && err == nil, statementError(ctx, err)
}

// unmake drops the place of a tenant, or of a spare.
func (b *builder) unmake(ctx context.Context, l location, id uuid.UUID) error {
	if l.home() {
		return nil
	}
	p, err := b.st.placement(ctx, l.placement)
	if err != nil {
		return err
	}
	db, err := b.st.ownerOf(ctx, p)
	if err != nil {
		return err
	}
	if l.isolation == DatabaseIsolation {
		registry, err := b.st.registry.get(ctx, b.st)
		if err != nil {
			return err
		}
		if err := b.st.databases.drop(l.placement, l.label); err != nil {
			return err
		}
		return provision.DropDatabase(ctx, db, b.st.databaseName(registry, l.label))
	}
	return inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		if err := lockLabel(ctx, tx, l.label); err != nil {
			return err
		}
		if l.isolation == SchemaIsolation {
			schema := provision.Schema{Name: l.schema(), Label: l.label, Roles: b.st.roles}
			if err := schema.Drop(ctx, tx); err != nil {
				return err
			}
		}
		if p.Name == homePlacement || id == uuid.Nil {
			return nil
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM stratum.tenants WHERE id = $1`, id.String())
		return err
	})
}
