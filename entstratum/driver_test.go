package entstratum_test

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent"
	"github.com/stratum-hq/stratum-go/entstratum/internal/desk/ent/ticket"
)

// guarded holds that a client serves a tenant its one ticket, and nobody else anything.
func (n narrowing) guarded(t *testing.T, client *ent.Client) {
	t.Helper()
	found, err := client.Ticket.Query().Only(n.ctx)
	require.NoError(t, err)
	require.Equal(t, n.ticket.ID, found.ID)
	_, err = client.Ticket.Query().All(t.Context())
	require.ErrorIs(t, err, core.ErrNoTenant)
	require.NoError(t, client.Ticket.UpdateOne(found).SetStatus("seen").Exec(n.ctx))
	_, err = client.ExecContext(t.Context(), "DELETE FROM tickets")
	require.ErrorIs(t, err, core.ErrNoTenant)
	_, err = textOf(client.QueryContext(t.Context(), "SELECT 1"))
	require.ErrorIs(t, err, core.ErrNoTenant)
	_, err = client.Tx(t.Context())
	require.ErrorIs(t, err, core.ErrNoTenant)
	count, err := textOf(client.QueryContext(n.ctx, "SELECT count(*)::text FROM tickets"))
	require.NoError(t, err)
	require.Equal(t, "1", count)
	result, err := client.ExecContext(n.ctx, "UPDATE tickets SET priority = priority + $1", 1)
	require.NoError(t, err)
	changed, err := result.RowsAffected()
	require.NoError(t, err)
	require.Equal(t, int64(1), changed)
	require.ErrorIs(t, client.Country.Create().SetCode("CH").SetName("x").Exec(n.ctx), core.ErrPermission)
}

// textOf is the one text that a query returns.
func textOf(rows *stdsql.Rows, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }() // reading it tells more
	text, err := sql.ScanString(rows)
	return text, errors.Join(err, rows.Err())
}

func TestClients(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	quietly := ent.Log(func(...any) {})
	var logged []string
	note := func(a ...any) { logged = append(logged, fmt.Sprint(a...)) }
	for name, client := range map[string]*ent.Client{
		"OpenStratum":         ent.OpenStratum(n.st),
		"OpenStratum, debug":  ent.OpenStratum(n.st, ent.Debug(), quietly),
		"Driver":              ent.NewClient(ent.Driver(entstratum.Driver(n.st))),
		"Debug":               ent.OpenStratum(n.st, quietly).Debug(),
		"Debug twice":         ent.OpenStratum(n.st, quietly).Debug().Debug(),
		"a driver around it":  ent.NewClient(ent.Driver(n.log)),
		"debugged by hand":    ent.NewClient(ent.Driver(dialect.Debug(entstratum.Driver(n.st), note))),
		"ent's own, one pool": ent.NewClient(ent.Driver(sql.OpenDB(dialect.Postgres, n.st.DB()))),
	} {
		if name == "debugged by hand" || name == "a driver around it" { // these have no ExecContext, as with plain ent
			_, err := client.Ticket.Query().Only(n.ctx)
			require.NoError(t, err, name)
			_, err = client.Ticket.Query().All(t.Context())
			require.ErrorIs(t, err, core.ErrNoTenant, name)
			continue
		}
		n.guarded(t, client)
	}
	require.Contains(t, strings.Join(logged, "\n"), `"tickets"."tenant_id" = $1`)
}

// A transaction is one tenant's, and says so to whoever comes with another.
func TestTransactions(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for name, begin := range map[string]func() (*ent.Tx, error){
		"Tx":      func() (*ent.Tx, error) { return n.open().Tx(n.ctx) },
		"BeginTx": func() (*ent.Tx, error) { return n.open().BeginTx(n.ctx, nil) },
		"serializable": func() (*ent.Tx, error) {
			return n.open().BeginTx(n.ctx, &stdsql.TxOptions{Isolation: stdsql.LevelSerializable})
		},
		"Debug": func() (*ent.Tx, error) { return n.open().Debug().Tx(n.ctx) },
	} {
		tx, err := begin()
		require.NoError(t, err, name)
		require.NoError(t, tx.Ticket.Create().SetNumber(name).Exec(n.ctx), name)
		nested, err := tx.Client().Ticket.Query().Where(ticket.Number(name)).QueryComments().All(n.ctx)
		require.NoError(t, err, name)
		require.Empty(t, nested)
		_, err = tx.Client().Tx(n.ctx)
		require.ErrorContains(t, err, "within a transaction", "as with plain ent")
		require.NoError(t, tx.Rollback(), name)

		tx, err = begin()
		require.NoError(t, err, name)
		_, err = tx.Ticket.Query().All(n.other)
		require.ErrorIs(t, err, core.ErrTenantMismatch, name)
		require.NoError(t, tx.Rollback(), name)
		tx, err = begin()
		require.NoError(t, err, name)
		require.ErrorIs(t, tx.Ticket.Create().SetNumber("x").Exec(n.other), core.ErrTenantMismatch, name)
		require.NoError(t, tx.Rollback(), name)
		tx, err = begin()
		require.NoError(t, err, name)
		_, err = tx.Ticket.Query().All(asSystem(t))
		require.ErrorIs(t, err, core.ErrTenantMismatch, name)
		require.NoError(t, tx.Rollback(), name)
	}
	require.Equal(t, 1, n.client.Ticket.Query().CountX(n.ctx), "all was rolled back")
}

// open makes a client of its own.
func (n narrowing) open() *ent.Client { return ent.OpenStratum(n.st, ent.Log(func(...any) {})) }

