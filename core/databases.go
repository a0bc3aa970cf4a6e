package core

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/provision"
)

// databases are those beside the registry's that statements have been led to. Each is a few hundred bytes: connections
// are opened when they are needed, within the budgets of the handle, and closed when others need them more.
type databases struct {
	st *Stratum

	mu       sync.Mutex
	byKey    map[databaseKey]*opening
	logins   map[string]*satelliteLogins // by placement
	standbys map[standbyKey]*guard.Standby
	closed   bool
}

// databaseKey names a database: a placement's, or that of the tenant with the label, which is beside it.
type databaseKey struct{ placement, label string }

// opening is a database that is being made known, once, however many ask for it.
type opening struct {
	done     chan struct{}
	database *guard.Database
	err      error
}

// satelliteLogins are what a look at a placement's logins has found out, for all databases there.
type satelliteLogins struct {
	placement    Placement
	data, system login
}

func newDatabases(st *Stratum) *databases {
	return &databases{
		st: st, byKey: make(map[databaseKey]*opening), logins: make(map[string]*satelliteLogins),
		standbys: make(map[standbyKey]*guard.Standby),
	}
}

// get returns the database of a placement, or with a label that of a tenant. It asks the registry once; from then on
// the database is reached without it.
func (d *databases) get(ctx context.Context, placement, label string) (*guard.Database, error) {
	key := databaseKey{placement, label}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, ErrClosed
	}
	o, ok := d.byKey[key]
	if !ok {
		o = &opening{done: make(chan struct{})}
		d.byKey[key] = o
		d.mu.Unlock()
		d.open(ctx, key, o)
		return o.database, o.err
	}
	d.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if o.err != nil && ctx.Err() == nil && isContextError(o.err) { // whoever was first has given up
		return d.get(ctx, placement, label)
	}
	return o.database, o.err
}

// open makes a database known. One that failed is tried again by the next who asks.
func (d *databases) open(ctx context.Context, key databaseKey, o *opening) {
	o.database, o.err = d.make(ctx, key)
	d.mu.Lock()
	if o.err != nil || d.closed {
		delete(d.byKey, key)
	}
	if d.closed && o.err == nil {
		o.err = errors.Join(ErrClosed, o.database.Close())
	}
	d.mu.Unlock()
	close(o.done)
}

func (d *databases) make(ctx context.Context, key databaseKey) (*guard.Database, error) {
	// Both are asked for before a connection is borrowed: what is held then must not wait for more.
	registry, err := d.st.registry.get(ctx, d.st)
	if err != nil {
		return nil, err
	}
	logins, err := d.loginsOf(ctx, key.placement)
	if err != nil {
		return nil, &guard.PlacementError{Placement: key.placement, Err: guard.Unreached(err)}
	}
	check := &satelliteCheck{st: d.st, key: key, registry: registry}
	name := ""
	if key.label != "" {
		name = d.st.databaseName(registry, key.label)
	}
	data, err := d.pool(ctx, check, poolOptions{login: logins.data, reference: logins.placement.DSN, database: name})
	if err != nil {
		return nil, err
	}
	system, err := d.pool(ctx, check, poolOptions{
		login: logins.system, reference: logins.placement.SystemDSN, database: name, system: true,
	})
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	d.st.keepCurrent(ctx)
	proof := func(ctx context.Context) (proof []byte, err error) { return d.st.proofKeyOf(ctx, system) }
	database := guard.NewDatabase(key.placement, data, system, proof)
	database.Replicas = (&replicaSource{
		st: d.st, placement: key.placement, database: name, data: logins.data, system: logins.system,
		dataReference: logins.placement.DSN, systemReference: logins.placement.SystemDSN, pool: system,
	}).replicas()
	return database, nil
}

// databaseName is that of a tenant's own database. A server has the databases of several applications, hence the
// prefix, and several registries of one application, as for tests, hence the registry.
func (s *Stratum) databaseName(registry uuid.UUID, label string) string {
	return s.databasePrefix(registry) + "t_" + label
}

func (s *Stratum) databasePrefix(registry uuid.UUID) string {
	return s.options.RolePrefix + "_" + hex.EncodeToString(registry[:4]) + "_"
}

// loginsOf looks at the logins of a placement, once.
func (d *databases) loginsOf(ctx context.Context, placement string) (*satelliteLogins, error) {
	d.mu.Lock()
	found := d.logins[placement]
	d.mu.Unlock()
	if found != nil {
		return found, nil
	}
	if placement == homePlacement {
		found = &satelliteLogins{data: d.st.dataLogin, system: d.st.systemLogin}
	} else {
		p, err := d.st.Placements.find(ctx, placement)
		if err != nil {
			return nil, err
		}
		if found, err = d.st.probePlacement(ctx, p); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	d.logins[placement] = found
	d.mu.Unlock()
	return found, nil
}

// probePlacement looks at the logins of a placement as Open does at those of the registry's database.
func (s *Stratum) probePlacement(ctx context.Context, p Placement) (*satelliteLogins, error) {
	found := &satelliteLogins{placement: p}
	for _, purpose := range []struct {
		login     *login
		name      string
		reference string
		purpose   install.Purpose
		budget    *guard.Budget
	}{
		{&found.data, "DSN", p.DSN, install.ForData, s.budget},
		{&found.system, "SystemDSN", p.SystemDSN, install.ForSystem, s.systemBudget},
	} {
		config, err := s.config(ctx, credentials{name: purpose.name, reference: purpose.reference})
		if err != nil {
			return nil, err
		}
		*purpose.login, err = s.probeWithin(ctx, purpose.budget, config, purpose.purpose)
		if err != nil {
			return nil, err
		}
	}
	if err := s.hardenedMode(&found.data); err != nil {
		return nil, err
	}
	return found, nil
}

// poolOptions say how a pool of a satellite connects.
type poolOptions struct {
	login     login
	reference string // empty for the DSNs of Options
	database  string // replaces the DSN's, or is empty
	system    bool
}

func (d *databases) pool(ctx context.Context, checked *satelliteCheck, o poolOptions) (*guard.Pool, error) {
	s := d.st
	config := o.login.config.Copy()
	if o.database != "" {
		config.ConnConfig.Database = o.database
	}
	o.login.config = config
	options := guard.PoolConfig{
		System: o.system, Budget: s.budget, IdleTimeout: s.options.PoolIdleTime, Check: checked.check,
	}
	size := s.options.MaxConns
	if o.system {
		size, options.Budget = s.options.SystemMaxConns, s.systemBudget
	}
	if o.reference != "" {
		options.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
			return s.renew(ctx, o, c)
		}
	}
	return s.openPool(ctx, o.login, size, options)
}

