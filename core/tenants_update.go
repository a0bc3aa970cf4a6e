package core

import (
	"context"

	"github.com/google/uuid"
)

// TenantUpdate says what Update changes; what is nil stays.
type TenantUpdate struct {
	// Name is the new name. Defaults to the one there is.
	Name *string
	// ExternalID is the new external id; a pointer to "" takes the one there is away. Defaults to the one there is.
	ExternalID *string
	// Metadata replaces the metadata as a whole; an empty map empties it. Defaults to what there is.
	Metadata map[string]any
	// Residency is where the data of the tenant, and of all beneath it, may be from now on. All of it must be in such
	// places already. A pointer to the zero value takes the one there is away; those of ancestors stay. Defaults to
	// the one there is.
	Residency *Residency
}

// Update changes attributes of a tenant, whatever its status, and returns it as it is then. The tenant's slug is
// Rename's. It returns ErrTenantNotFound; ErrInvalidTenant, as an *InvalidError that names the field; ErrTenantExists,
// as an *ExistsError, when the external id is another tenant's; ErrResidency when data of the tenant, or of one beneath
// it, is where the new residency does not allow it.
func (t *Tenants) Update(ctx context.Context, id uuid.UUID, update TenantUpdate) (Tenant, error) {
	const op = "update tenant"
	metadata, err := update.validate()
	if err != nil {
		return Tenant{}, operationError(op, err)
	}
	const statement = `UPDATE stratum.tenants SET
			name = coalesce($2, name),
			external_id = CASE WHEN $3::text IS NULL THEN external_id ELSE nullif($3, '') END,
			metadata = coalesce($4::text::jsonb, metadata),
			residency = coalesce($5::text::jsonb, residency),
			updated_at = clock_timestamp()
		WHERE id = $1`
	var updated Tenant
	err = t.do(ctx, op, update.lock(), func(s session) (err error) {
		residency, err := s.newResidency(ctx, id, update.Residency)
		if err != nil {
			return err
		}
		updated, err = s.changeOne(ctx, statement, id, update.Name, update.ExternalID, metadata, residency)
		return err
	})
	return updated, err
}

// Rename gives a tenant, whatever its status, another slug, and returns it as it is then. Nothing but lookups by slug
// depends on it: names of schemas and databases come from the label. The old slug is free at once. It returns
// ErrTenantNotFound; ErrInvalidTenant for what is no slug; ErrTenantExists, as an *ExistsError, when it is taken.
func (t *Tenants) Rename(ctx context.Context, id uuid.UUID, slug string) (Tenant, error) {
	const op = "rename tenant"
	if err := checkSlug(slug); err != nil {
		return Tenant{}, operationError(op, err)
	}
	const statement = `UPDATE stratum.tenants SET slug = $2, updated_at = clock_timestamp() WHERE id = $1`
	var renamed Tenant
	err := t.do(ctx, op, treeExclusive, func(s session) (err error) {
		renamed, err = s.changeOne(ctx, statement, id, slug)
		return err
	})
	return renamed, err
}

// Reorder gives the children of a tenant, or the roots for uuid.Nil, the order of ids. Each child must be there once,
// whatever its status. Children created or moved there later come behind, the lowest ID first. It returns
// ErrTenantNotFound; ErrOrder, as an *OrderError that says what does not fit; ErrForbidden when a tenant's ctx asks for
// the roots.
func (t *Tenants) Reorder(ctx context.Context, parent uuid.UUID, ids []uuid.UUID) error {
	return t.do(ctx, "reorder children", treeExclusive, func(s session) error {
		children, err := s.children(ctx, parent)
		if err != nil {
			return err
		}
		if err := checkOrder(children, ids); err != nil {
			return err
		}
		// Negative, so that 0, which every newcomer gets, is behind without a look at its siblings.
		const statement = `UPDATE stratum.tenants t SET position = o.place - $2, updated_at = clock_timestamp()
			FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, place)
			WHERE t.id = o.id AND t.position <> o.place - $2`
		_, err = s.tx.Exec(ctx, statement, ids, len(ids)+1)
		return err
	})
}

// validate returns the metadata as JSON, or nil to leave it.
func (u TenantUpdate) validate() (metadata *string, err error) {
	if u.Name != nil {
		err = checkName(*u.Name)
	}
	if err == nil && u.ExternalID != nil {
		err = checkExternalID(*u.ExternalID)
	}
	if err != nil || u.Metadata == nil {
		return nil, err
	}
	encoded, err := encodeMetadata(u.Metadata)
	return &encoded, err
}

// newResidency returns a residency as JSON that fits where the data of a tenant and of all beneath it is, or nil to
// leave the one there is.
func (s session) newResidency(ctx context.Context, id uuid.UUID, r *Residency) (*string, error) {
	if r == nil {
		return nil, nil //nolint:nilnil // NULL is an argument of the statement
	}
	tenant, err := s.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkSubtreeResidency(ctx, tenant, residencies{*r}); err != nil {
		return nil, err
	}
	encoded := r.encode()
	return &encoded, nil
}

// lock is what the update needs: an external id is a key, and a residency is everybody's beneath.
func (u TenantUpdate) lock() treeLock {
	if u.ExternalID != nil || u.Residency != nil {
		return treeExclusive
	}
	return treeShared
}

// changeOne runs a statement on one tenant in the caller's reach, whose id is the statement's first argument.
func (s session) changeOne(ctx context.Context, statement string, id uuid.UUID, args ...any) (Tenant, error) {
	if _, err := s.get(ctx, id); err != nil {
		return Tenant{}, err
	}
	changed, err := s.change(ctx, statement, append([]any{id}, args...)...)
	if err != nil {
		return Tenant{}, err
	}
	if len(changed) == 0 { // deleted in between, which only another program would do
		return Tenant{}, ErrTenantNotFound
	}
	return changed[0], nil
}

// checkOrder returns an *OrderError unless ids has each child once.
func checkOrder(children []Tenant, ids []uuid.UUID) error {
	seen := make(map[uuid.UUID]bool, len(children))
	for _, child := range children {
		seen[child.ID] = false
	}
	var wrong OrderError
	for _, id := range ids {
		already, isChild := seen[id]
		switch {
		case !isChild:
			wrong.Unknown = append(wrong.Unknown, id)
		case already:
			wrong.Repeated = append(wrong.Repeated, id)
		default:
			seen[id] = true
		}
	}
	for _, child := range children {
		if !seen[child.ID] {
			wrong.Missing = append(wrong.Missing, child.ID)
		}
	}
	if len(wrong.Missing)+len(wrong.Unknown)+len(wrong.Repeated) == 0 {
		return nil
	}
	return &wrong
}
