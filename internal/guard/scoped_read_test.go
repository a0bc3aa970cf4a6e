package guard_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// TestLookupRoundTrips and what it leaves on the connection: nothing, and the system may write after it.
func TestLookupRoundTrips(t *testing.T) {
	t.Parallel()
	for _, s := range modes() {
		h := newDatabase(t).open(t, s)
		h.exec(h.as(h.acme), insertNote, "acme's")
		l, err := core.NewLookup[uuid.UUID](h.Stratum, "owner", "SELECT tenant_id FROM notes WHERE body = $1 AND tenant_id = $2")
		require.NoError(t, err)
		h.count(h.system())
		clean := h.look(scope.System)
		run := func() {
			found, err := l.One(t.Context(), "acme's", h.acme)
			require.NoError(t, err)
			require.Equal(t, h.acme, found)
		}
		require.Equal(t, trips[s.mode].first, h.trips(run), s.name())
		require.Equal(t, trips[s.mode].steady, h.trips(run), s.name())
		failing, err := core.NewLookup[int](h.Stratum, "failing", "SELECT 1 / count(*) FROM notes WHERE body = $1")
		require.NoError(t, err)
		for range 3 {
			_, err = failing.One(t.Context(), "nobody's")
			require.ErrorContains(t, err, "division by zero")
		}
		require.Equal(t, clean, h.look(scope.System))
		require.Zero(t, h.lent())
		h.exec(h.system(), "DELETE FROM notes WHERE tenant_id = $1", h.acme)
		require.Zero(t, h.trips(func() {
			_, err := l.One(h.as(h.acme), "x", h.acme)
			require.ErrorIs(t, err, core.ErrLookupScope)
		}))
	}
}

// TestLookupSurvives a connection that was cut, a table that changed, and a scan that panics.
func TestLookupSurvives(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{mode: cacheStatement})
	l, err := core.NewLookup[int](h.Stratum, "columns", "SELECT (to_jsonb(n)->>'code')::int FROM (SELECT * FROM notes) n")
	require.NoError(t, err)
	star, err := core.NewLookup[[]any](h.Stratum, "all columns", "SELECT array_agg(n) FROM (SELECT * FROM notes) n")
	require.NoError(t, err)
	for range 2 {
		_, err = l.All(t.Context())
		require.NoError(t, err)
		h.proxy.Cut()
	}
	for i := range 2 {
		_, err = star.All(t.Context())
		require.NoError(t, err)
		d.exec(t, fmt.Sprintf("ALTER TABLE notes ADD COLUMN more%d int", i))
	}
	panics, err := core.NewLookup[panicking](h.Stratum, "panicking", "SELECT generate_series(1, 3)")
	require.NoError(t, err)
	require.Panics(t, func() { _, _ = panics.All(t.Context()) })
	h.settle()
	_, err = l.All(t.Context())
	require.NoError(t, err)
}

type panicking struct{}

// Scan does what no Scan should.
func (*panicking) Scan(any) error { panic("in a scan") }

// TestScopedNames mean what they mean to the role that asks, also where the connection has run the text for another.
func TestScopedNames(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	child := func(h *handle) uuid.UUID {
		created, err := h.Tenants.Create(t.Context(), core.NewTenant{Name: "child", Slug: "child-" + uuid.NewString(), Parent: h.acme})
		require.NoError(t, err)
		return created.ID
	}
	d.exec(t, `CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC;
		CREATE TABLE other.countries (code int); GRANT SELECT ON other.countries TO PUBLIC; INSERT INTO other.countries VALUES (1)`)
	for _, mode := range []string{cacheStatement, cacheDescribe, describeExec, simpleProtocol} {
		h := d.open(t, setup{mode: mode})
		h.exec(h.as(child(h)), insertNote, "the child's")
		for range 2 {
			for ctx, want := range map[context.Context]int{h.as(h.acme): 0, core.WithSubtree(t.Context(), h.acme): 1} {
				require.NoError(t, h.BeginFunc(ctx, func(tx *core.Tx) error {
					var n int
					require.NoError(t, tx.QueryRow(ctx, "SELECT count(*) FROM notes").Scan(&n))
					require.Equal(t, want, n, mode)
					return nil
				}))
			}
		}
		options := d.options(setup{mode: mode})
		options.SearchPath = "other, public"
		elsewhere := openWith(t, options)
		for _, use := range []struct {
			h    *handle
			want any
		}{{h, "NL"}, {elsewhere, int32(1)}, {h, "NL"}} {
			ctx := use.h.as(use.h.acme)
			require.NoError(t, use.h.BeginFunc(ctx, func(tx *core.Tx) error {
				rows, _ := tx.Query(ctx, "SELECT code FROM countries")
				codes, err := pgx.CollectRows(rows, pgx.RowTo[any])
				require.Equal(t, []any{use.want}, codes, mode)
				return err
			}))
		}
	}
}

