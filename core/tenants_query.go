package core

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// tenantColumns is what scanTenant expects.
const tenantColumns = `id, label, path, parent_id, slug, external_id, name, status, metadata, position, ` +
	`created_at, updated_at, isolation, placement, residency`

// Get returns the tenant with this id, or ErrTenantNotFound. It returns a tenant of any status, as every read does.
func (t *Tenants) Get(ctx context.Context, id uuid.UUID) (Tenant, error) {
	return t.getOne(ctx, "get tenant", `WHERE id = $1`, id)
}

// BySlug returns the tenant with this slug, or ErrTenantNotFound, also for what cannot be a slug.
func (t *Tenants) BySlug(ctx context.Context, slug string) (Tenant, error) {
	if checkSlug(slug) != nil {
		slug = "" // nobody's, and nothing that the database would refuse to look for
	}
	return t.getOne(ctx, "get tenant by slug", `WHERE slug = $1`, slug)
}

// ByExternalID returns the tenant with this external id, or ErrTenantNotFound, also for the empty one.
func (t *Tenants) ByExternalID(ctx context.Context, externalID string) (Tenant, error) {
	if checkExternalID(externalID) != nil {
		externalID = "" // nobody's, as in BySlug
	}
	return t.getOne(ctx, "get tenant by external id", `WHERE external_id = $1`, externalID)
}

// Children returns the tenants directly beneath id in the order that Reorder gave them, those that came later behind.
// uuid.Nil asks for the roots, which a tenant's ctx may not (ErrForbidden). It returns ErrTenantNotFound for an
// unknown id.
func (t *Tenants) Children(ctx context.Context, id uuid.UUID) ([]Tenant, error) {
	var children []Tenant
	err := t.do(ctx, "list children", readOnly, func(s session) (err error) {
		children, err = s.children(ctx, id)
		return err
	})
	return children, err
}

// Ancestors returns the tenants above id, the root first and the parent last; none for a root. To a tenant's ctx the
// topmost is its own tenant. It returns ErrTenantNotFound for an unknown id.
func (t *Tenants) Ancestors(ctx context.Context, id uuid.UUID) ([]Tenant, error) {
	line, err := t.line(ctx, "list ancestors", id)
	if err != nil {
		return nil, err
	}
	return line[:len(line)-1], nil
}

// Root returns the root of the tree that id is in, which for a root is itself. It returns ErrTenantNotFound for an
// unknown id, and to a tenant's ctx for a root that is not its own tenant.
func (t *Tenants) Root(ctx context.Context, id uuid.UUID) (Tenant, error) {
	line, err := t.line(ctx, "find root", id)
	if err != nil {
		return Tenant{}, err
	}
	if line[0].ParentID != uuid.Nil {
		return Tenant{}, fmt.Errorf("find root: %w", ErrTenantNotFound)
	}
	return line[0], nil
}

// Descendants returns every tenant beneath id, each right behind its parent or behind an earlier sibling's descendants.
// They come in one slice, 3 MB for 10,000 without metadata. For a subtree that may be larger use List with
// ListOptions.Under. It returns ErrTenantNotFound for an unknown id.
func (t *Tenants) Descendants(ctx context.Context, id uuid.UUID) ([]Tenant, error) {
	const where = `WHERE path <@ (SELECT path FROM stratum.tenants WHERE id = $1) ORDER BY path`
	var subtree []Tenant
	err := t.do(ctx, "list descendants", readOnly, func(s session) error {
		if _, err := s.get(ctx, id); err != nil { // saves reading a large subtree only to refuse it
			return err
		}
		var err error
		subtree, err = s.findSome(ctx, where, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return subtree[1:], nil // a path is its own descendant to PostgreSQL, and the first of them in its order
}

// getOne is an operation of a single findOne.
func (t *Tenants) getOne(ctx context.Context, op, where string, arg any) (Tenant, error) {
	var tenant Tenant
	err := t.do(ctx, op, readOnly, func(s session) (err error) {
		tenant, err = s.findOne(ctx, where, arg)
		return err
	})
	return tenant, err
}

// line returns what the caller reaches of the line from the root to id, which is the last and always there.
func (t *Tenants) line(ctx context.Context, op string, id uuid.UUID) ([]Tenant, error) {
	// The labels of a path are keys of the ancestors: index look-ups, which take half the time of <@ on the GiST index
	// and of a recursive query. One statement, so that a move in between cannot mix two lines. It is prepared before
	// the search_path is set, hence the cast instead of ltree's own functions.
	const where = `WHERE label = ANY(
		(SELECT string_to_array(self.path::text, '.') FROM stratum.tenants self WHERE self.id = $1)::text[])`
	line, err := t.readSome(ctx, op, where, id)
	slices.SortFunc(line, func(a, b Tenant) int { return a.Depth() - b.Depth() })
	return line, err
}

// readSome is findSome in one round trip where the caller is the operator, of whom nothing has to be found out first.
func (t *Tenants) readSome(ctx context.Context, op, clauses string, args ...any) (found []Tenant, err error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, operationError(op, err)
	}
	if sc.Kind == scope.Tenant || sc.Kind == scope.Subtree {
		err := t.do(ctx, op, readOnly, func(s session) (err error) {
			found, err = s.findSome(ctx, clauses, args...)
			return err
		})
		return found, err
	}
	err = t.read(ctx, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, scanTenant)
		return err
	}, `SELECT `+tenantColumns+` FROM stratum.tenants `+clauses, args...)
	if err == nil && len(found) == 0 {
		err = ErrTenantNotFound
	}
	return found, operationError(op, statementError(ctx, err))
}

