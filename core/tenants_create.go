package core

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/ltree"
)

// NewTenant is what Create makes a tenant of.
type NewTenant struct {
	// ID is the tenant's id; give one only to keep an id from elsewhere. Defaults to a new UUID of version 7.
	ID uuid.UUID
	// Parent is the tenant above. Defaults to none: the new tenant is a root.
	Parent uuid.UUID
	// ParentSlug names the tenant above by its slug, instead of Parent.
	ParentSlug string
	// Slug is required: a lower-case letter, then at most 62 lower-case letters, digits, "_" and "-".
	Slug string
	// Name is required and has at most MaxNameLength characters.
	Name string
	// ExternalID has at most MaxExternalIDLength characters. Defaults to none.
	ExternalID string
	// Metadata has at most MaxMetadataSize bytes as JSON. Defaults to an empty object.
	Metadata map[string]any
	// Isolation says how far the tenant's rows are kept apart from those of others. Defaults to the parent's, and for a
	// root to SharedIsolation.
	Isolation Isolation
	// Placement is where the data goes. Defaults to the parent's placement, and for a root to home; if that has no
	// capacity left or does not meet the residency, to the emptiest that has and does.
	Placement string
	// Residency is where the data of the tenant, and of all beneath it, may be. Defaults to wherever those above it
	// may.
	Residency Residency
}

// Create adds an active tenant, behind its siblings, beneath an active parent. A schema or a database of its own is
// made before it returns, with all the tables, and is looked at; until then the tenant is provisioning. If the program
// ends meanwhile, or the error is a *ProvisionError, the same call goes on with it, and so does Reconcile. It returns
//
//   - ErrInvalidTenant, as an *InvalidError that names the field;
//   - ErrTenantNotFound when there is no such parent;
//   - ErrTenantState, as a *StateError, when the parent is not active;
//   - ErrDepth when the parent is on level 20;
//   - ErrTenantExists, as an *ExistsError that names the field, when the id, slug or external id is taken;
//   - ErrForbidden when a tenant's ctx asks for a root;
//   - ErrResidency, ErrPlacementNotFound or ErrPlacementFull when there is no place for the data.
func (t *Tenants) Create(ctx context.Context, tenant NewTenant) (Tenant, error) {
	const op = "create tenant"
	batch, err := newBatch([]NewTenant{tenant})
	if err != nil {
		return Tenant{}, operationError(op, withoutIndex(err))
	}
	var created []Tenant
	err = t.do(ctx, op, treeShared, func(s session) (err error) {
		created, err = s.create(ctx, batch, newKeySet()) // the INSERT finds out which key is taken
		return withoutIndex(err)
	})
	if errors.Is(err, ErrTenantExists) {
		return t.resume(ctx, op, tenant, err)
	}
	if err != nil {
		return Tenant{}, err
	}
	made, err := t.finish(ctx, created[0])
	return made, operationError(op, err)
}

// resume goes on with a tenant that an earlier call has left provisioning.
func (t *Tenants) resume(ctx context.Context, op string, n NewTenant, exists error) (Tenant, error) {
	found, err := t.BySlug(ctx, n.Slug)
	if err != nil || found.Status != StatusProvisioning || !found.isMadeOf(n) {
		return Tenant{}, exists
	}
	if n.ParentSlug != "" {
		parent, err := t.BySlug(ctx, n.ParentSlug)
		if err != nil || parent.ID != found.ParentID {
			return Tenant{}, exists
		}
	}
	made, err := t.finish(ctx, found)
	return made, operationError(op, err)
}

// isMadeOf reports whether the tenant can be what an earlier call has made of n. What n leaves to defaults may be
// anything.
func (t Tenant) isMadeOf(n NewTenant) bool {
	return t.Name == n.Name && t.ExternalID == n.ExternalID && (n.ID == uuid.Nil || n.ID == t.ID) &&
		(n.ParentSlug != "" || n.Parent == t.ParentID) && (n.Isolation == "" || n.Isolation == t.Isolation) &&
		(n.Placement == "" || n.Placement == t.Placement)
}

// finish makes what a new tenant still lacks.
func (t *Tenants) finish(ctx context.Context, tenant Tenant) (Tenant, error) {
	if tenant.Status != StatusProvisioning {
		return tenant, nil
	}
	if err := t.builder.build(ctx, tenant); err != nil {
		return tenant, &ProvisionError{Tenant: tenant.ID, Err: err}
	}
	return t.Get(ctx, tenant.ID)
}

// CreateBatch adds all the tenants or none, and returns them in the order given. A parent may be one of the batch,
// named by its explicit ID or by ParentSlug, if it comes before its children; ParentSlug looks in the batch first. The
// number of statements does not grow with the batch: 5,000 tenants take a fraction of a second. Other changes of the
// tree wait meanwhile.
//
// Errors are those of Create, in a *BatchError with the index of the first element at fault. Fields of all elements
// are checked before the database is asked. Schemas and databases are made afterwards, two at a time; after a
// *ProvisionError the tenants are returned all the same, some of them provisioning, for Reconcile to go on with.
func (t *Tenants) CreateBatch(ctx context.Context, tenants []NewTenant) ([]Tenant, error) {
	const op = "create tenants"
	batch, err := newBatch(tenants)
	if err != nil {
		return nil, operationError(op, err)
	}
	var created []Tenant
	err = t.do(ctx, op, treeExclusive, func(s session) error {
		used, err := s.usedKeys(ctx, batch)
		if err != nil {
			return err
		}
		created, err = s.create(ctx, batch, used)
		return err
	})
	if err != nil {
		return nil, err
	}
	created, err = t.finishAll(ctx, created)
	return created, operationError(op, err)
}