// TestScopedLimit counts a Tx as one, whatever goes on in it.
func TestScopedLimit(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).openLimited(t, setup{conns: 3}, core.Limits{Tenant: core.Limit{Concurrent: 1, Wait: core.NoWait}})
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		require.Zero(t, h.trips(func() {
			require.ErrorIs(t, h.BeginFunc(ctx, nil), core.ErrTenantBusy)
		}))
		for range 3 {
			_, err := tx.Exec(ctx, "SELECT 1")
			require.NoError(t, err)
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"notes"}, []string{"code"}, pgx.CopyFromRows([][]any{{1}}))
		require.NoError(t, err)
	})
	require.Zero(t, h.lines())
	require.Panics(t, func() { _ = h.begin(func(context.Context, *core.Tx) error { panic("here") }) })
	require.Error(t, h.begin(func(context.Context, *core.Tx) error { return errOwn }))
	require.NoError(t, h.Tenants.Suspend(t.Context(), h.acme))
	require.ErrorIs(t, h.BeginFunc(h.as(h.acme), nil), core.ErrTenantNotActive)
	require.Zero(t, h.lines())
}

// TestScopedInUse runs one statement at a time, and a callback cannot start another one.
func TestScopedInUse(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	h.inTx(func(ctx context.Context, tx *core.Tx) {
		n, err := tx.CopyFrom(ctx, pgx.Identifier{"notes"}, []string{"code"}, pgx.CopyFromSlice(1, func(int) ([]any, error) {
			_, err := tx.Exec(ctx, "SELECT 1")
			require.ErrorIs(t, err, core.ErrTxInUse)
			return []any{1}, nil
		}))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

// TestScopedStorm has batches, rows, copies and failures of many tenants on few connections, and goroutines that outlive
// their transactions.
func TestScopedStorm(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.openLimited(t, setup{conns: 4, system: 2}, core.Limits{Tenant: core.Limit{Concurrent: 2, Wait: waitFor}})
	s := newStorm(t, h)
	var group, late errgroup.Group
	for worker := range stormWorkers {
		random := rand.New(rand.NewPCG(17, uint64(worker)))
		group.Go(func() error {
			for range stormSteps {
				id := s.tenants[random.IntN(len(s.tenants))]
				if err := s.scoped(core.WithTenant(t.Context(), id), random, id, &late); !errors.Is(err, errOwn) {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.NoError(t, late.Wait())
	h.settle()
	require.Zero(t, h.lines())
	for _, id := range s.tenants {
		require.Equal(t, strconv.Itoa(stormRows), h.count(h.as(id)), "what was written was undone")
	}
	noLocks(t, d)
}

// scoped does it all in a transaction and takes it back with errOwn.
func (s *storm) scoped(ctx context.Context, random *rand.Rand, id uuid.UUID, late *errgroup.Group) error {
	return s.h.BeginFunc(ctx, func(tx *core.Tx) error {
		late.Go(func() error {
			rows, _ := tx.Query(ctx, "SELECT tenant_id FROM notes") // in use, done, or fine
			defer rows.Close()
			for rows.Next() {
				var owner uuid.UUID
				if rows.Scan(&owner) == nil && owner != id {
					return fmt.Errorf("%w: a goroutine outlived its transaction", errForeign)
				}
			}
			return nil
		})
		b := new(pgx.Batch)
		b.Queue("INSERT INTO notes (body) VALUES ('in a transaction')")
		b.Queue("SELECT tenant_id FROM notes").Query(func(rows pgx.Rows) error {
			owners, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			for _, owner := range owners {
				if owner != id {
					return fmt.Errorf("%w: of %s, seen by %s", errForeign, owner, id)
				}
			}
			return err
		})
		err := tx.SendBatch(ctx, b).Close()
		if random.IntN(2) == 0 {
			_, _ = tx.CopyFrom(ctx, pgx.Identifier{"notes"}, []string{"body"}, pgx.CopyFromRows([][]any{{"copied"}}))
		}
		if random.IntN(4) == 0 {
			_, _ = tx.Query(ctx, "SELECT generate_series(1, 100000)") //nolint:sqlclosecheck // it is left open
		}
		if errors.Is(err, errForeign) {
			return err
		}
		return errOwn
	})
}
