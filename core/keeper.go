package core

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/copies"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// keeper keeps the copies of global tables in other databases current, from the moment on at which this handle has to
// do with one. Of all programs on a registry one works, and the others stand by.
type keeper struct {
	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	stopped bool
}

// start begins to follow, unless that has begun.
func (s *Stratum) keepCurrent(ctx context.Context) {
	k := &s.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cancel != nil || k.stopped || s.options.NoCopies {
		return
	}
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.done = make(chan struct{})
	go func() {
		defer close(k.done)
		_ = copies.Follow(ctx, copies.Config{ // it ends with ctx, and tells the logger of what else goes wrong
			Connect: func(ctx context.Context) (*pgx.Conn, error) {
				return s.Tenants.builder.connect(ctx, Placement{Name: homePlacement}, "")
			},
			Targets: s.destinations, Logger: s.options.Logger,
		})
	}()
}

func (k *keeper) close() {
	k.mu.Lock()
	k.stopped = true
	cancel, done := k.cancel, k.done
	k.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// destinations are the databases with copies.
func (s *Stratum) destinations(ctx context.Context) ([]copies.Destination, error) {
	model, err := s.Tenants.builder.model(ctx)
	if errors.Is(err, provision.ErrNoModel) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tables := copied(model)
	var found []copies.Destination
	for t, err := range s.Fleet.list(ctx) {
		if err != nil {
			return nil, err
		}
		destination := copies.Destination{Name: t.ID, Tables: tables}
		switch {
		case t.ID == homePlacement+"/shared":
			continue
		case t.Isolation == SchemaIsolation:
			if destination = s.mixedIn(t, model); len(destination.Tables) == 0 {
				continue
			}
		}
		destination.Connect = s.ownerConnect(t)
		found = append(found, destination)
	}
	return found, nil
}

// mixedIn is what a tenant's own schema has copies of: everyone's rows of mixed tables. Global tables are within reach.
func (s *Stratum) mixedIn(t FleetTarget, model shape.Model) copies.Destination {
	schema := location{isolation: t.Isolation, label: t.Label}.schema()
	d := copies.Destination{Name: t.ID, Schemas: make(map[string]string)}
	for _, table := range copied(model) {
		if table.TenantColumn != "" {
			d.Tables = append(d.Tables, table)
			d.Schemas[table.Schema] = schema
		}
	}
	return d
}

func (s *Stratum) ownerConnect(t FleetTarget) func(ctx context.Context) (*pgx.Conn, error) {
	database := ""
	if t.Isolation == DatabaseIsolation {
		database = t.ID[len(t.Placement)+1:]
	}
	return func(ctx context.Context) (*pgx.Conn, error) {
		p, err := s.placement(ctx, t.Placement)
		if err != nil {
			return nil, err
		}
		return s.Tenants.builder.connect(ctx, p, database)
	}
}

// CopyLag is how far the copy of a global table in another database is behind.
type CopyLag struct {
	// Target is the database, as in Fleet.Targets, and Table the table.
	Target, Table string
	// Never is set where nothing was ever copied, or the table's columns have changed since.
	Never bool
	// Changes is how many committed transactions the copy lacks, and Age how long ago the oldest of them was.
	Changes int64
	Age     time.Duration
	// RefreshedAt is when the copy was last written or compared.
	RefreshedAt time.Time
	// Err is why the database could not be looked at, or nil.
	Err error
}

// Lag says how far the copies of global tables in other databases are behind. Copies that lack nothing are listed, too.
func (p *Placements) Lag(ctx context.Context) ([]CopyLag, error) {
	if err := p.checkCaller(ctx); err != nil {
		return nil, operationError("copy lag", err)
	}
	destinations, err := p.st.destinations(ctx)
	if err != nil {
		return nil, operationError("copy lag", err)
	}
	var lags []CopyLag
	for _, d := range destinations {
		lags = append(lags, p.lagOf(ctx, d)...)
	}
	return lags, nil
}

func (p *Placements) lagOf(ctx context.Context, d copies.Destination) []CopyLag {
	found, err := p.readLag(ctx, d)
	if err != nil {
		return []CopyLag{{Target: d.Name, Err: err}}
	}
	lags := make([]CopyLag, len(found))
	for i, l := range found {
		lags[i] = CopyLag{
			Target: d.Name, Table: l.Schema + "." + l.Name, Never: l.Never, Changes: l.Changes, Age: l.Age,
			RefreshedAt: l.RefreshedAt,
		}
	}
	return lags
}

func (p *Placements) readLag(ctx context.Context, d copies.Destination) (lag []copies.TableLag, err error) {
	home, err := p.st.OwnerDB(access.Token{})
	if err != nil {
		return nil, err
	}
	target, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.Close(context.WithoutCancel(ctx))) }()
	err = lend(ctx, home, func(source *pgx.Conn) error {
		lag, err = copies.Lag(ctx, source, copies.Target{Conn: target, Schemas: d.Schemas}, d.Tables)
		return err
	})
	return lag, err
}

// watch has changes of global tables noted, so that copies know what they lack, and sees that somebody follows them.
func (b *builder) watch(ctx context.Context, model shape.Model) error {
	b.st.keepCurrent(ctx)
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	return inOwnerTx(ctx, db, func(tx *sql.Tx) error { return copies.Install(ctx, tx, copied(model)) })
}
