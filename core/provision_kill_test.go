package core_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// childDSNs and childRound tell a child of a test which registry to work on, and what to make.
const (
	childDSNs  = "STRATUM_TEST_CHILD_DSNS"
	childRound = "STRATUM_TEST_CHILD_ROUND"
)

// child makes tenants and spares as any program would, until it is killed.
func child(dsns string) int {
	ctx := context.Background()
	dsn := strings.Split(dsns, " ")
	st, err := core.Open(ctx, core.Options{DSN: dsn[0], SystemDSN: dsn[1], OwnerDSN: dsn[2]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("begun")
	for n := 0; ; n++ {
		isolation := isolations()[1+n%2]
		slug := fmt.Sprintf("%s-%s-%d", isolation, os.Getenv(childRound), n)
		_, err = st.Tenants.Create(ctx, core.NewTenant{Name: slug, Slug: slug, Isolation: isolation})
		if err == nil && n%3 == 0 {
			_, err = st.Placements.Prepare(ctx, core.Spares{Isolation: isolation, Count: 1})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// TestProgramsAreKilled while they make tenants: nothing half done is ever reached, and all of it is finished or taken
// back later.
func TestProgramsAreKilled(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	executable, err := os.Executable()
	require.NoError(t, err)
	left := 0
	for round := range 10 {
		cmd := exec.CommandContext(t.Context(), executable)
		cmd.Env = append(os.Environ(), childDSNs+"="+strings.Join([]string{e.DSN, e.SystemDSN, e.OwnerDSN}, " "),
			fmt.Sprintf("%s=%d", childRound, round))
		output, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = bufio.NewReader(output).ReadString('\n')
		require.NoError(t, err)
		kill := time.AfterFunc(rand.N(900*time.Millisecond), func() { _ = cmd.Process.Kill() })
		require.Error(t, cmd.Wait())
		require.False(t, kill.Stop(), "it was not killed, it failed")
		left += len(e.left(t))
		e.settle(t, round)
	}
	require.Positive(t, left, "some were killed in between")
	report, err := e.st.Tenants.Reconcile(t.Context(), core.ReconcileOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Failed)
	require.Zero(t, ask[int](t, e.AdminDSN, "SELECT count(*) FROM stratum.spares WHERE NOT ready"))
	e.requireAllWork(t)
}
