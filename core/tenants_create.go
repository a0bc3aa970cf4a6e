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
}

// Create adds an active tenant, behind its siblings, beneath an active parent. It returns
//
//   - ErrInvalidTenant, as an *InvalidError that names the field;
//   - ErrTenantNotFound when there is no such parent;
//   - ErrTenantState, as a *StateError, when the parent is not active;
//   - ErrDepth when the parent is on level 20;
//   - ErrTenantExists, as an *ExistsError that names the field, when the id, slug or external id is taken;
//   - ErrForbidden when a tenant's ctx asks for a root.
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
	if err != nil {
		return Tenant{}, err
	}
	return created[0], nil
}

// CreateBatch adds all the tenants or none, and returns them in the order given. A parent may be one of the batch,
// named by its explicit ID or by ParentSlug, if it comes before its children; ParentSlug looks in the batch first. The
// number of statements does not grow with the batch: 5,000 tenants take a fraction of a second. Other changes of the
// tree wait meanwhile.
//
// Errors are those of Create, in a *BatchError with the index of the first element at fault. Fields of all elements
// are checked before the database is asked.
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
	return created, nil
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
	labels, err := s.newLabels(ctx, len(batch.tenants))
	if err != nil {
		return nil, err
	}
	spots, err := batch.place(elsewhere, used, labels, s.caller)
	if err != nil {
		return nil, err
	}
	return s.insert(ctx, batch, spots)
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
func (s session) insert(ctx context.Context, b *batch, spots []spot) ([]Tenant, error) {
	const statement = `
		INSERT INTO stratum.tenants (id, label, path, parent_id, slug, external_id, name, metadata)
		SELECT n.id, n.label, n.path::ltree, nullif(n.parent_id, $9), n.slug, nullif(n.external_id, ''), n.name,
			n.metadata::jsonb
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[])
			AS n (id, label, path, parent_id, slug, external_id, name, metadata)`
	r := b.rows(spots)
	created, err := s.change(ctx, statement,
		r.ids, r.labels, r.paths, r.parents, r.slugs, r.externalIDs, r.names, r.metadata, uuid.Nil)
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