// children returns the tenants beneath parent, or the roots for uuid.Nil.
func (s session) children(ctx context.Context, parent uuid.UUID) ([]Tenant, error) {
	if parent == uuid.Nil {
		if err := s.caller.checkRoots(); err != nil {
			return nil, err
		}
		return s.find(ctx, `WHERE parent_id IS NULL ORDER BY position, id`)
	}
	if _, err := s.get(ctx, parent); err != nil {
		return nil, err
	}
	return s.find(ctx, `WHERE parent_id = $1 ORDER BY position, id`, parent)
}

// get returns the tenant with this id if the caller reaches it.
func (s session) get(ctx context.Context, id uuid.UUID) (Tenant, error) {
	return s.findOne(ctx, `WHERE id = $1`, id)
}

// findOne returns the one tenant that the clauses name, or ErrTenantNotFound where there is none in the caller's reach.
func (s session) findOne(ctx context.Context, clauses string, arg any) (Tenant, error) {
	found, err := s.findSome(ctx, clauses, arg)
	if err != nil {
		return Tenant{}, err
	}
	return found[0], nil
}

// findSome is find for what cannot be empty: it returns ErrTenantNotFound instead.
func (s session) findSome(ctx context.Context, clauses string, args ...any) ([]Tenant, error) {
	found, err := s.find(ctx, clauses, args...)
	if err == nil && len(found) == 0 {
		return nil, ErrTenantNotFound
	}
	return found, err
}

// find returns those of the tenants that the clauses name which the caller reaches. Whatever leaves this package came
// through here, so that a query which asks for too much, or a move between two statements, gives nothing away.
func (s session) find(ctx context.Context, clauses string, args ...any) ([]Tenant, error) {
	found, err := s.collect(ctx, `SELECT `+tenantColumns+` FROM stratum.tenants `+clauses, args...)
	return slices.DeleteFunc(found, func(t Tenant) bool { return !s.caller.reaches(t) }), err
}

// change runs a statement that returns the tenants it made or changed.
func (s session) change(ctx context.Context, statement string, args ...any) ([]Tenant, error) {
	return s.collect(ctx, statement+` RETURNING `+tenantColumns, args...)
}

func (s session) collect(ctx context.Context, query string, args ...any) ([]Tenant, error) {
	rows, err := s.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanTenant)
}

func scanTenant(row pgx.CollectableRow) (Tenant, error) {
	var (
		t          Tenant
		parent     uuid.NullUUID
		externalID *string
	)
	err := row.Scan(&t.ID, &t.Label, &t.Path, &parent, &t.Slug, &externalID, &t.Name, &t.Status, &t.Metadata,
		&t.Position, &t.CreatedAt, &t.UpdatedAt, &t.Isolation, &t.Placement, &t.Residency)
	t.ParentID = parent.UUID
	if externalID != nil {
		t.ExternalID = *externalID
	}
	return t, err
}
