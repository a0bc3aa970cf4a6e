package core_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
)

// TestSystemBudget holds that nothing of the system waits for a second connection while it has one: with one for all of
// them, whatever is asked for ends.
func TestSystemBudget(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.register(t, "eu1")
	e.register(t, "eu2")
	var tenants []core.Tenant
	for n := range 9 {
		tenants = append(tenants, e.create(t, core.NewTenant{
			Slug: slugOf("t", n), Isolation: isolations()[n%3], Placement: []string{"home", "eu1", "eu2"}[n/3],
		}))
	}
	for _, most := range []int{1, 2} {
		st := e.open(t, func(o *core.Options) {
			o.MaxConns, o.SystemMaxConns, o.PoolIdleTime = most, most, 20*time.Millisecond
		})
		e.hurry(t, st, most, tenants)
	}
}

// hurry does all that needs the system at once.
func (e estate) hurry(t *testing.T, st *core.Stratum, most int, tenants []core.Tenant) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	db := st.DB()
	ops := []func(n int) error{
		func(n int) error { return second(st.Tenants.Get(ctx, tenants[n%9].ID)) },
		func(int) error { return second(st.Tenants.List(ctx, core.ListOptions{})) },
		func(int) error { return second(st.Placements.Health(ctx)) },
		func(int) error { return second(st.Placements.List(ctx)) },
		func(n int) error { return second(notes(ctx, db, tenants[n%9].ID)) },
		func(n int) error {
			return db.QueryRowContext(core.AsSystemAt(ctx, "a test", tenants[n%9].ID), "SELECT count(*) FROM notes").Scan(new(int))
		},
		func(n int) error {
			at := core.AsSystemAt(ctx, "a test", tenants[n%9].ID)
			tx, err := db.BeginTx(at, nil)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(at, "SELECT 1")
			return errors.Join(err, tx.Rollback())
		},
		func(n int) error {
			err := db.QueryRowContext(core.WithSubtree(ctx, tenants[n%9].ID), "SELECT count(*) FROM notes").Scan(new(int))
			return err
		},
		func(n int) error {
			slug := fmt.Sprintf("new-%d-%d", most, n)
			return second(st.Tenants.Create(ctx, core.NewTenant{
				Name: slug, Slug: slug, Isolation: isolations()[n%2], Placement: []string{"home", "eu1", "eu2"}[n%3],
			}))
		},
		func(n int) error {
			err := st.Tenants.Suspend(ctx, tenants[n%9].ID)
			if err == nil {
				err = st.Tenants.Resume(ctx, tenants[n%9].ID)
			}
			return err
		},
		func(int) error { return second(st.Tenants.Reconcile(ctx, core.ReconcileOptions{})) },
		func(int) error {
			return second(st.Tenants.ForEach(ctx, core.ForEachOptions{Tenants: ids(tenants)},
				func(ctx context.Context, _ core.Tenant) error {
					_, err := db.ExecContext(ctx, "SELECT 1")
					return err
				}))
		},
		func(int) error { return second(st.Verify(ctx)) },
	}
	var work sync.WaitGroup
	for n := range 4 * len(ops) {
		work.Go(func() {
			err := ops[n%len(ops)](n / len(ops))
			if err != nil && !errors.Is(err, core.ErrTenantNotActive) && !errors.Is(err, core.ErrTenantState) {
				t.Errorf("%d: %v", n%len(ops), err)
			}
		})
	}
	work.Wait()
}

// storm is a mix of tenants that many work as at once.
type storm struct {
	estate
	tenants  []core.Tenant
	failures atomic.Int64
	done     atomic.Int64
}

// TestStorm has 48 goroutines work as thirty tenants, ten of each isolation, over a budget of a few connections, with
// cancellations at random: nobody meets another's rows, and the budget is never passed.
func TestStorm(t *testing.T) {
	t.Parallel()
	const most, system, each = 8, 4, 10
	s := &storm{estate: newEstate(t)}
	for n := range 3 * each {
		tenant := s.create(t, core.NewTenant{Slug: slugOf("t", n), Isolation: isolations()[n%3]})
		note(t, s.st, tenant.ID, tenant.ID.String())
		s.tenants = append(s.tenants, tenant)
	}
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: []string{s.DSN, s.SystemDSN}, PoolSize: 4})
	require.NoError(t, err)
	defer func() { require.NoError(t, bouncer.Close()) }()
	for _, by := range []string{"direct", "PgBouncer"} {
		o := s.options(func(o *core.Options) {
			o.MaxConns, o.SystemMaxConns, o.NoCopies = most, system, true
			if by == "PgBouncer" {
				o.DSN, o.SystemDSN = bouncer.DSN(s.DSN), bouncer.DSN(s.SystemDSN)
			}
		})
		st, err := core.Open(t.Context(), o)
		require.NoError(t, err)
		stop := s.watch(t, by == "direct", most, system)
		var work sync.WaitGroup
		for range 48 {
			work.Go(func() {
				for range 25 {
					s.work(t, st)
				}
			})
		}
		work.Wait()
		stop()
		for _, tenant := range s.tenants {
			s.requireOwn(t, st, tenant)
		}
		require.NoError(t, st.Close())
	}
	require.Greater(t, s.done.Load(), 2*s.failures.Load(), "most of it works")
	require.NoError(t, s.st.Close())
	require.Eventually(t, func() bool {
		return ask[int](t, s.AdminDSN, "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", s.Name+"_owner") == 0
	}, time.Minute, 20*time.Millisecond)
}

