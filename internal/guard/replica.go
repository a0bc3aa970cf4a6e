package guard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/scope"
)

// Reads may go to a streaming replica of a tenant's database, where their ctx wishes so. What a replica serves has been
// written before and is never somebody else's, since the replica has the primary's roles, policies and tenants. It is
// the primary that has the last word: what a replica refuses is sent there once more.

// Replica is a replica of one database.
type Replica struct {
	// Standby is the server that it is on.
	Standby *Standby
	// Data and System lend connections, as those of a Database do.
	Data, System *Pool

	standing standing
}

func (r *Replica) pool(kind scope.Kind) *Pool {
	if kind == scope.System {
		return r.System
	}
	return r.Data
}

// Found is what ReplicasConfig.Find has found.
type Found struct {
	// Cluster is the system identifier of the primary.
	Cluster uint64
	// Replicas are those of the database.
	Replicas []*Replica
}

// close closes the pools.
func (f *Found) close() error {
	errs := make([]error, 0, 2*len(f.Replicas))
	for _, r := range f.Replicas {
		errs = append(errs, r.Data.Close(), r.System.Close())
	}
	return errors.Join(errs...)
}

// ReplicasConfig says what the replicas of a database are.
type ReplicasConfig struct {
	// Find returns them. It is called when the first read wishes for one, and no connection is held then.
	Find func(context.Context) (*Found, error)
	// MaxLag is the age of the oldest data that a read may get; 0 is no bound.
	MaxLag time.Duration
	// Report hears about a replica, or about Find, that has failed.
	Report func(context.Context, error)
}

// Replicas are the replicas of one database, and what has been written to it by this program. A nil Replicas has none.
type Replicas struct {
	config ReplicasConfig
	ledger ledger
	active atomic.Bool // writes are remembered: from the first read on that found replicas
	found  atomic.Pointer[Found]

	mu      sync.Mutex
	finding bool
	closed  bool
	age     int // how often they were forgotten
	retry   time.Time
}

// NewReplicas returns replicas that are looked for when they are first wanted.
func NewReplicas(config ReplicasConfig) *Replicas { return &Replicas{config: config} }

// findAgain is how long reads go to the primary after it was not to be found out which replicas there are.
const findAgain = 5 * time.Second

// on reports whether writes are to be remembered.
func (r *Replicas) on() bool { return r != nil && r.active.Load() }

// get returns the replicas, or nil where there are none. Who comes while they are looked for does not wait.
func (r *Replicas) get(ctx context.Context) *Found {
	if r == nil {
		return nil
	}
	if found := r.found.Load(); found != nil {
		return found
	}
	r.mu.Lock()
	age := r.age
	if r.finding || r.closed || time.Now().Before(r.retry) {
		r.mu.Unlock()
		return nil
	}
	r.finding = true
	r.mu.Unlock()
	found, err := r.config.Find(ctx)
	if err != nil && ctx.Err() == nil {
		r.config.Report(ctx, err)
	}
	return r.keep(ctx, found, err, age)
}

func (r *Replicas) keep(ctx context.Context, found *Found, err error, age int) *Found {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finding = false
	switch {
	case err != nil:
		if ctx.Err() == nil {
			r.retry = time.Now().Add(findAgain)
		}
		return nil
	case r.closed || r.age != age:
		_ = found.close() // nobody has used them
		return nil
	}
	if len(found.Replicas) > 0 && !r.active.Load() {
		// In this order: a write that saw no need to be remembered ended before what everybody has written until now.
		r.active.Store(true)
		r.ledger.noteAll()
	}
	r.found.Store(found)
	return found
}

// Forget closes the pools, and has the replicas looked for anew.
func (r *Replicas) Forget() error {
	r.mu.Lock()
	r.age++
	r.retry = time.Time{}
	found := r.found.Swap(nil)
	r.mu.Unlock()
	if found == nil {
		return nil
	}
	return found.close()
}

// Close closes the pools, see Pool.Close.
func (r *Replicas) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.Forget()
}

