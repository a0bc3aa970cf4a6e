package core

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// maxKnown bounds the memory of a router, some 20 MB.
const maxKnown = 1 << 17

// router leads each statement to the database and the schema where its tenant's data is. It knows the tenants that are
// elsewhere than in the shared tables of the registry's database: statements go there first, and the refusal says where
// the tenant is. What it knows is kept until a database refuses the tenant, so that a tenant's path does not lead
// through the registry while nothing changes, and goes on while the registry is down.
type router struct {
	st   *Stratum
	home *guard.Place

	mu    sync.RWMutex
	known map[uuid.UUID]*known
}

// known is where a tenant was last found.
type known struct {
	location

	place atomic.Pointer[guard.Place] // made when it is first needed
}

func newRouter(st *Stratum, home *guard.Place) *router {
	return &router{st: st, home: home, known: make(map[uuid.UUID]*known)}
}

// Place returns where statements of the scope run.
func (r *router) Place(ctx context.Context, sc scope.Scope) (*guard.Place, error) {
	switch sc.Kind {
	case scope.System:
		return r.systemPlace(ctx, sc)
	case scope.Subtree:
		return r.subtreePlace(ctx, sc)
	case scope.Tenant, scope.None:
	}
	k := r.find(sc.Tenant)
	if k == nil {
		return r.home, nil
	}
	return r.placeOf(ctx, k)
}

func (r *router) find(tenant uuid.UUID) *known {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.known[tenant]
}

// placeOf makes the place of a location when it is first needed. Nobody waits for another's look at a database longer
// than its own ctx lasts; of several that are made at once the first is kept.
func (r *router) placeOf(ctx context.Context, k *known) (*guard.Place, error) {
	if p := k.place.Load(); p != nil {
		return p, nil
	}
	p, err := r.build(ctx, k.location)
	if err != nil {
		return nil, err
	}
	if !k.place.CompareAndSwap(nil, p) {
		p = k.place.Load()
	}
	return p, nil
}

func (r *router) build(ctx context.Context, l location) (*guard.Place, error) {
	if err := r.st.checkLodging(l); err != nil {
		return nil, err // of the time before the database was Citus'
	}
	database := r.home.Database
	if l.satellite() {
		label := ""
		if l.isolation == DatabaseIsolation {
			label = l.label
		}
		var err error
		if database, err = r.st.databases.get(ctx, l.placement, label); err != nil {
			return nil, err
		}
	}
	path := r.home.SearchPath
	if schema := l.schema(); schema != "" {
		path = schema + ", " + path
	}
	return guard.NewPlace(database, path, l.schema()), nil
}

// Elsewhere is told that a tenant's data is not where it was believed to be.
func (r *router) Elsewhere(sc scope.Scope, p *guard.Place, detail string) bool {
	tenant := sc.Tenant
	if sc.Kind == scope.System {
		tenant = sc.At
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.known[tenant]
	l, ok := parseLocation(detail)
	switch {
	case !ok || l.home():
		delete(r.known, tenant)
		return before != nil || p != r.home
	case before != nil && before.location == l:
		return p == r.home || before.place.Load() != p // somebody else has found out meanwhile
	}
	r.keep(tenant, l)
	return true
}

// keep remembers where a tenant is. The lock is held.
func (r *router) keep(tenant uuid.UUID, l location) *known {
	if len(r.known) >= maxKnown {
		for id := range r.known { // any: to find it again costs one more round trip
			delete(r.known, id)
			break
		}
	}
	k := &known{location: l}
	r.known[tenant] = k
	return k
}

// forget drops what is known of places at a placement, whose references have changed.
func (r *router) forget(placement string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, k := range r.known {
		if k.placement == placement {
			r.known[id] = &known{location: k.location}
		}
	}
}

// parseLocation reads what stratum.admit says of a tenant that is elsewhere.
func parseLocation(detail string) (location, bool) {
	words := strings.Fields(detail)
	if len(words) != 3 || !Isolation(words[0]).known() {
		return location{}, false
	}
	return location{isolation: Isolation(words[0]), placement: words[1], label: words[2]}, true
}

// systemPlace is that of the tenant at whose place the system works.
func (r *router) systemPlace(ctx context.Context, sc scope.Scope) (*guard.Place, error) {
	if sc.At == uuid.Nil {
		return r.home, nil
	}
	if k := r.find(sc.At); k != nil {
		return r.placeOf(ctx, k)
	}
	l, err := r.locate(ctx, sc.At)
	if err != nil {
		return nil, err
	}
	if l.home() {
		return r.home, nil
	}
	return r.learn(ctx, sc.At, l)
}

// learn keeps where a tenant is.
func (r *router) learn(ctx context.Context, tenant uuid.UUID, l location) (*guard.Place, error) {
	r.mu.Lock()
	k := r.keep(tenant, l)
	r.mu.Unlock()
	return r.placeOf(ctx, k)
}

// locate asks the registry where a tenant is.
func (r *router) locate(ctx context.Context, tenant uuid.UUID) (location, error) {
	found, err := r.st.locations(ctx, `WHERE id = $1`, tenant)
	switch {
	case err != nil:
		return location{}, err
	case len(found) == 0:
		return location{}, ErrTenantUnknown
	}
	return found[0], nil
}

// locations reads where tenants are.
func (s *Stratum) locations(ctx context.Context, clauses string, args ...any) (found []location, err error) {
	err = s.registryRead(ctx, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l location, err error) {
			err = row.Scan(&l.isolation, &l.placement, &l.label)
			return l, err
		})
		return err
	}, `SELECT isolation, placement, label FROM stratum.tenants `+clauses, args...)
	return found, statementError(ctx, err)
}

// subtreePlace is the tenant's, if no descendant whose rows the scope may read is elsewhere. The shared tables of the
// registry look at that by themselves, in stratum.visible_tenants; other places do not know the tree, so the registry
// is asked each time.
func (r *router) subtreePlace(ctx context.Context, sc scope.Scope) (*guard.Place, error) {
	k := r.find(sc.Tenant)
	if k == nil {
		return r.home, nil
	}
	const others = `SELECT EXISTS (SELECT FROM stratum.tenants self JOIN stratum.tenants d ON d.path <@ self.path
		WHERE self.id = $1 AND d.id <> self.id AND d.status IN ('active', 'suspended', 'moving'))`
	var split bool
	err := r.st.registryTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, others, sc.Tenant).Scan(&split) })
	switch {
	case err != nil:
		return nil, statementError(ctx, err)
	case split:
		return nil, ErrSubtreeElsewhere
	}
	return r.placeOf(ctx, k)
}