// renew takes the address and the password that the reference leads to now.
func (s *Stratum) renew(ctx context.Context, o poolOptions, c *pgx.ConnConfig) error {
	fresh, err := s.config(ctx, credentials{reference: o.reference, database: o.database})
	if err != nil {
		return err
	}
	now := fresh.ConnConfig
	c.Host, c.Port, c.User, c.Password, c.TLSConfig = now.Host, now.Port, now.User, now.Password, now.TLSConfig
	c.Fallbacks = now.Fallbacks
	return nil
}

// satelliteCheck looks at a satellite with the first connection that is made to it: a database that is another
// registry's, or whose schema does not serve this program, gets no statement.
type satelliteCheck struct {
	st       *Stratum
	key      databaseKey
	registry uuid.UUID

	mu   sync.Mutex
	done bool
}

func (c *satelliteCheck) check(ctx context.Context, conn *pgx.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return nil
	}
	state, err := install.ReadState(ctx, conn)
	if err == nil {
		err = state.Check()
	}
	if err == nil {
		err = state.CheckPrefix(c.st.roles)
	}
	if err == nil {
		err = c.checkSite(ctx, conn)
	}
	c.done = err == nil
	return err
}

func (c *satelliteCheck) checkSite(ctx context.Context, conn *pgx.Conn) error {
	var found provision.Site
	err := conn.QueryRow(ctx, provision.SiteSQL, pgx.QueryExecModeExec).
		Scan(&found.Registry, &found.Placement, &found.Label, &found.Shared)
	if err != nil {
		return fmt.Errorf("stratum: reading what the database is: %w", err)
	}
	if found != (provision.Site{
		Registry: c.registry, Placement: c.key.placement, Label: c.key.label, Shared: c.key.label == "",
	}) {
		return errForeignSite
	}
	return nil
}

// close closes all of them, and refuses more.
func (d *databases) close() error {
	d.mu.Lock()
	d.closed = true
	all := d.byKey
	d.byKey = make(map[databaseKey]*opening)
	d.mu.Unlock()
	var errs []error
	for _, o := range all {
		select {
		case <-o.done:
			if o.database != nil && o.err == nil {
				errs = append(errs, o.database.Close())
			}
		default: // open closes it
		}
	}
	return errors.Join(errs...)
}

// forget drops what is known of a placement, whose references may have changed.
func (d *databases) forget(placement string) {
	d.mu.Lock()
	delete(d.logins, placement)
	var dropped []*opening
	for key, o := range d.byKey {
		if key.placement != placement {
			continue
		}
		select {
		case <-o.done:
			delete(d.byKey, key)
			dropped = append(dropped, o)
		default:
		}
	}
	d.mu.Unlock()
	d.st.router.forget(placement)
	if placement == homePlacement {
		_ = d.st.router.home.Database.Replicas.Forget() // as below
	}
	for _, o := range dropped {
		if o.database != nil {
			_ = o.database.Close() // whoever still uses it finishes; what is left is closed as it comes back
		}
	}
}

// drop forgets the database of a tenant, which is about to go.
func (d *databases) drop(placement, label string) error {
	d.mu.Lock()
	o := d.byKey[databaseKey{placement, label}]
	delete(d.byKey, databaseKey{placement, label})
	d.mu.Unlock()
	if o == nil {
		return nil
	}
	<-o.done
	if o.database == nil {
		return nil
	}
	return o.database.Close()
}

// probeWithin looks at a login over a connection that counts in the budget.
func (s *Stratum) probeWithin(
	ctx context.Context, budget *guard.Budget, config *pgxpool.Config, purpose install.Purpose,
) (l login, err error) {
	if err := guard.CheckMode(config.ConnConfig.DefaultQueryExecMode); err != nil {
		return l, err
	}
	plain := config.Copy()
	plain.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // which leaves nothing behind at a pooler
	pool, err := guard.NewPool(ctx, guard.PoolConfig{
		Pool: plain, Budget: budget, Forms: s.forms, Check: func(ctx context.Context, conn *pgx.Conn) (err error) {
			l, err = s.inspect(ctx, conn, config, purpose)
			return err
		},
	})
	if err != nil {
		return l, err
	}
	return l, errors.Join(pool.Ping(ctx), pool.Close())
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// errForeignSite refuses a database that answers where a satellite was expected.
var errForeignSite = fmt.Errorf("%w: the database there is another application's, or another tenant's (check "+
	"where the "+
	"reference leads)", ErrPlacement)