// borrow returns a replica that has what statements of the scope must see, and a session on it; nil where there is
// none. It never waits for a replica to catch up.
func (r *Replicas) borrow(ctx context.Context, found *Found, p *Place, sc scope.Scope) (*Replica, *session) {
	need, ok := r.need(ctx, found.Cluster, p.Database.pool(sc.Kind), sc)
	if !ok {
		return nil, nil
	}
	// By chance: with turns, of an application that always reads two things one would always be the same replica's.
	first := rand.IntN(len(found.Replicas)) //nolint:gosec // nobody gains by guessing it
	for i := range found.Replicas {
		replica := found.Replicas[(first+i)%len(found.Replicas)]
		if s := r.try(ctx, replica, sc.Kind, need); s != nil {
			return replica, s
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
	return nil, nil
}

// try borrows a session on a replica that has come as far as need.
func (r *Replicas) try(ctx context.Context, replica *Replica, kind scope.Kind, need uint64) *session {
	standby := replica.Standby
	if standby.replayed.Load() < need && !standby.mayAsk() || !standby.mayTry(time.Now()) {
		return nil
	}
	s, err := replica.pool(kind).acquire(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, ErrClosed):
		return nil
	case sqlState(err) == codeNoDatabase: // it has yet to be made there
		standby.succeed()
		return nil
	default:
		standby.fail(time.Now())
		r.config.Report(ctx, err)
		return nil
	}
	// Only now: a connection that is new has told how far its server has come, which may have been put back to an
	// earlier state.
	if standby.replayed.Load() >= need {
		return s
	}
	if standby.ask(ctx, s); standby.replayed.Load() >= need {
		return s
	}
	s.release()
	return nil
}

// need returns how far a replica must have come for statements of the scope. It asks the primary, over pool, where this
// is not known.
func (r *Replicas) need(ctx context.Context, cluster uint64, pool *Pool, sc scope.Scope) (lsn uint64, ok bool) {
	lsn, ok = after(ctx, cluster)
	if !ok {
		return 0, false
	}
	written, known := r.ledger.need(writer(sc))
	if !known {
		if r.sample(ctx, pool) != nil {
			return 0, false
		}
		if written, known = r.ledger.need(writer(sc)); !known {
			return 0, false // somebody of the same tenant is writing
		}
	}
	recent, ok := r.recent(ctx, pool)
	return max(lsn, written, recent), ok
}

// after returns what ctx says that must be seen.
func after(ctx context.Context, cluster uint64) (lsn uint64, ok bool) {
	positions := scope.Positions(ctx)
	ok = len(positions) == 0
	for _, p := range positions {
		if p.Cluster == cluster {
			lsn, ok = max(lsn, p.LSN), true
		}
	}
	return lsn, ok
}

// recent returns what a replica must have that is not older than MaxLag.
func (r *Replicas) recent(ctx context.Context, pool *Pool) (lsn uint64, ok bool) {
	most := r.config.MaxLag
	if most <= 0 {
		return 0, true
	}
	if r.ledger.due(time.Now(), most/samplesPerLag) && r.sample(ctx, pool) != nil && ctx.Err() != nil {
		return 0, false
	}
	return r.ledger.since(time.Now().Add(-most))
}

// sample asks the primary how far it has come, and notes the answer.
func (r *Replicas) sample(ctx context.Context, pool *Pool) error {
	clock, now := r.ledger.now(), time.Now()
	at, err := pool.position(ctx)
	if err == nil {
		r.ledger.learn(clock, now, at.LSN)
	}
	return err
}

// writer is whose write a statement of the scope would be: the system's at no tenant's place is the nil uuid's.
func writer(sc scope.Scope) uuid.UUID {
	if sc.Kind == scope.System {
		return sc.At
	}
	return sc.Tenant
}

// positionSQL asks the primary how far it has written.
const positionSQL = `SELECT pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text, ` +
	`(SELECT c.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() c)`

// position asks the primary how far it has written: all that was committed before can be seen where this was replayed.
func (p *Pool) position(ctx context.Context) (at scope.Position, err error) {
	s, err := p.acquire(ctx)
	if err != nil {
		return at, err
	}
	defer s.release()
	values, err := s.ask(ctx, positionSQL)
	if err != nil {
		return at, translate(err)
	}
	at.LSN, err = parseLSN(values[0])
	if err == nil {
		_, err = fmt.Sscan(string(values[1]), &at.Cluster)
	}
	return at, err
}

// Position is how far the primary has written that the pool leads to.
func (p *Pool) Position(ctx context.Context) (scope.Position, error) { return p.position(ctx) }

// Position is how far the database has written in which statements of ctx run.
func (c *Connector) Position(ctx context.Context) (at scope.Position, err error) {
	sc, err := scope.Check(ctx)
	if err != nil {
		return at, err
	}
	p, err := c.place(ctx, sc)
	if err != nil {
		return at, err
	}
	return p.Database.pool(sc.Kind).position(ctx)
}

// ask sends a question without arguments, outside of every scope, and returns the one row.
func (s *session) ask(ctx context.Context, question string) ([][]byte, error) {
	results, err := s.pg.Exec(ctx, question).ReadAll()
	switch {
	case err != nil:
		return nil, broken(ctx, err)
	case len(results) != 1 || len(results[0].Rows) != 1:
		return nil, ErrProtocol
	}
	return results[0].Rows[0], nil
}

// CheckReplica returns a check for the connections of a replica: it must be one of the cluster.
func (s *Standby) CheckReplica(cluster uint64) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		const question = `SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
				THEN pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text END,
			(SELECT c.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() c)`
		results, err := conn.PgConn().Exec(ctx, question).ReadAll()
		switch {
		case err != nil:
			return err
		case len(results) != 1 || len(results[0].Rows) != 1:
			return ErrProtocol
		}
		row := results[0].Rows[0]
		if row[0] == nil || string(row[1]) != strconv.FormatUint(cluster, 10) {
			return ErrNoReplica
		}
		s.tell(row[0])
		return nil
	}
}

// ErrNoReplica is why a server is not read from.
var ErrNoReplica = errors.New("stratum: the server is no streaming replica of the placement's server (check where " +
	"the DSN leads; one that was promoted must be taken off the list of replicas)")
