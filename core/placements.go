package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Placements are the databases in which tenants live. The registry's own database is one of them, called "home"; others
// are registered, on the same server or on any other. Tenants with shared tables and with schemas of their own are in
// the database that a placement's DSN names; databases of tenants are made beside it, on the same server.
//
// Only the operator changes placements: a tenant's ctx is refused with ErrForbidden.
type Placements struct {
	st *Stratum
}

// PlacementState says what a placement is open to.
type PlacementState string

// The states of a placement.
const (
	// PlacementActive takes new tenants.
	PlacementActive PlacementState = "active"
	// PlacementDraining serves the tenants that it has and takes no new ones.
	PlacementDraining PlacementState = "draining"
	// PlacementClosed is being prepared, or has no tenants any more.
	PlacementClosed PlacementState = "closed"
)

// Placement is a registered database.
type Placement struct {
	// Name is how tenants refer to it: a lower-case letter, then at most 30 lower-case letters, digits, "_" and "-".
	Name string
	// DSN is a reference to the login for statements of tenants, never the DSN itself: env:NAME is an environment
	// variable, file:/path a file, and any other scheme is for Options.ResolveDSN. It is looked up for each new
	// connection, so that a rotated password needs no restart. Empty for home, which has the DSNs of Options.
	DSN string
	// SystemDSN and OwnerDSN are the same for AsSystem and for Migrate. Each defaults to DSN.
	SystemDSN, OwnerDSN string
	// ReplicaDSNs are references to streaming replicas of the server, for reads under WithReplica, see
	// Options.ReplicaDSNs. Other processes learn of a change when they start. Default to none.
	ReplicaDSNs []string
	// Region and Labels are what a Residency asks for. Default to none.
	Region string
	Labels map[string]string
	// Capacity is the most tenants that are put here without being told so; 0 is no limit.
	Capacity int64
	// State says what the placement is open to. Defaults to PlacementActive.
	State PlacementState
	// Tenants is how many tenants there are. It is read only.
	Tenants int64
	// CreatedAt and UpdatedAt are read only.
	CreatedAt, UpdatedAt time.Time
}

var placementName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)

// validate checks what the database would refuse with less to go by.
func (p Placement) validate() error {
	if !placementName.MatchString(p.Name) {
		return &InvalidError{Field: "Name", Reason: `must be a lower-case letter and at most 30 lower-case letters, ` +
			`digits, "_" and "-"`}
	}
	references := append([]string{p.DSN, p.SystemDSN, p.OwnerDSN}, p.ReplicaDSNs...)
	for _, reference := range references {
		if err := checkReference("DSN", reference); err != nil {
			return err
		}
	}
	switch {
	case (p.Name == homePlacement) != (p.DSN == ""):
		return &InvalidError{Field: "DSN", Reason: "must be given, except for home, whose DSNs are those of Options"}
	case p.Name == homePlacement && p.SystemDSN+p.OwnerDSN != "":
		return &InvalidError{Field: "SystemDSN", Reason: "must be empty for home, whose DSNs are those of Options"}
	case p.Capacity < 0:
		return &InvalidError{Field: "Capacity", Reason: "must not be negative"}
	case p.State != PlacementActive && p.State != PlacementDraining && p.State != PlacementClosed:
		return &InvalidError{Field: "State", Reason: "must be active, draining or closed"}
	}
	return nil
}

func (p Placement) withDefaults() Placement {
	if p.State == "" {
		p.State = PlacementActive
	}
	if p.DSN != "" && p.SystemDSN == "" {
		p.SystemDSN = p.DSN
	}
	if p.DSN != "" && p.OwnerDSN == "" {
		p.OwnerDSN = p.DSN
	}
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	return p
}

const placementColumns = `p.name, p.dsn, p.system_dsn, p.owner_dsn, p.replica_dsns, p.region, p.labels, p.capacity, ` +
	`p.state, p.created_at, p.updated_at, (SELECT count(*) FROM stratum.tenants t WHERE t.placement = p.name)`

func scanPlacement(row pgx.CollectableRow) (p Placement, err error) {
	err = row.Scan(&p.Name, &p.DSN, &p.SystemDSN, &p.OwnerDSN, &p.ReplicaDSNs, &p.Region, &p.Labels, &p.Capacity,
		&p.State, &p.CreatedAt, &p.UpdatedAt, &p.Tenants)
	return p, err
}

// write upserts the row.
func (p *Placements) write(ctx context.Context, placement Placement) error {
	const statement = `INSERT INTO stratum.placements AS p (name, dsn, system_dsn, owner_dsn, replica_dsns, region,
		labels,
			capacity, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9)
		ON CONFLICT (name) DO UPDATE SET dsn = excluded.dsn, system_dsn = excluded.system_dsn,
			owner_dsn = excluded.owner_dsn, replica_dsns = excluded.replica_dsns, region = excluded.region,
			labels = excluded.labels, capacity = excluded.capacity, state = excluded.state,
			updated_at = clock_timestamp()`
	labels, err := json.Marshal(placement.Labels)
	if err != nil {
		return err
	}
	replicas := placement.ReplicaDSNs
	if replicas == nil {
		replicas = []string{}
	}
	return p.do(ctx, func(tx pgx.Tx) error {
		// No tenant finds its place, or moves, while the regions and labels change that this depends on.
		if err := treeExclusive.take(ctx, tx); err != nil {
			return err
		}
		if err := checkResidents(ctx, tx, placement); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, statement, placement.Name, placement.DSN, placement.SystemDSN, placement.OwnerDSN,
			replicas, placement.Region, string(labels), placement.Capacity, placement.State)
		return err
	})
}