// finishAll makes what the tenants of a batch still lack. Its error is that of the first that could not be made.
func (t *Tenants) finishAll(ctx context.Context, created []Tenant) ([]Tenant, error) {
	failed := t.builder.buildAll(ctx, created)
	if err := t.readAgain(ctx, created); err != nil {
		return created, err
	}
	for i := range created {
		if err := failed[i]; err != nil {
			err = &ProvisionError{Tenant: created[i].ID, Err: err}
			return created, &BatchError{Index: i, Slug: created[i].Slug, Err: err}
		}
	}
	return created, nil
}

// readAgain reads those that were provisioning.
func (t *Tenants) readAgain(ctx context.Context, created []Tenant) error {
	index := make(map[uuid.UUID]int)
	var ids []uuid.UUID
	for i, tenant := range created {
		if tenant.Status == StatusProvisioning {
			index[tenant.ID] = i
			ids = append(ids, tenant.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return t.do(ctx, "read tenants", readOnly, func(s session) error {
		found, err := s.find(ctx, `WHERE id = ANY($1)`, ids)
		for _, tenant := range found {
			created[index[tenant.ID]] = tenant
		}
		return err
	})
}

// withoutIndex returns the cause of a *BatchError, where there is no batch for the index to point into.
func withoutIndex(err error) error {
	var element *BatchError
	if errors.As(err, &element) {
		return element.Err
	}
	return err
}

// create inserts the batch unless one of its keys is in used. The tree's lock must be held.
func (s session) create(ctx context.Context, batch *batch, used keySet) ([]Tenant, error) {
	if len(batch.tenants) == 0 {
		return []Tenant{}, nil
	}
	elsewhere, err := s.lockParents(ctx, batch)
	if err != nil {
		return nil, err
	}
	rooms, err := s.lodge(ctx, batch, elsewhere)
	if err != nil {
		return nil, err
	}
	labels, err := s.newLabels(ctx, len(batch.tenants))
	if err != nil {
		return nil, err
	}
	rooms.takeSpares(labels)
	spots, err := batch.place(elsewhere, used, labels, s.caller)
	if err != nil {
		return nil, err
	}
	return s.insert(ctx, batch, spots, rooms)
}

// lockParents returns the parents that are not in the batch and keeps them as they are. Others may do the same.
func (s session) lockParents(ctx context.Context, batch *batch) ([]Tenant, error) {
	ids, slugs := batch.parentsElsewhere()
	if len(ids)+len(slugs) == 0 {
		return nil, nil
	}
	return s.find(ctx, `WHERE id = ANY($1) OR slug = ANY($2) ORDER BY id FOR SHARE`, ids, slugs)
}

// newLabels takes n labels that no tenant has had. They are made before the rows, because a child's path holds them.
func (s session) newLabels(ctx context.Context, n int) ([]ltree.Label, error) {
	const query = `SELECT array_agg(stratum.base36(nextval('stratum.tenant_number'))) FROM generate_series(1, $1)`
	var names []string
	if err := s.tx.QueryRow(ctx, query, n).Scan(&names); err != nil {
		return nil, err
	}
	labels := make([]ltree.Label, 0, n)
	for _, name := range names {
		label, err := ltree.ParseLabel(name)
		if err != nil {
			return nil, err
		}
		labels = append(labels, label)
	}
	return labels, nil
}

// insert adds the rows in the order of the batch, parents first, as the trigger on the table needs it.
func (s session) insert(ctx context.Context, b *batch, spots []spot, rooms lodgings) ([]Tenant, error) {
	const statement = `
		INSERT INTO stratum.tenants (id, label, path, parent_id, slug, external_id, name, metadata, isolation,
			placement,
			residency, status)
		SELECT n.id, n.label, n.path::ltree, nullif(n.parent_id, $9), n.slug, nullif(n.external_id, ''), n.name,
			n.metadata::jsonb, n.isolation, n.placement, n.residency::jsonb, n.status
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
			$10::text[], $11::text[], $12::text[], $13::text[])
			AS n (id, label, path, parent_id, slug, external_id, name, metadata, isolation, placement, residency,
				status)`
	r := b.rows(spots)
	created, err := s.change(ctx, statement,
		r.ids, r.labels, r.paths, r.parents, r.slugs, r.externalIDs, r.names, r.metadata, uuid.Nil,
		rooms.isolations(), rooms.placements(), rooms.residencies(), rooms.statuses())
	if err != nil {
		return nil, err
	}
	// RETURNING promises no order.
	slices.SortFunc(created, func(a, z Tenant) int { return b.index[a.ID] - b.index[z.ID] })
	return created, nil
}

// usedKeys returns the keys of the batch that are taken, because the error of an INSERT of many rows would not say by
// whose. Under the exclusive lock of the tree the answer holds until then.
func (s session) usedKeys(ctx context.Context, batch *batch) (keySet, error) {
	const query = `
		SELECT id, slug, coalesce(external_id, '') FROM stratum.tenants
		WHERE id = ANY($1) OR slug = ANY($2) OR external_id = ANY($3)`
	used := newKeySet()
	r := batch.rows(nil)
	result, err := s.tx.Query(ctx, query, r.ids, r.slugs, r.externalIDs)
	if err != nil {
		return used, err
	}
	var id uuid.UUID
	var slug, externalID string
	_, err = pgx.ForEachRow(result, []any{&id, &slug, &externalID}, func() error {
		used.add(id, slug, externalID)
		return nil
	})
	return used, err
}
