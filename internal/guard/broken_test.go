package guard_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// terminate ends the server's processes of the database but the admin's own, and waits until they have gone.
func terminate(t *testing.T, d *database, where string) {
	t.Helper()
	admin := d.admin(t)
	others := " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() " + where
	_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid)"+others)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var left int
		return admin.QueryRow(t.Context(), "SELECT count(*)"+others).Scan(&left) == nil && left == 0
	}, waitFor, tick)
}

// brokenConnections that are idle are replaced without an error.
func TestBrokenWhileIdle(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{cacheStatement, simpleProtocol} {
		d := newDatabase(t)
		h := d.open(t, setup{mode: mode, conns: 5, system: 2})
		use := func() {
			t.Helper()
			for range 3 {
				require.Equal(t, "0", h.count(h.as(h.acme)))
				require.Equal(t, "0", h.count(h.system()))
				tx, err := h.db.BeginTx(h.as(h.acme), nil)
				require.NoError(t, err)
				require.NoError(t, tx.Commit())
			}
			require.NoError(t, h.Ping(t.Context()))
		}
		use()
		terminate(t, d, "")
		use()
		h.proxy.Cut()
		use()
	}
}

// TestBrokenDuringAStatement is an error, for nobody knows what became of the statement. It is not run again.
func TestBrokenDuringAStatement(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, "CREATE SEQUENCE calls; GRANT ALL ON SEQUENCE calls TO PUBLIC")
	h, admin := d.open(t, setup{}), d.admin(t)
	insert := "INSERT INTO notes (body) SELECT nextval('calls')::text FROM pg_sleep(60)"
	for name, end := range map[string]func(){
		"terminated": func() { terminate(t, d, "AND state = 'active' AND query LIKE '%pg_sleep(60)'") },
		"cut":        h.proxy.Cut,
	} {
		failed := make(chan error, 1)
		go func() {
			_, err := h.db.ExecContext(h.as(h.acme), "SELECT nextval('calls') FROM generate_series(1, 1); ")
			if err != nil {
				failed <- err
				return
			}
			_, err = h.db.ExecContext(h.as(h.acme), insert)
			failed <- err
		}()
		require.Eventually(t, func() bool {
			var running int
			err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
				AND state = 'active' AND wait_event = 'PgSleep'`).Scan(&running)
			return err == nil && running == 1
		}, waitFor, tick)
		end()
		err := <-failed
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "127.0.0.1", name)
		require.NotContains(t, err.Error(), h.proxy.Port(), name)
		if name == "cut" {
			require.ErrorContains(t, err, "what became of it is unknown")
		} else {
			var pgErr *pgconn.PgError
			require.ErrorAs(t, err, &pgErr)
			require.Equal(t, "57P01", pgErr.Code)
		}
		h.settle()
		terminate(t, d, "AND wait_event = 'PgSleep'") // of the connection that was cut
		require.Equal(t, "0", h.count(h.as(h.acme)))
	}
	require.Equal(t, "2", h.text(h.as(h.acme), "SELECT last_value FROM calls"), "each was run once")
}

// TestBrokenInATransaction loses the transaction and nothing else.
func TestBrokenInATransaction(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{})
	for _, end := range []func(){h.proxy.Cut, func() { terminate(t, d, "") }} {
		ctx := h.as(h.acme)
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('lost')")
		require.NoError(t, err)
		end()
		_, err = tx.ExecContext(ctx, "INSERT INTO notes (body) VALUES ('lost')")
		require.Error(t, err)
		require.Error(t, tx.Commit())
		h.settle()
		require.Equal(t, "0", h.count(ctx))

		tx, err = h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		end()
		_ = tx.Rollback() // whether it says so or not, it is rolled back
		h.settle()
	}
}

// TestServerGone tells nothing of the DSN, and everything is well when the server is back.
func TestServerGone(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{})
	h.count(h.as(h.acme))
	require.NoError(t, h.proxy.Close())
	for _, ctx := range []context.Context{h.as(h.acme), h.system()} {
		_, err := h.db.ExecContext(ctx, "SELECT 1")
		quiet(t, h, err)
		_, err = h.db.BeginTx(ctx, nil)
		quiet(t, h, err)
	}
	_, err := h.Tenants.Get(t.Context(), h.acme)
	quiet(t, h, err)
	quiet(t, h, h.Ping(t.Context()))
	quiet(t, h, h.db.PingContext(t.Context()))
}

// quiet looks that an error says nothing of where the server is and who connects.
func quiet(t *testing.T, h *handle, err error) {
	t.Helper()
	require.Error(t, err)
	for _, secret := range []string{"127.0.0.1", h.proxy.Port(), h.d.Name, "postgres://"} {
		require.NotContains(t, err.Error(), secret)
	}
	var config *pgconn.ConnectError
	require.NotErrorAs(t, err, &config, "pgx's error has the password in its configuration")
	var operation *net.OpError
	require.NotErrorAs(t, err, &operation)
	require.NotErrorIs(t, err, io.EOF)
}