// The options of a transaction are the database's to hold.
func TestTransactionOptions(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	tx, err := n.open().BeginTx(n.ctx, &stdsql.TxOptions{Isolation: stdsql.LevelRepeatableRead, ReadOnly: true})
	require.NoError(t, err)
	text, err := textOf(tx.QueryContext(n.ctx,
		"SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')"))
	require.NoError(t, err)
	require.Equal(t, "repeatable readon", text)
	require.Error(t, tx.Ticket.Update().SetTitle("x").Exec(n.ctx))
	require.NoError(t, tx.Rollback())

	tx, err = n.open().BeginTx(n.ctx, &stdsql.TxOptions{Isolation: stdsql.LevelReadCommitted})
	require.NoError(t, err)
	require.NoError(t, tx.Ticket.Update().SetTitle("kept").Exec(n.ctx))
	_, err = tx.ExecContext(n.ctx, "UPDATE tickets SET status = 'kept'")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.Equal(t, "kept", n.client.Ticket.Query().OnlyX(n.ctx).Title)
}

// ent's session variables outlive their statement on a pooled connection. The guard does not let them begin.
func TestSessionVariables(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for _, name := range []string{"stratum.tenant", "search_path", "app.user", "a = 1; SET stratum.tenant"} {
		ctx := sql.WithVar(n.ctx, name, tenantOf(t, n.other).String())
		_, err := n.open().Ticket.Query().All(ctx)
		require.ErrorIs(t, err, core.ErrCommand, name)
		require.ErrorIs(t, n.open().Ticket.Update().SetTitle("x").Exec(ctx), core.ErrCommand, name)
		tx, err := n.open().Tx(n.ctx)
		require.NoError(t, err)
		_, err = tx.Ticket.Query().All(ctx)
		require.ErrorIs(t, err, core.ErrCommand, name)
		require.NoError(t, tx.Rollback())
	}
	require.Equal(t, "a", n.client.Ticket.Query().OnlyX(n.ctx).Title)
	text, err := textOf(n.open().QueryContext(n.ctx, "SELECT coalesce(current_setting('app.user', true), '')"))
	require.NoError(t, err)
	require.Empty(t, text)
}

// Closing a client leaves the pool to others; st.Close ends it.
func TestClose(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	first := n.open()
	require.NoError(t, first.Close())
	n.guarded(t, first)
	require.NoError(t, first.Debug().Close())
	n.guarded(t, n.open())

	own := n.openStratum(t, n.Options())
	require.Equal(t, 1, own.client.Ticket.Query().CountX(n.ctx), "it serves")
	require.NoError(t, own.st.Close())
	_, err := own.client.Ticket.Query().All(n.ctx)
	require.Error(t, err)
	require.NoError(t, own.client.Close())
}

// Rows that are left open hold their connection, and nobody else's tenant.
func TestRowsLeftOpen(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	rows, err := n.open().QueryContext(n.ctx, "SELECT title FROM tickets, generate_series(1, 1000)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	require.Equal(t, n.foreign.ID, n.open().Ticket.Query().OnlyX(n.other).ID)
	require.NoError(t, rows.Close()) //nolint:sqlclosecheck // when it is closed is what is tested
	require.NoError(t, rows.Err())

	tx, err := n.open().Tx(n.ctx)
	require.NoError(t, err)
	rows, err = tx.QueryContext(n.ctx, "SELECT title FROM tickets, generate_series(1, 1000)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	_, err = tx.Ticket.Query().All(n.ctx)
	require.Error(t, err, "two statements at once in one transaction")
	require.NoError(t, rows.Close()) //nolint:sqlclosecheck // when it is closed is what is tested
	require.NoError(t, rows.Err())
	require.NoError(t, tx.Rollback())
	require.Equal(t, 1, n.open().Ticket.Query().CountX(n.ctx))
}

// Stratum finds the handle of a client's driver, and of no other.
func TestStratumOfDriver(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	router := entstratum.Driver(n.st)
	for _, drv := range []dialect.Driver{
		router, dialect.Debug(router), dialect.DebugWithContext(dialect.Debug(router), func(context.Context, ...any) {}),
	} {
		st, err := entstratum.Stratum(drv)
		require.NoError(t, err)
		require.Same(t, n.st, st)
	}
	for _, drv := range []dialect.Driver{
		nil, sql.OpenDB(dialect.Postgres, n.st.DB()), dialect.Debug(sql.OpenDB(dialect.Postgres, n.st.DB())), n.log,
	} {
		_, err := entstratum.Stratum(drv)
		require.ErrorIs(t, err, entstratum.ErrDriver)
	}
	require.Equal(t, dialect.Postgres, router.Dialect())
	require.Same(t, n.st.DB(), router.DB())
	foreign := ent.NewClient(ent.Driver(sql.OpenDB(dialect.Postgres, n.st.DB())))
	require.ErrorIs(t, ent.StratumMigrate(t.Context(), foreign), entstratum.ErrDriver)
	_, err := ent.StratumVerify(t.Context(), foreign)
	require.ErrorIs(t, err, entstratum.ErrDriver)
	_, err = ent.StratumScript(t.Context(), foreign, entstratum.ScriptOptions{})
	require.ErrorIs(t, err, entstratum.ErrDriver)
}

// ent's own migration needs the owner, and the error says where to go.
func TestSchemaCreateOnGuardedClient(t *testing.T) {
	t.Parallel()
	n := newNarrowing(t)
	for _, ctx := range []context.Context{t.Context(), n.ctx, asSystem(t)} {
		err := n.open().Schema.Create(ctx)
		require.ErrorIs(t, err, entstratum.ErrSchemaCreate)
		require.ErrorContains(t, err, "StratumMigrate")
		require.ErrorIs(t, n.open().Debug().Schema.Create(ctx), entstratum.ErrSchemaCreate)
	}
}
