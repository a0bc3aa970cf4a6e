package guard_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// nobody are the contexts that name no tenant, with the error that each is owed.
func nobody(t *testing.T) map[string]struct {
	ctx  context.Context //nolint:containedctx // the case itself
	want error
} {
	t.Helper()
	return map[string]struct {
		ctx  context.Context //nolint:containedctx // the case itself
		want error
	}{
		"no tenant":     {t.Context(), core.ErrNoTenant},
		"nil tenant":    {core.WithTenant(t.Context(), uuid.Nil), core.ErrNoTenant},
		"nil subtree":   {core.WithSubtree(t.Context(), uuid.Nil), core.ErrNoTenant},
		"actor only":    {core.WithActor(t.Context(), core.Actor{ID: "u"}), core.ErrNoTenant},
		"no reason":     {core.AsSystem(t.Context(), ""), core.ErrNoReason},
		"blank reason":  {core.AsSystem(t.Context(), "\t \n"), core.ErrNoReason},
		"nil innermost": {core.WithTenant(core.AsSystem(t.Context(), "r"), uuid.Nil), core.ErrNoTenant},
	}
}

// nobodyIsRefused calls every method of database/sql that runs a statement.
func nobodyIsRefused(t *testing.T, h *handle, _ setup) {
	t.Helper()
	h.exec(h.as(h.acme), "INSERT INTO notes (body) VALUES ('seen by nobody')")
	for name, n := range nobody(t) {
		methods := map[string]func(ctx context.Context) error{}
		ofDB(h, methods)
		ofConn(t, h, methods)
		ofTx(t, h, methods)
		for method, call := range methods {
			require.ErrorIs(t, call(n.ctx), n.want, "%s: %s", name, method)
		}
	}
	require.Equal(t, "1", h.count(h.as(h.acme)))
	h.settle()
}

const deleteAll = "DELETE FROM notes"

func ofDB(h *handle, methods map[string]func(ctx context.Context) error) {
	methods["DB.ExecContext"] = func(ctx context.Context) error { _, err := h.db.ExecContext(ctx, deleteAll); return err }
	methods["DB.QueryContext"] = func(ctx context.Context) error { return query(h.db.QueryContext(ctx, deleteAll)) }
	methods["DB.QueryRowContext"] = func(ctx context.Context) error {
		return h.db.QueryRowContext(ctx, "SELECT 1").Scan(new(int))
	}
	methods["DB.BeginTx"] = func(ctx context.Context) error { _, err := h.db.BeginTx(ctx, nil); return err }
	methods["Stmt.ExecContext"] = func(ctx context.Context) error {
		stmt, err := h.db.PrepareContext(ctx, deleteAll)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // it does nothing
		_, err = stmt.ExecContext(ctx)
		return err
	}
	methods["Stmt.QueryContext"] = func(ctx context.Context) error {
		stmt, err := h.db.PrepareContext(ctx, deleteAll)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // it does nothing
		return query(stmt.QueryContext(ctx))
	}
}

func ofConn(t *testing.T, h *handle, methods map[string]func(ctx context.Context) error) {
	t.Helper()
	on := func(fn func(ctx context.Context, conn *sql.Conn) error) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			conn, err := h.db.Conn(ctx)
			require.NoError(t, err)
			defer conn.Close() //nolint:errcheck // seen by its pool
			return fn(ctx, conn)
		}
	}
	methods["Conn.ExecContext"] = on(func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, deleteAll)
		return err
	})
	methods["Conn.QueryContext"] = on(func(ctx context.Context, conn *sql.Conn) error {
		return query(conn.QueryContext(ctx, deleteAll))
	})
	methods["Conn.BeginTx"] = on(func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.BeginTx(ctx, nil)
		return err
	})
	methods["Conn.PrepareContext"] = on(func(ctx context.Context, conn *sql.Conn) error {
		stmt, err := conn.PrepareContext(ctx, deleteAll)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // it does nothing
		_, err = stmt.ExecContext(ctx)
		return err
	})
}

