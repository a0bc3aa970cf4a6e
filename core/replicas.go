package core

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// WithReplica returns a context whose reads may go to a streaming replica of the database where they would otherwise
// run: Options.ReplicaDSNs, and Placement.ReplicaDSNs. It goes with any scope, and stays when the scope changes.
//
// To a replica go, with the rights and limits that they have on the primary: queries outside a transaction (SELECT,
// WITH, VALUES and TABLE; not those that write, lock rows or take an advisory lock, and nothing that is sent with
// Exec), a Lookup, and transactions that begin read-only. All else goes to the primary, as a transaction does that
// begins read-write, with every statement in it. What a function writes that a query calls, a replica refuses: whatever
// a replica refuses is sent once more to the primary, unless it is a transaction that has begun, or has handed out
// rows, or is a wrong value (SQLSTATE class 22) or a statement whose time is up. So no write fails because of
// WithReplica, except that of a function that handles the refusal itself. A read sees one snapshot, that of its
// admission; a read-only transaction has the isolation level repeatable read there.
//
// A read sees the tenant's own writes: what was written in this process for the same tenant, with WithTenant,
// WithSubtree or AsSystemAt, and for AsSystem what AsSystem wrote. As long as no replica has replayed those, reads go
// to the primary; nothing ever waits for a replica. WriteToken and AfterWrite do the same across tenants and processes.
//
// Otherwise a replica shows what had been written a moment ago. That is true of a tenant's status too: a tenant that is
// suspended is refused there as soon as the replica has replayed that. Options.MaxReplicaLag bounds the moment.
//
// Reads are spread over several replicas by chance. One that does not answer is left alone for a while, up to half a
// minute, and reads go to others or to the primary. Where a connection breaks, or the replica cancels a query for what
// it replays (SQLSTATE 40001), after rows were handed out, the error is the reader's.
func WithReplica(ctx context.Context) context.Context { return scope.WithReplica(ctx) }

// WriteToken returns a token of all that was committed before in the database where statements of ctx run, for
// AfterWrite. Hand it to whoever is to read it, such as the next request of the same user, which another process may
// serve. It costs a round trip to the primary, and says nothing of tenants.
func (s *Stratum) WriteToken(ctx context.Context) (string, error) {
	at, err := s.guard.Position(ctx)
	if err != nil {
		return "", fmt.Errorf("stratum: write token: %w", err)
	}
	return strconv.FormatUint(at.Cluster, tokenBase) + "-" + strconv.FormatUint(at.LSN, tokenBase), nil
}

const tokenBase = 36

// AfterWrite returns a context whose reads under WithReplica see all that the token of WriteToken stands for: they go
// to the primary as long as no replica does. An empty token is none. A token that is none of the placement's server has
// them all go to the primary; of several, those of other servers are passed over as long as one is of this.
func AfterWrite(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	// Whatever is wrong with the token, it must not be passed over: there is no such server.
	p := scope.Position{LSN: math.MaxUint64}
	cluster, lsn, _ := strings.Cut(token, "-")
	if c, err := strconv.ParseUint(cluster, tokenBase, 64); err == nil {
		if l, err := strconv.ParseUint(lsn, tokenBase, 64); err == nil {
			p = scope.Position{Cluster: c, LSN: l}
		}
	}
	return scope.After(ctx, p)
}

// replicaTimeout is how long a replica may take to accept a connection, where its DSN has no connect_timeout.
const replicaTimeout = 2 * time.Second

// replicaSource is what is known of the database that replicas are sought of.
type replicaSource struct {
	st        *Stratum
	placement string
	database  string // replaces the DSNs', or is empty
	// What was found out about the primary's logins, and where they come from; no references for home.
	data, system                   login
	dataReference, systemReference string
	pool                           *guard.Pool // of the system, to the primary
}

// replicas returns the replicas of a database, which are looked for when they are first wanted.
func (r *replicaSource) replicas() *guard.Replicas {
	return guard.NewReplicas(guard.ReplicasConfig{
		Find: r.find, MaxLag: r.st.options.MaxReplicaLag,
		Report: func(ctx context.Context, err error) {
			r.st.options.Logger.WarnContext(ctx, "stratum: a replica cannot be used for now; its reads go elsewhere",
				"placement", r.placement, "error", err)
		},
	})
}

// address leads to a replica: a reference, or for home a DSN of Options.
type address struct{ reference, dsn string }

