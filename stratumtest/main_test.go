package stratumtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/stratumtest"
)

// childVariable has the test binary run as a package whose tests come to some end.
const childVariable = "STRATUMTEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childVariable); mode != "" {
		stratumtest.Main(childTests(mode))
	}
	stratumtest.Main(m)
}

// childTests stands in for the tests of a package.
type childTests string

// Run uses a database, prints where its server is, and ends as the mode says.
func (mode childTests) Run() int {
	database := stratumtest.EmptyDatabase(&standIn{ctx: context.Background()})
	fmt.Println(database.AdminDSN)
	switch mode {
	case "leaking":
		go func() { select {} }()
	case "failing":
		return 1
	}
	return 0
}

func TestMainEndsTheServer(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]struct {
		code   int
		stderr string
	}{
		"clean":   {0, ""},
		"failing": {1, ""},
		"leaking": {1, "goleak: Errors on successful test run: found unexpected goroutines"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0])
			// Its own server, which can be seen to be gone.
			command.Env = append(os.Environ(), childVariable+"="+mode, "STRATUM_DATABASE_URL=")
			var stdout, stderr strings.Builder
			command.Stdout, command.Stderr = &stdout, &stderr
			err := command.Run()
			var exit *exec.ExitError
			require.True(t, err == nil || errors.As(err, &exit), err)
			require.Equal(t, want.code, command.ProcessState.ExitCode())
			require.Contains(t, stderr.String(), want.stderr)

			config, err := pgx.ParseConfig(strings.TrimSpace(stdout.String()))
			require.NoError(t, err)
			require.Contains(t, config.Host, "stratum-pg-")
			require.NoDirExists(t, config.Host)
		})
	}
}

// standIn is a test of which only what stratumtest asks of one works.
type standIn struct {
	testing.TB
	ctx      context.Context //nolint:containedctx // A test carries its context.
	cleanups []func()
	failure  string
}

func (s *standIn) Helper()                  {}
func (s *standIn) Context() context.Context { return s.ctx }
func (s *standIn) Cleanup(f func())         { s.cleanups = append(s.cleanups, f) }
func (s *standIn) Error(args ...any)        { s.failure = fmt.Sprint(args...) }

// Fatal ends the goroutine, as that of a test does.
func (s *standIn) Fatal(args ...any) {
	s.failure = fmt.Sprint(args...)
	runtime.Goexit()
}

// end is what the testing package does after a test.
func (s *standIn) end() {
	for _, cleanup := range s.cleanups {
		cleanup()
	}
}
