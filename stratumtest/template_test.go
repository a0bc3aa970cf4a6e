package stratumtest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	server := startServer(t, pgserver.Config{})
	t.Run("made once", func(t *testing.T) {
		t.Parallel()
		requireMadeOnce(t, server)
	})
	t.Run("fails", func(t *testing.T) {
		t.Parallel()
		requireFailure(t, server)
	})
}

func requireMadeOnce(t *testing.T, server *stratumtest.Server) {
	t.Helper()
	var prepared atomic.Int32
	prepare := func(ctx context.Context, database *stratumtest.Database) error {
		prepared.Add(1)
		return execute(ctx, database.OwnerDSN, "CREATE TABLE notes (id int); INSERT INTO notes VALUES (7)")
	}
	databases := make([]*stratumtest.Database, 8)
	errs := make([]error, len(databases))
	var group sync.WaitGroup
	for i := range databases {
		group.Go(func() { databases[i], errs[i] = server.FromTemplate(t.Context(), "notes", prepare) })
	}
	group.Wait()
	require.Equal(t, int32(1), prepared.Load())
	for i, database := range databases {
		require.NoError(t, errs[i])
		require.Equal(t, "7", ask(t, database.OwnerDSN, "SELECT id::text FROM notes"))
		require.Equal(t, database.Name+"_owner",
			ask(t, database.AdminDSN, "SELECT tableowner::text FROM pg_tables WHERE tablename = 'notes'"))
		require.ErrorContains(t, execute(t.Context(), database.DSN, "SELECT id FROM notes"), "42501")
	}
}

func requireFailure(t *testing.T, server *stratumtest.Server) {
	t.Helper()
	errMigration := errors.New("migration 7")
	for range 2 {
		_, err := server.FromTemplate(t.Context(), "broken", func(context.Context, *stratumtest.Database) error {
			return errMigration
		})
		require.ErrorIs(t, err, errMigration)
		require.ErrorContains(t, err, `stratumtest: template "broken": migration 7`)
	}
	_, err := server.CreateDatabase(t.Context(), "")
	require.NoError(t, err, "the empty template is another one")
}