func ofTx(t *testing.T, h *handle, methods map[string]func(ctx context.Context) error) {
	t.Helper()
	in := func(fn func(ctx context.Context, tx *sql.Tx) error) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			tx, err := h.db.BeginTx(h.as(h.acme), nil)
			require.NoError(t, err)
			err = fn(ctx, tx)
			require.NoError(t, tx.Commit(), "the refused statement did no harm")
			return err
		}
	}
	methods["Tx.ExecContext"] = in(func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, deleteAll)
		return err
	})
	methods["Tx.QueryContext"] = in(func(ctx context.Context, tx *sql.Tx) error {
		return query(tx.QueryContext(ctx, deleteAll))
	})
	methods["Tx.StmtContext"] = in(func(ctx context.Context, tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, deleteAll)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // it does nothing
		_, err = stmt.ExecContext(ctx)
		return err
	})
}

// query is the error of a query whose rows nobody wants.
func query(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(rows.Close(), rows.Err())
}

// TestMethodsWithoutContext have none of a tenant, so all of them are refused.
//
//nolint:noctx // that is what is tested
func TestMethodsWithoutContext(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	stmt, err := h.db.Prepare("SELECT 1")
	require.NoError(t, err)
	defer stmt.Close() //nolint:errcheck // it does nothing
	tx, err := h.db.BeginTx(h.as(h.acme), nil)
	require.NoError(t, err)
	for name, call := range map[string]func() error{
		"DB.Exec":       func() error { _, err := h.db.Exec("SELECT 1"); return err },
		"DB.Query":      func() error { return query(h.db.Query("SELECT 1")) },
		"DB.QueryRow":   func() error { return h.db.QueryRow("SELECT 1").Scan(new(int)) },
		"DB.Begin":      func() error { _, err := h.db.Begin(); return err },
		"Stmt.Exec":     func() error { _, err := stmt.Exec(); return err },
		"Stmt.Query":    func() error { return query(stmt.Query()) },
		"Stmt.QueryRow": func() error { return stmt.QueryRow().Scan(new(int)) },
		"Tx.Exec":       func() error { _, err := tx.Exec("SELECT 1"); return err },
		"Tx.Query":      func() error { return query(tx.Query("SELECT 1")) },
		"Tx.QueryRow":   func() error { return tx.QueryRow("SELECT 1").Scan(new(int)) },
		"Tx.Stmt":       func() error { _, err := tx.Stmt(stmt).Exec(); return err }, //nolint:sqlclosecheck // with tx
	} {
		require.ErrorIs(t, call(), core.ErrNoTenant, name)
	}
	require.NoError(t, tx.Commit())
	require.NoError(t, h.db.PingContext(t.Context()), "a ping needs no tenant")
}

// anotherTenantIsRefused keeps a transaction to the tenant that began it.
func anotherTenantIsRefused(t *testing.T, h *handle, _ setup) {
	t.Helper()
	for _, begin := range []context.Context{h.as(h.acme), core.WithSubtree(t.Context(), h.acme), h.system()} {
		tx, err := h.db.BeginTx(begin, nil)
		require.NoError(t, err)
		for _, other := range []context.Context{
			h.as(h.acme), h.as(h.globex), core.WithSubtree(t.Context(), h.acme), h.system(),
		} {
			_, err = tx.ExecContext(other, "SELECT 1")
			require.Equal(t, sameScope(begin, other), err == nil)
			if err != nil {
				require.ErrorIs(t, err, core.ErrTenantMismatch)
			}
		}
		_, err = tx.ExecContext(core.WithActor(begin, core.Actor{ID: "somebody else"}), "SELECT 1")
		require.NoError(t, err, "the actor may change")
		require.NoError(t, tx.Commit())
	}
}

