package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// begun begins a transaction and rolls it back.
func (h *handle) begun(ctx context.Context) error {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Rollback()
}

// A tenant that was found active is not looked up again; one that stops being active is refused by the next statement,
// whoever has changed it and by whatever door.
func TestStanding(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{}, {mode: cacheDescribe}, {mode: simpleProtocol}, {hardened: true}} {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			h := newDatabase(t).open(t, s)
			admin := h.d.admin(t)
			setStatus := func(status string) {
				_, err := admin.Exec(t.Context(), "UPDATE stratum.tenants SET status = $1 WHERE id = $2", status, h.acme)
				require.NoError(t, err)
			}
			ctx := h.as(h.acme)
			for range 2 {
				h.count(ctx)
				require.Equal(t, 1, h.trips(func() { h.count(ctx) }))
				setStatus("suspended")
				_, err := h.db.ExecContext(ctx, "DELETE FROM notes")
				require.ErrorIs(t, err, core.ErrTenantNotActive)
				require.ErrorIs(t, h.begun(ctx), core.ErrTenantNotActive)
				// Another tenant pays with one round trip, once: for a statement or for a transaction.
				require.LessOrEqual(t, h.trips(func() { h.count(h.as(h.globex)) }), 3)
				require.Equal(t, 1, h.trips(func() { h.count(h.as(h.globex)) }))
				setStatus("active")
			}
			h.count(ctx)
			setStatus("suspended")
			require.ErrorIs(t, h.begun(ctx), core.ErrTenantNotActive)
			require.NoError(t, h.begun(h.as(h.globex)))
			require.Equal(t, 2, h.trips(func() { require.NoError(t, h.begun(h.as(h.globex))) }))
			_, err := admin.Exec(t.Context(), "DELETE FROM stratum.tenants WHERE id = $1", h.acme)
			require.NoError(t, err)
			_, err = h.db.ExecContext(ctx, "DELETE FROM notes")
			require.ErrorIs(t, err, core.ErrTenantUnknown)
		})
	}
}

// Where the answer was not to be relied on, it is not kept.
func TestStandingOfAChangeOnItsWay(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := openWith(t, d.options(setup{}))
	ctx := h.as(h.acme)
	h.count(ctx)
	change, err := d.admin(t).Begin(t.Context())
	require.NoError(t, err)
	_, err = change.Exec(t.Context(), "SET CONSTRAINTS ALL IMMEDIATE")
	require.NoError(t, err)
	_, err = change.Exec(t.Context(), "UPDATE stratum.tenants SET status = 'suspended' WHERE id = $1", h.acme)
	require.NoError(t, err)
	h.count(ctx) // the epoch has turned, the status has not
	h.count(ctx)
	require.NoError(t, change.Commit(t.Context()))
	_, err = h.db.ExecContext(ctx, "DELETE FROM notes")
	require.ErrorIs(t, err, core.ErrTenantNotActive)
}

// TestNothingRunsBehindTheFence is what moving and purging a tenant will stand on: who has changed the status, and then
// has the tenant's lock alone, has seen the last statement of it.
func TestNothingRunsBehindTheFence(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := openWith(t, d.options(setup{conns: 6}))
	admin := d.admin(t)
	for round := range 15 {
		id := h.tenant("fenced")
		ctx, stop := context.WithCancel(core.WithTenant(t.Context(), id))
		var (
			workers sync.WaitGroup
			done    atomic.Int64
		)
		for worker := range 6 {
			workers.Go(func() {
				for ctx.Err() == nil {
					if err := addNote(ctx, h.db, worker%2 == 0); err == nil {
						done.Add(1)
					} else if errors.Is(err, core.ErrTenantNotActive) {
						return
					}
				}
			})
		}
		require.Eventually(t, func() bool { return done.Load() > int64(round) }, waitFor, tick)
		before := fence(t, admin, id)
		workers.Wait()
		stop()
		var after int
		require.NoError(t, admin.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE tenant_id = $1", id).Scan(&after))
		require.Equal(t, before, after, "a statement has run behind the fence")
	}
}

// fence suspends the tenant, waits for the statements that are running, and returns the number of its rows.
func fence(t *testing.T, admin *pgx.Conn, id uuid.UUID) (rows int) {
	t.Helper()
	for _, statement := range []string{
		"UPDATE stratum.tenants SET status = 'suspended' WHERE id = $1",
		"SELECT pg_advisory_xact_lock(uuid_hash_extended($1, 0))",
	} {
		_, err := admin.Exec(t.Context(), statement, id)
		require.NoError(t, err)
	}
	require.NoError(t, admin.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE tenant_id = $1", id).Scan(&rows))
	return rows
}

func addNote(ctx context.Context, db *sql.DB, inTx bool) error {
	if !inTx {
		_, err := db.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('x')")
		return err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if _, err := tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('x')"); err != nil {
		return err
	}
	return tx.Commit()
}

// TestRenewedKeys are taken up by running programs by themselves.
func TestRenewedKeys(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := openWith(t, d.options(setup{hardened: true}))
	h.count(h.as(h.acme))
	d.exec(t, "SELECT stratum.renew_keys()")
	h.count(h.as(h.acme))
	d.exec(t, "SELECT stratum.renew_keys()")
	require.NoError(t, h.begun(h.as(h.acme)))
}

// TestHardenedDatabaseRefusesOthers: a handle without Hardened has no proof to give.
func TestHardenedDatabaseRefusesOthers(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	plain := openWith(t, d.options(setup{}))
	plain.count(plain.as(plain.acme))
	hardened := openWith(t, d.options(setup{hardened: true}))
	_, err := plain.db.ExecContext(plain.as(plain.acme), "DELETE FROM notes")
	require.ErrorIs(t, err, core.ErrUnsigned)
	hardened.exec(hardened.as(hardened.acme), "INSERT INTO notes (body) VALUES ('x')")
	d.exec(t, "SELECT stratum.require_signature(false)")
	plain.count(plain.as(plain.acme))
	require.Equal(t, "1", hardened.count(hardened.as(hardened.acme)), "a proof does no harm where none is needed")
}
