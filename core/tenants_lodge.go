package core

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/ltree"
)

// ErrPlacementFull is returned where every placement that will do has as many tenants as it takes, or takes no new ones.
var ErrPlacementFull = errors.New("stratum: no placement takes new tenants (raise a capacity, open a placement with " +
	"Placements.Register, or name one in NewTenant.Placement)")

// lodging is where a new tenant's data goes.
type lodging struct {
	isolation Isolation
	placement string
	residency Residency
	above     residencies // of the tenants above it
	status    Status
	spare     ltree.Label // of the schema or database that waits for it, or empty

	beneathProvisioning bool // its parent is of the same batch, and not active yet
}

// all are the residencies that the placement of a tenant beneath must meet.
func (l lodging) all() residencies {
	if l.residency.isZero() {
		return l.above
	}
	return append(slices.Clone(l.above), l.residency)
}

// lodgings are those of a batch.
type lodgings []lodging

// takeSpares puts the labels of spares in the place of new ones.
func (all lodgings) takeSpares(labels []ltree.Label) {
	for i, l := range all {
		if !l.spare.IsZero() {
			labels[i] = l.spare
		}
	}
}

func (all lodgings) column(of func(lodging) string) []string {
	values := make([]string, len(all))
	for i, l := range all {
		values[i] = of(l)
	}
	return values
}

func (all lodgings) isolations() []string {
	return all.column(func(l lodging) string { return string(l.isolation) })
}

func (all lodgings) placements() []string {
	return all.column(func(l lodging) string { return l.placement })
}

func (all lodgings) residencies() []string {
	return all.column(func(l lodging) string { return l.residency.encode() })
}

func (all lodgings) statuses() []string {
	return all.column(func(l lodging) string { return string(l.status) })
}

// lodge finds a place for each tenant of the batch.
func (s session) lodge(ctx context.Context, b *batch, parents []Tenant) (lodgings, error) {
	open, err := s.openPlacements(ctx)
	if err != nil {
		return nil, err
	}
	required, err := s.residenciesAbove(ctx, parents)
	if err != nil {
		return nil, err
	}
	known := newParents(parents)
	rooms := make(lodgings, len(b.tenants))
	for i, n := range b.tenants {
		above := lodging{isolation: SharedIsolation, placement: homePlacement, status: StatusActive}
		if at, ok := b.index[n.Parent]; ok && at < i {
			above = rooms[at]
		} else if parent, ok := known.named(n); ok {
			above = lodging{
				isolation: parent.Isolation, placement: parent.Placement, above: required[parent.ID], status: StatusActive,
			}
		}
		rooms[i], err = open.lodge(n, above)
		if err == nil && s.place != nil {
			err = s.place(location{isolation: rooms[i].isolation, placement: rooms[i].placement})
		}
		if err != nil {
			return nil, &BatchError{Index: i, Slug: n.Slug, Err: err}
		}
		if err := s.takeSpare(ctx, &rooms[i]); err != nil {
			return nil, err
		}
	}
	return rooms, nil
}

// named returns n's parent among those outside of the batch.
func (p parents) named(n NewTenant) (Tenant, bool) {
	if n.ParentSlug != "" {
		parent, ok := p.bySlug[n.ParentSlug]
		return parent, ok
	}
	parent, ok := p.byID[n.Parent]
	return parent, ok
}

// openPlacements are all placements, the fullest last.
type openPlacements []Placement

// openPlacements counts tenants only where their number matters.
func (s session) openPlacements(ctx context.Context) (openPlacements, error) {
	const query = `SELECT p.name, p.region, p.labels, p.capacity, p.state, CASE WHEN p.capacity > 0 THEN
		(SELECT count(*) FROM stratum.tenants t WHERE t.placement = p.name) ELSE 0 END
		FROM stratum.placements p ORDER BY p.name`
	rows, err := s.tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Placement, err error) {
		err = row.Scan(&p.Name, &p.Region, &p.Labels, &p.Capacity, &p.State, &p.Tenants)
		return p, err
	})
}

// residenciesAbove returns, of each tenant, its own residency and those of the tenants above it.
func (s session) residenciesAbove(ctx context.Context, tenants []Tenant) (map[uuid.UUID]residencies, error) {
	required := make(map[uuid.UUID]residencies)
	if len(tenants) == 0 {
		return required, nil
	}
	ids := make([]uuid.UUID, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID
	}
	const query = `SELECT t.id, a.residency FROM stratum.tenants t JOIN stratum.tenants a ON t.path <@ a.path
		WHERE t.id = ANY($1) AND a.residency <> '{}'`
	rows, err := s.tx.Query(ctx, query, ids)
	if err != nil {
		return nil, err
	}
	var id uuid.UUID
	var r Residency
	_, err = pgx.ForEachRow(rows, []any{&id, &r}, func() error {
		required[id] = append(required[id], r.clone())
		r = Residency{}
		return nil
	})
	return required, err
}