// checkResidents refuses to take away a region or a label that tenants of the placement must have.
func checkResidents(ctx context.Context, tx pgx.Tx, placement Placement) error {
	const query = `SELECT DISTINCT a.residency FROM stratum.tenants t
		JOIN stratum.tenants a ON t.path <@ a.path AND a.residency <> '{}' WHERE t.placement = $1`
	rows, err := tx.Query(ctx, query, placement.Name)
	if err != nil {
		return err
	}
	required, err := pgx.CollectRows(rows, pgx.RowTo[Residency])
	if err != nil {
		return err
	}
	if !residencies(required).admit(placement) {
		return fmt.Errorf("%w: it has tenants that may not be in such a place (move them first)", ErrResidency)
	}
	return nil
}

// Get returns the placement of this name, or ErrPlacementNotFound.
func (p *Placements) Get(ctx context.Context, name string) (Placement, error) {
	if err := p.checkCaller(ctx); err != nil {
		return Placement{}, operationError("get placement", err)
	}
	found, err := p.find(ctx, name)
	return found, operationError("get placement", err)
}

// find is Get for whoever asks.
func (p *Placements) find(ctx context.Context, name string) (Placement, error) {
	found, err := p.list(ctx, `WHERE p.name = $1`, name)
	switch {
	case err != nil:
		return Placement{}, err
	case len(found) == 0:
		return Placement{}, ErrPlacementNotFound
	}
	return found[0], nil
}

// List returns all placements by name.
func (p *Placements) List(ctx context.Context) ([]Placement, error) {
	if err := p.checkCaller(ctx); err != nil {
		return nil, operationError("list placements", err)
	}
	all, err := p.list(ctx, `ORDER BY p.name`)
	return all, operationError("list placements", err)
}

func (p *Placements) list(ctx context.Context, clauses string, args ...any) (found []Placement, err error) {
	err = p.st.registryRead(ctx, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, scanPlacement)
		return err
	}, `SELECT `+placementColumns+` FROM stratum.placements p `+clauses, args...)
	return found, statementError(ctx, err)
}

// Remove takes a placement that has no tenants off the list. The database itself is left alone. It returns
// ErrPlacementNotFound, and ErrPlacementInUse while tenants or spares are there.
func (p *Placements) Remove(ctx context.Context, name string) error {
	err := p.do(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM stratum.placements WHERE name = $1 AND name <> 'home'`, name)
		switch {
		case hasCode(err, codeForeignKey):
			return ErrPlacementInUse
		case err == nil && tag.RowsAffected() == 0:
			return ErrPlacementNotFound
		}
		return err
	})
	if err == nil {
		p.st.databases.forget(name)
	}
	return operationError("remove placement", err)
}

// PlacementHealth is how a placement was found.
type PlacementHealth struct {
	// Name is the placement's name.
	Name string
	// Err is why it cannot serve, or nil.
	Err error
	// Took is how long the look took.
	Took time.Duration
}

// Health looks at each placement with the login for tenants and with that of the system: whether it answers, and
// whether its schema serves this program. Placements are looked at side by side, so that one that is down does not hide
// others. The error is that of reading the list; those of placements are in their results.
func (p *Placements) Health(ctx context.Context) ([]PlacementHealth, error) {
	all, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]PlacementHealth, len(all))
	var looks sync.WaitGroup
	for i, placement := range all {
		looks.Go(func() {
			began := time.Now()
			err := p.ping(ctx, placement)
			found[i] = PlacementHealth{Name: placement.Name, Err: err, Took: time.Since(began)}
		})
	}
	looks.Wait()
	return found, nil
}

func (p *Placements) ping(ctx context.Context, placement Placement) error {
	if placement.Name == homePlacement {
		return p.st.Ping(ctx)
	}
	database, err := p.st.databases.get(ctx, placement.Name, "")
	if err != nil {
		return err
	}
	return database.Ping(ctx)
}

// do runs fn on the registry for the operator.
func (p *Placements) do(ctx context.Context, fn func(tx pgx.Tx) error) error {
	if err := p.checkCaller(ctx); err != nil {
		return err
	}
	return statementError(ctx, p.st.registryTx(ctx, fn))
}

// checkCaller refuses a tenant.
func (p *Placements) checkCaller(ctx context.Context) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	if sc.Kind == scope.Tenant || sc.Kind == scope.Subtree {
		return ErrForbiddenPlacement
	}
	return nil
}

// Refusals that concern placements, for errors.Is.
var (
	// ErrPlacement is returned for a placement that cannot be reached as it is registered.
	ErrPlacement = errors.New("stratum: unusable placement")
	// ErrPlacementNotFound is returned for a name that no placement has.
	ErrPlacementNotFound = errors.New("stratum: no such placement (register it with Placements.Register)")
	// ErrPlacementInUse is returned for a placement that still has tenants.
	ErrPlacementInUse = errors.New("stratum: the placement still has tenants or spares (move or remove them first)")
	// ErrForbiddenPlacement is returned for an operation on placements with a tenant's ctx. It is an ErrForbidden.
	ErrForbiddenPlacement = fmt.Errorf("stratum: placements are the operator's (use a ctx without a tenant): %w",
		ErrForbidden)
	// ErrResidency is returned where a tenant's data would be where it may not be.
	ErrResidency = errors.New("stratum: no placement meets the residency of the tenant and of those above it")
)
