package stratumtest_test

import (
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// local is the environment without STRATUM_DATABASE_URL.
func local(name string) string {
	if name == pgserver.DatabaseURLVariable {
		return ""
	}
	return os.Getenv(name)
}

func TestConcurrentFirstUse(t *testing.T) {
	t.Parallel()
	shared := stratumtest.NewShared(pgserver.Config{Getenv: local})
	servers := make([]*stratumtest.Server, 8)
	errs := make([]error, len(servers))
	var group sync.WaitGroup
	for i := range servers {
		group.Go(func() { servers[i], errs[i] = shared.Get(t.Context()) })
	}
	group.Wait()
	for i := range servers {
		require.NoError(t, errs[i])
		require.Same(t, servers[0], servers[i])
	}
	require.NoError(t, shared.Close(t.Context()))
	require.NoError(t, shared.Close(t.Context()), "a second time")
}

func TestParallelTests(t *testing.T) {
	t.Parallel()
	var names sync.Map
	for range 20 {
		t.Run("test", func(t *testing.T) {
			t.Parallel()
			database := stratumtest.EmptyDatabase(t)
			_, taken := names.LoadOrStore(database.Name, nil)
			require.False(t, taken)
			require.Equal(t, database.Name, ask(t, database.DSN, "SELECT current_database()::text"))
		})
	}
}

// TestWithoutServer: a test that cannot run fails, with the whole reason, and is never skipped.
func TestWithoutServer(t *testing.T) {
	t.Parallel()
	shared := stratumtest.NewShared(pgserver.Config{
		Getenv: func(string) string { return "" }, BinDirs: []string{}, EmbeddedRepository: "http://127.0.0.1:1",
	})
	for range 2 {
		test := &standIn{ctx: t.Context()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			shared.EmptyDatabase(test)
		}()
		<-done
		require.Contains(t, test.failure, "1. STRATUM_DATABASE_URL: not set")
		require.Contains(t, test.failure, "2. PostgreSQL binaries of this machine: none")
		require.Contains(t, test.failure, "3. embedded-postgres: ")
		require.Contains(t, test.failure, "(install PostgreSQL 15 or newer")
	}
	_, err := shared.Get(t.Context())
	require.ErrorIs(t, err, stratumtest.ErrUnavailable)
	require.NoError(t, shared.Close(t.Context()))
}