// watch counts the connections of the logins until it is stopped.
func (s *storm) watch(t *testing.T, counts bool, most, system int) (stop func()) {
	t.Helper()
	ended, done := make(chan struct{}), make(chan struct{})
	conn, err := pgx.Connect(t.Context(), s.AdminDSN)
	require.NoError(t, err)
	before := s.connections(t, conn) // of the handle that made the tenants
	go func() {
		defer close(done)
		for {
			select {
			case <-ended:
				return
			default:
			}
			now := s.connections(t, conn)
			if counts && (now[0]-before[0] > most || now[1]-before[1] > system) {
				t.Errorf("%v connections, before %v", now, before)
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-done
		require.NoError(t, conn.Close(t.Context()))
	}
}

// connections are those of tenants and those of the system.
func (s *storm) connections(t *testing.T, conn *pgx.Conn) (n [2]int) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE usename = $1), count(*) FILTER (WHERE usename = $2)
		FROM pg_stat_activity`, s.Name+"_app", s.Name+"_system").Scan(&n[0], &n[1])
	if err != nil {
		t.Errorf("looking at connections: %v", err)
	}
	return n
}

// work does one thing as one tenant, and gives up at a random moment now and then.
func (s *storm) work(t *testing.T, st *core.Stratum) {
	t.Helper()
	tenant := s.tenants[rand.N(len(s.tenants))]
	ctx := core.WithTenant(t.Context(), tenant.ID)
	cancelled := rand.N(5) == 0
	if cancelled {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rand.N(20*time.Millisecond))
		defer cancel()
	}
	err := s.one(ctx, st, tenant, rand.N(5))
	switch {
	case err == nil:
		s.done.Add(1)
	case cancelled && ctx.Err() != nil:
		s.failures.Add(1)
	default:
		t.Errorf("%s: %v", tenant.Isolation, err)
	}
}

var errForeignRow = errors.New("a row of another tenant")

// one is a statement or a transaction. Each body is the id of its tenant.
func (s *storm) one( //nolint:gocyclo // a case for each kind
	ctx context.Context, st *core.Stratum, tenant core.Tenant, kind int,
) error {
	db, own := st.DB(), tenant.ID.String()
	const all = "SELECT body, tenant_id::text FROM notes ORDER BY id LIMIT 20"
	switch kind {
	case 0:
		_, err := db.ExecContext(ctx, "INSERT INTO notes (body) VALUES ($1)", own)
		return err
	case 1, 2:
		rows, err := db.QueryContext(ctx, all)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // left open on purpose, by half of them
		for n := 0; rows.Next() && (kind == 1 || n < 1); n++ {
			var body, owner string
			if err := rows.Scan(&body, &owner); err != nil {
				return err
			}
			if body != own || owner != own {
				return errForeignRow
			}
		}
		return rows.Err()
	case 3:
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // it may be committed
		if _, err := tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ($1)", own); err != nil {
			return err
		}
		var others int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM notes WHERE body <> $1", own).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return errForeignRow
		}
		return tx.Commit()
	}
	at, cancel := context.WithCancel(core.AsSystemAt(ctx, "a test counts", tenant.ID))
	defer cancel()
	var n int
	if err := db.QueryRowContext(at, "SELECT count(*) FROM notes WHERE tenant_id = $1", tenant.ID).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return errors.New("the tenant's rows are not there")
	}
	return nil
}

// requireOwn looks, past all routing, that a tenant's rows are where they belong and nowhere else.
func (s *storm) requireOwn(t *testing.T, st *core.Stratum, tenant core.Tenant) {
	t.Helper()
	var n int
	require.NoError(t, st.DB().QueryRowContext(core.WithTenant(t.Context(), tenant.ID),
		"SELECT count(*) FROM notes WHERE body <> $1", tenant.ID.String()).Scan(&n))
	require.Zero(t, n)
	shared := ask[int](t, s.AdminDSN, "SELECT count(*) FROM public.notes WHERE tenant_id = $1", tenant.ID)
	require.Equal(t, tenant.Isolation == core.SharedIsolation, shared > 0, "rows of %s in the shared tables", tenant.Isolation)
}