// lodge finds the place of a new tenant beneath one that lives there.
func (open openPlacements) lodge(n NewTenant, above lodging) (lodging, error) {
	l := lodging{
		isolation: cmp.Or(n.Isolation, above.isolation), residency: n.Residency.clone(), above: above.all(),
		beneathProvisioning: above.status == StatusProvisioning,
	}
	p, err := open.choose(n.Placement, above.placement, l.all())
	if err != nil {
		return lodging{}, err
	}
	l.placement, l.status = p, StatusActive
	if l.beneathProvisioning || !(location{isolation: l.isolation, placement: p}).home() {
		l.status = StatusProvisioning
	}
	return l, nil
}

// choose returns the placement that is wanted, or else the one of the tenant above, or else the emptiest.
func (open openPlacements) choose(wanted, above string, required residencies) (string, error) {
	if wanted != "" {
		return open.take(wanted, required)
	}
	admitted := slices.DeleteFunc(slices.Clone(open), func(p Placement) bool { return !required.admit(p) })
	if len(admitted) == 0 {
		return "", ErrResidency
	}
	free := slices.DeleteFunc(admitted, func(p Placement) bool {
		return p.State != PlacementActive || p.Capacity > 0 && p.Tenants >= p.Capacity
	})
	if len(free) == 0 {
		return "", ErrPlacementFull
	}
	best := slices.MinFunc(free, func(a, b Placement) int {
		return cmp.Or(cmp.Compare(rank(a, above), rank(b, above)), cmp.Compare(a.Name, b.Name))
	})
	for i := range open {
		if open[i].Name == best.Name {
			open[i].Tenants++ // for the next of the batch
		}
	}
	return best.Name, nil
}

// rank orders placements: that of the tenant above first, then the others by how full they are.
func rank(p Placement, above string) float64 {
	switch {
	case p.Name == above:
		return -1
	case p.Capacity == 0:
		return 0
	}
	return float64(p.Tenants) / float64(p.Capacity)
}

// take returns the placement of a name, if it will do.
func (open openPlacements) take(name string, required residencies) (string, error) {
	i := slices.IndexFunc(open, func(p Placement) bool { return p.Name == name })
	switch {
	case i < 0:
		return "", ErrPlacementNotFound
	case !required.admit(open[i]):
		return "", ErrResidency
	case open[i].State != PlacementActive:
		return "", ErrPlacementFull
	}
	return name, nil
}

// takeSpare takes a schema or a database that waits for a tenant, if there is one. A schema in the registry's database
// needs nothing more; elsewhere the satellite has yet to be told.
func (s session) takeSpare(ctx context.Context, l *lodging) error {
	if l.isolation == SharedIsolation {
		return nil
	}
	const statement = `DELETE FROM stratum.spares WHERE label = (SELECT label FROM stratum.spares
		WHERE isolation = $1 AND placement = $2 AND ready ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING label`
	var label string
	err := s.tx.QueryRow(ctx, statement, l.isolation, l.placement).Scan(&label)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	if l.spare, err = ltree.ParseLabel(label); err != nil {
		return err
	}
	if l.isolation == SchemaIsolation && l.placement == homePlacement && !l.beneathProvisioning {
		l.status = StatusActive
	}
	return nil
}

// checkMovedResidency refuses a move that would bring data beneath a tenant who does not allow where it is.
func (s session) checkMovedResidency(ctx context.Context, tenant, above Tenant) error {
	if above.ID == uuid.Nil {
		return nil
	}
	required, err := s.residenciesAbove(ctx, []Tenant{above})
	if err != nil || len(required[above.ID]) == 0 {
		return err
	}
	return s.checkSubtreeResidency(ctx, tenant, required[above.ID])
}

// checkSubtreeResidency looks whether all data of a subtree is where it may be.
func (s session) checkSubtreeResidency(ctx context.Context, top Tenant, required residencies) error {
	const query = `SELECT p.name, p.region, p.labels FROM stratum.placements p
		WHERE p.name IN (SELECT t.placement FROM stratum.tenants t WHERE t.path <@ $1)`
	rows, err := s.tx.Query(ctx, query, top.Path)
	if err != nil {
		return err
	}
	used, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Placement, err error) {
		err = row.Scan(&p.Name, &p.Region, &p.Labels)
		return p, err
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(used, func(p Placement) bool { return !required.admit(p) }) {
		return ErrResidency
	}
	return nil
}
