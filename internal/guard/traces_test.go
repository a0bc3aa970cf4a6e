package guard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// state is what a session could remember of its last user.
const state = `SELECT concat_ws('|', current_user = session_user, current_setting('role'), current_setting('search_path'),
	coalesce(current_setting('stratum.tenant', true), ''), coalesce(current_setting('stratum.context', true), ''),
	coalesce(current_setting('myapp.user', true), ''), current_setting('statement_timeout'),
	(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
	(SELECT count(*) FROM pg_cursors WHERE name <> ''), current_setting('transaction_isolation'))`

// look reads the state of the only connection of tenants, or of the system.
func (h *handle) look(kind scope.Kind) (found string) {
	h.tb.Helper()
	h.beneath(kind, func(conn *pgx.Conn) error {
		return conn.QueryRow(h.tb.Context(), state, pgx.QueryExecModeSimpleProtocol).Scan(&found)
	})
	return found
}

// nothingIsRemembered after whatever a connection has been through.
func nothingIsRemembered(t *testing.T, h *handle, _ setup) {
	t.Helper()
	clean, cleanSystem := h.look(scope.Tenant), h.look(scope.System)
	require.Contains(t, clean, "t|none|")
	tenant := core.WithActor(h.as(h.acme), core.Actor{ID: "u-17"})
	for name, action := range actions() {
		for kind, ctx := range map[scope.Kind]context.Context{scope.Tenant: tenant, scope.System: h.system()} {
			action(t, h, ctx)
			h.settle()
			if kind == scope.Tenant {
				require.Equal(t, clean, h.look(kind), name)
			} else {
				require.Equal(t, cleanSystem, h.look(kind), name)
			}
		}
	}
	require.Equal(t, 0, h.db.Stats().InUse)
}

// actions are ways to use a connection, most of them bad.
func actions() map[string]func(t *testing.T, h *handle, ctx context.Context) {
	return map[string]func(t *testing.T, h *handle, ctx context.Context){
		"a statement": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			h.exec(ctx, "SELECT 1")
		},
		"an error": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			_, err := h.db.ExecContext(ctx, "SELECT 1 / 0")
			require.Error(t, err)
		},
		"a syntax error": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			_, err := h.db.ExecContext(ctx, "SELEC")
			require.Error(t, err)
		},
		"a transaction": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			tx, err := h.db.BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, "SET LOCAL statement_timeout = '1h'")
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, "SELECT set_config('myapp.user', 'x', true), pg_advisory_xact_lock(1)")
			require.NoError(t, err)
			require.NoError(t, tx.Commit())
		},
		"a failed transaction": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			tx, err := h.db.BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, "SELECT 1 / 0")
			require.Error(t, err)
			require.ErrorIs(t, tx.Commit(), core.ErrTxAborted)
		},
		"a panic": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			require.Panics(t, func() {
				tx, err := h.db.BeginTx(ctx, nil)
				require.NoError(t, err)
				defer tx.Rollback() //nolint:errcheck // as applications do
				panic("in a transaction")
			})
		},
		"a canceled statement": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			_, err := h.db.ExecContext(ctx, "SELECT pg_sleep(60)")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		},
		"a canceled transaction": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			ctx, cancel := context.WithCancel(ctx)
			tx, err := h.db.BeginTx(ctx, nil)
			require.NoError(t, err)
			cancel()
			require.Eventually(t, func() bool { return h.db.Stats().InUse == 0 }, waitFor, tick)
			require.Error(t, tx.Commit())
		},
		"rows not read": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			rows, err := h.db.QueryContext(ctx, "SELECT generate_series(1, 1000)")
			require.NoError(t, err)
			require.True(t, rows.Next())
			ended(t, rows)
		},
		"a block that fails": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			_, err := h.db.ExecContext(ctx, "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$")
			require.Error(t, err)
		},
		"a bad argument": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			_, err := h.db.ExecContext(ctx, "SELECT $1::int", struct{ A chan int }{})
			require.Error(t, err)
		},
		"a row that cannot be scanned": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			require.Error(t, h.db.QueryRowContext(ctx, "SELECT 'x' FROM generate_series(1, 3)").Scan(new(int)))
		},
		"a Scanner that fails": func(t *testing.T, h *handle, ctx context.Context) {
			t.Helper()
			require.ErrorIs(t, h.db.QueryRowContext(ctx, "SELECT 1").Scan(refusing{}), errScan)
		},
	}
}

// refusing scans nothing.
type refusing struct{}

var errScan = errors.New("not scanned")

// Scan is part of sql.Scanner.
func (refusing) Scan(any) error { return errScan }

// TestSessionSettingsDoNotCarryOver is what the lexer does not see: a function that changes the session. What it sets
// and the guard depends on is set again by enter; a connection left in a role is given up, and nobody notices.
func TestSessionSettingsDoNotCarryOver(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{cacheStatement, cacheDescribe, simpleProtocol} {
		h := d.open(t, setup{mode: mode})
		h.exec(h.as(h.globex), "INSERT INTO notes (body) VALUES ('of globex')")
		spoil := func(role string) {
			t.Helper()
			h.exec(h.as(h.acme), "DO $$ BEGIN PERFORM set_config('stratum.tenant', '"+h.globex.String()+"', false), "+
				"set_config('search_path', 'pg_temp', false), set_config('role', '"+role+"', false); END $$")
		}
		for _, role := range []string{"none", "stratum_tenant"} {
			spoil(role)
			require.Equal(t, "0", h.count(h.as(h.acme)))
			spoil(role)
			require.Equal(t, "0", h.text(h.as(h.acme), "SELECT count(*) FROM notes WHERE body <> '"+role+"'"), "described")
			spoil(role)
			tx, err := h.db.BeginTx(h.as(h.globex), nil)
			require.NoError(t, err)
			require.NoError(t, tx.Commit())
			require.Equal(t, "1", h.count(h.as(h.globex)))
		}
		_, err := h.db.ExecContext(t.Context(), "SELECT * FROM notes")
		require.ErrorIs(t, err, core.ErrNoTenant)
	}
}

// TestNoTemporaryTables stand in for real ones in the next tenant's statement.
func TestNoTemporaryTables(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, s := range []setup{{}, {superuser: true}} {
		h := d.open(t, s)
		_, err := h.db.ExecContext(h.as(h.acme), "CREATE TEMP TABLE notes AS SELECT 'fake' AS body")
		require.ErrorIs(t, err, core.ErrPermission)
		_, err = h.db.ExecContext(h.as(h.acme), "SELECT 'fake' AS body INTO TEMP notes")
		require.ErrorIs(t, err, core.ErrPermission)
	}
}

// TestPlantedStatements is hostile SQL that puts a statement of its own in the place of a prepared one. Where statements
// have no names there is nothing to replace, which is why a boundary against hostile SQL wants cache_describe.
func TestPlantedStatements(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, mode := range []string{cacheDescribe, describeExec, simpleProtocol} {
		h := d.open(t, setup{mode: mode})
		h.count(h.as(h.globex))
		require.Equal(t, "0", h.text(h.as(h.acme), "SELECT count(*) FROM pg_prepared_statements"), mode)
		h.exec(h.as(h.acme), "DO $$ BEGIN EXECUTE 'PREPARE \"\" AS SELECT 1'; EXCEPTION WHEN OTHERS THEN NULL; END $$")
		require.Equal(t, "0", h.text(h.as(h.globex), "SELECT count(*) FROM pg_prepared_statements"), mode)
		require.Equal(t, h.globex.String(), h.text(h.as(h.globex), "SELECT stratum.tenant_id()"), mode)
	}
}
