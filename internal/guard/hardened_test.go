package guard_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
)

// TestTextsOfRunningStatements shows what docs/hardened.md says of pg_stat_activity: the login sees texts of its own
// other connections, which only a superuser could take from it, and no parameters.
func TestTextsOfRunningStatements(t *testing.T) {
	t.Parallel()
	c := newScene(t, setup{hardened: true, conns: 2})
	c.raw(func(raw any) error {
		guard.WithoutRules(raw) // as if it were hidden in a function of the application
		return nil
	})
	ctx, stop := context.WithCancel(c.as(c.globex))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.db.ExecContext(ctx, "SELECT pg_sleep(60), 'in the text', $1::text", "as a parameter")
	}()
	spy := attempt{sql: []string{"DO $$ DECLARE found text; BEGIN RESET ROLE; " +
		"SELECT string_agg(query, ' ') INTO found FROM pg_stat_activity WHERE query LIKE '%sle'||'ep%'; " +
		"RAISE EXCEPTION 'found: %', found; END $$"}}
	var seen string
	require.Eventually(t, func() bool {
		seen = c.run(c.as(c.acme), c.db, spy, "")
		return strings.Contains(seen, "in the text")
	}, waitFor, tick)
	require.NotContains(t, seen, "as a parameter")
	require.NotContains(t, seen, c.globex.String())
	stop()
	<-ended
	c.settle() // the server has to stop the statement first
}

// TestHardenedRules are for tenants: the system may, and so may everybody elsewhere.
func TestHardenedRules(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	elsewhere := d.open(t, setup{})
	h := d.open(t, setup{hardened: true})
	const upsert = "INSERT INTO notes (tenant_id, id) VALUES ('%s', 1) ON CONFLICT (id) DO UPDATE SET body = '' WHERE true"
	for _, text := range []string{
		"DO $$ BEGIN END $$", fmt.Sprintf(upsert, h.acme), "COMMENT ON TABLE notes IS 'x'",
	} {
		for _, ctx := range []context.Context{h.as(h.acme), core.WithSubtree(t.Context(), h.acme)} {
			h.count(ctx)
			require.Zero(t, h.trips(func() {
				_, err := h.db.ExecContext(ctx, text)
				require.ErrorIs(t, err, core.ErrCommand, text)
				require.ErrorContains(t, err, "in the hardened mode")
			}))
			require.ErrorIs(t, h.BeginFunc(ctx, func(tx *core.Tx) error {
				_, err := tx.Exec(ctx, text)
				return err
			}), core.ErrCommand, text)
		}
		if !strings.HasPrefix(text, "COMMENT") { // to which the database says no
			h.exec(h.system(), text)
		}
	}
	d.exec(t, "SELECT stratum.require_signature(false)")
	elsewhere.exec(elsewhere.as(elsewhere.acme), "DO $$ BEGIN END $$")
	h.exec(h.system(), "DELETE FROM notes")
	elsewhere.exec(elsewhere.as(elsewhere.acme), fmt.Sprintf(upsert, elsewhere.acme))
}

// TestHardenedBatch: a text behind another one of a batch may be read under settings that nobody has looked at.
func TestHardenedBatch(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	batch := func(texts ...string) *pgx.Batch {
		b := &pgx.Batch{}
		for _, text := range texts {
			b.Queue(text)
		}
		return b
	}
	send := func(h *handle, b *pgx.Batch) error {
		return h.BeginFunc(h.as(h.acme), func(tx *core.Tx) error {
			return tx.SendBatch(h.as(h.acme), b).Close()
		})
	}
	require.NoError(t, send(openWith(t, d.options(setup{})), batch("SELECT 1", `SELECT '\'`)))
	h := openWith(t, d.options(setup{hardened: true}))
	require.NoError(t, send(h, batch(`SELECT 'ü\'`, "SELECT 'plain'")))
	for _, text := range []string{`SELECT '\'`, "SELECT 'ü'"} {
		require.ErrorIs(t, send(h, batch("SELECT 1", text)), core.ErrCommand)
	}
}
