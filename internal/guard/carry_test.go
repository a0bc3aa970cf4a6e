package guard_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
)

// settings are what is read back of what was carried.
const settings = `SELECT current_setting('stratum.tenant'), current_setting('stratum.context'),
	current_setting('search_path'), current_setting('citus.propagate_set_commands')`

// TestCarriedSettings mean the same to a worker, however it reads a backslash, and are one command each.
func TestCarriedSettings(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{citus: true})
	admin := d.admin(t)
	check := func(t *rapid.T, id string) {
		ctx := core.WithActor(h.tb.Context(), core.Actor{ID: id, Kind: `k'\`})
		sc := scope.Scope{Kind: scope.Tenant, Tenant: h.acme}
		var commands []string
		h.raw(func(raw any) (err error) {
			commands, err = guard.Carried(ctx, raw, sc)
			return err
		})
		note, err := guard.DescribeContext(sc, scope.ActorFrom(ctx))
		require.NoError(t, err)
		for _, conforming := range []string{"on", "off"} {
			tx, err := admin.Begin(ctx)
			require.NoError(t, err)
			_, err = tx.Exec(ctx, "SET LOCAL standard_conforming_strings = "+conforming)
			require.NoError(t, err)
			for _, command := range commands {
				// The extended protocol takes one command: what a value could add would be an error.
				_, err := tx.Exec(ctx, command, pgx.QueryExecModeDescribeExec)
				require.NoError(t, err, command)
			}
			var tenant, carried, path, propagate string
			require.NoError(t, tx.QueryRow(ctx, settings, pgx.QueryExecModeDescribeExec).
				Scan(&tenant, &carried, &path, &propagate))
			require.Equal(t, h.acme.String(), tenant)
			require.Equal(t, string(note), carried)
			require.Equal(t, "public, pg_temp", strings.ReplaceAll(path, `"`, ""))
			require.Equal(t, "local", propagate)
			require.NoError(t, tx.Rollback(ctx))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringOf(rapid.SampledFrom([]rune(`ab'"\; $\n`+"\n\té"))).Draw(t, "id")
		check(t, id)
	})
}

func TestPathList(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"$user", "public", "a, b", "say ""hi""", "pg_temp"`,
		guard.PathList(`"$user", Public, "a, b", "say ""hi""", pg_temp`))
}

// TestCarriedInABlock: without a block what is set by SET LOCAL would be gone before the statement. A worker's view is
// the setting that only a carried command makes.
func TestCarriedInABlock(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	h := d.open(t, setup{citus: true})
	const propagate = "SELECT current_setting('citus.propagate_set_commands', true)"
	for name, ctx := range map[string]context.Context{
		"tenant": h.as(h.acme), "subtree": core.WithSubtree(t.Context(), h.acme), "system": h.system(),
	} {
		require.Equal(t, "local", h.text(ctx, propagate), name)
		tx, err := h.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		var value string
		require.NoError(t, tx.QueryRowContext(ctx, propagate).Scan(&value))
		require.Equal(t, "local", value, name)
		require.NoError(t, tx.Rollback())
	}
	subtree := core.WithSubtree(t.Context(), h.acme)
	require.Equal(t, h.acme.String(), h.text(subtree, "SELECT current_setting('stratum.visible')"))
	require.Empty(t, h.text(h.as(h.acme), "SELECT current_setting('stratum.visible', true)"), "it is nobody else's")
	require.Equal(t, "tenant", h.text(h.as(h.acme), "SELECT split_part(current_user, '_', 2)"))
	h.raw(func(raw any) error {
		guard.WithoutCarrying(raw)
		return nil
	})
	require.Empty(t, h.text(h.as(h.acme), propagate), "the test sees it where nothing is carried")
}