// badTenantsAreRefused by the database itself, in one round trip, and again in the next statement.
func badTenantsAreRefused(t *testing.T, h *handle, _ setup) {
	t.Helper()
	id := h.tenant("short-lived")
	ctx := h.as(id)
	h.exec(ctx, "INSERT INTO notes (body) VALUES ('x')")
	h.count(ctx)
	refused := func(want error) {
		t.Helper()
		for range 2 {
			_, err := h.db.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('x')")
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, h.db.QueryRowContext(ctx, "SELECT count(*) FROM notes").Scan(new(int)), want)
			_, err = h.db.BeginTx(ctx, nil)
			require.ErrorIs(t, err, want)
			require.NotContains(t, err.Error(), id.String())
		}
	}
	pid := h.pid()
	err := h.Tenants.Suspend(t.Context(), id)
	require.NoError(t, err)
	refused(core.ErrTenantNotActive)
	err = h.Tenants.Resume(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "1", h.count(ctx))
	err = h.Tenants.Archive(t.Context(), id)
	require.NoError(t, err)
	refused(core.ErrTenantNotActive)
	ctx = h.as(uuid.New())
	refused(core.ErrTenantUnknown)
	ctx = core.WithSubtree(t.Context(), uuid.New())
	refused(core.ErrTenantUnknown)
	require.Equal(t, pid, h.pid(), "a refusal costs no connection")
	require.Equal(t, 1, h.trips(func() {
		_, err := h.db.ExecContext(ctx, "SELECT count(*) FROM notes")
		require.Error(t, err)
	}), "the refusal comes in the statement's own round trip")
}

// TestSuspendedInTheMiddle says what becomes of a transaction that began before its tenant was suspended: it goes on,
// for PostgreSQL has let it in, and it is the last.
func TestSuspendedInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{conns: 2})
	ctx := h.as(h.acme)
	tx, err := h.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('before')")
	require.NoError(t, err)
	err = h.Tenants.Suspend(t.Context(), h.acme)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('after')")
	require.NoError(t, err)
	_, err = h.db.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('beside')")
	require.ErrorIs(t, err, core.ErrTenantNotActive)
	require.NoError(t, tx.Commit())
	_, err = h.db.BeginTx(ctx, nil)
	require.ErrorIs(t, err, core.ErrTenantNotActive)
	require.Equal(t, "2", h.text(h.system(), "SELECT count(*) FROM notes"))
}

func TestNotInstalled(t *testing.T) {
	t.Parallel()
	d := &database{stratumtest.EmptyDatabase(t)}
	st, err := core.Open(t.Context(), d.options(setup{}))
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	for range 2 {
		for _, ctx := range []context.Context{
			core.WithTenant(t.Context(), uuid.New()), core.AsSystem(t.Context(), "a test"),
		} {
			_, err = st.DB().ExecContext(ctx, "SELECT 1")
			require.ErrorIs(t, err, core.ErrNotInstalled)
			_, err = st.DB().BeginTx(ctx, nil)
			require.ErrorIs(t, err, core.ErrNotInstalled)
		}
		require.ErrorIs(t, st.Ping(t.Context()), core.ErrNotInstalled)
		require.ErrorIs(t, st.DB().PingContext(t.Context()), core.ErrNotInstalled)
	}
}

// TestNoBackDoor looks for a way to the connection beneath.
func TestNoBackDoor(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	_, err := h.db.Driver().Open(h.d.AdminDSN)
	require.ErrorIs(t, err, core.ErrConfig)
	require.NotContains(t, err.Error(), h.d.Name)
	h.raw(func(raw any) error {
		_, isConn := raw.(interface{ Conn() any })
		require.False(t, isConn)
		c, isDriver := raw.(driver.Conn)
		require.True(t, isDriver)
		_, err := c.Begin() //nolint:staticcheck // that is what is tested
		require.Error(t, err)
		stmt, err := c.Prepare("SELECT 1")
		require.NoError(t, err)
		require.Equal(t, -1, stmt.NumInput())
		_, err = stmt.Exec(nil) //nolint:staticcheck // that is what is tested
		require.Error(t, err)
		_, err = stmt.Query(nil) //nolint:staticcheck // that is what is tested
		require.Error(t, err)
		return stmt.Close()
	})
}

// TestForeignArguments are leading arguments that would be given pgx's connection.
func TestForeignArguments(t *testing.T) {
	t.Parallel()
	h := newDatabase(t).open(t, setup{})
	_, err := h.db.ExecContext(h.as(h.acme), "SELECT 1", rewriter{})
	require.ErrorContains(t, err, "query rewriter")
	_, err = h.db.ExecContext(h.as(h.acme), "SELECT $1", sql.Named("a", 1))
	require.ErrorContains(t, err, `as "a" has`)
}