// find asks which replicas there are.
func (r *replicaSource) find(ctx context.Context) (*guard.Found, error) {
	addresses, err := r.addresses(ctx)
	if err != nil || len(addresses) == 0 {
		return &guard.Found{}, err
	}
	at, err := r.pool.Position(ctx)
	if err != nil {
		return nil, err
	}
	found := &guard.Found{Cluster: at.Cluster}
	for _, a := range addresses {
		replica, err := r.open(ctx, a, at.Cluster)
		if err != nil {
			return nil, err
		}
		found.Replicas = append(found.Replicas, replica)
	}
	return found, nil
}

func (r *replicaSource) addresses(ctx context.Context) (all []address, err error) {
	if r.placement == homePlacement && len(r.st.options.ReplicaDSNs) > 0 {
		for _, dsn := range r.st.options.ReplicaDSNs {
			all = append(all, address{dsn: dsn})
		}
		return all, nil
	}
	p, err := r.st.Placements.find(ctx, r.placement)
	for _, reference := range p.ReplicaDSNs {
		all = append(all, address{reference: reference})
	}
	return all, err
}

// open prepares the pools that lead to a replica. Nothing is connected yet.
func (r *replicaSource) open(ctx context.Context, a address, cluster uint64) (*guard.Replica, error) {
	standby := r.st.databases.standby(r.placement, a)
	check := standby.CheckReplica(cluster)
	data, err := r.pooled(ctx, a, guard.PoolConfig{Budget: r.st.budget, Check: check})
	if err != nil {
		return nil, err
	}
	system, err := r.pooled(ctx, a, guard.PoolConfig{Budget: r.st.systemBudget, Check: check, System: true})
	if err != nil {
		return nil, err // the other pool has connected to nothing
	}
	return &guard.Replica{Standby: standby, Data: data, System: system}, nil
}

// pooled makes one of the pools: with the primary's login and the replica's address.
func (r *replicaSource) pooled(ctx context.Context, a address, options guard.PoolConfig) (*guard.Pool, error) {
	s := r.st
	l, reference, size := r.data, r.dataReference, s.options.MaxConns
	if options.System {
		l, reference, size = r.system, r.systemReference, s.options.SystemMaxConns
	}
	l.config = l.config.Copy()
	config := l.config.ConnConfig
	if r.database != "" {
		config.Database = r.database
	}
	// A reference that leads nowhere now is followed again with each connection.
	if target, err := s.config(ctx, credentials{reference: a.reference, dsn: a.dsn}); err == nil {
		move(config, target.ConnConfig)
		if mode := target.ConnConfig.DefaultQueryExecMode; mode == pgx.QueryExecModeCacheDescribe ||
			mode == pgx.QueryExecModeDescribeExec {
			config.DefaultQueryExecMode, l.pooled = mode, true
			delete(config.RuntimeParams, "search_path")
		}
	}
	options.Replica, options.IdleTimeout = true, s.options.PoolIdleTime
	options.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		return s.renewReplica(ctx, a, reference, c)
	}
	return s.openPool(ctx, l, size, options)
}

// move has a connection lead to a replica.
func move(c, to *pgx.ConnConfig) {
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = to.Host, to.Port, to.TLSConfig, to.Fallbacks
	// The primary's may ask for a server that takes writes.
	c.ValidateConnect = to.ValidateConnect
	if c.ConnectTimeout = to.ConnectTimeout; c.ConnectTimeout == 0 {
		c.ConnectTimeout = replicaTimeout
	}
}

// renewReplica takes the address that the replica's reference leads to now, and the password that the primary's does.
func (s *Stratum) renewReplica(ctx context.Context, a address, reference string, c *pgx.ConnConfig) error {
	if reference != "" {
		login, err := s.config(ctx, credentials{reference: reference})
		if err != nil {
			return err
		}
		c.User, c.Password = login.ConnConfig.User, login.ConnConfig.Password
	}
	if a.reference == "" {
		return nil
	}
	target, err := s.config(ctx, credentials{reference: a.reference})
	if err == nil {
		move(c, target.ConnConfig)
	}
	return err
}

// standby returns what is known of a replica's server, the same for all databases on it.
func (d *databases) standby(placement string, a address) *guard.Standby {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := standbyKey{placement, a}
	if d.standbys[key] == nil {
		d.standbys[key] = new(guard.Standby)
	}
	return d.standbys[key]
}

type standbyKey struct {
	placement string
	address   address
}
