//go:build unix

package guard_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// TestAliveOfACountedConnection looks at the socket, beneath TLS too.
func TestAliveOfACountedConnection(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	counted, _ := guard.Counted(client)
	encrypted := tls.Client(counted, &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "x"})
	require.True(t, guard.Alive(counted))
	require.True(t, guard.Alive(encrypted))
	_, err := server.Write([]byte("N\x00\x00\x00\x05\x00"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !guard.Alive(encrypted) }, waitFor, tick)
	require.True(t, guard.Alive(counted))
	require.NoError(t, server.Close())
	require.NoError(t, counted.Close())
	require.Eventually(t, func() bool { return !guard.Alive(counted) }, waitFor, tick)
	_, err = counted.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = counted.Write(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, counted.SetDeadline(time.Time{}), net.ErrClosed)
	piped, end := net.Pipe()
	deaf, _ := guard.Counted(piped)
	require.True(t, guard.Alive(deaf), "there is no socket to look at")
	_, err = deaf.(syscall.Conn).SyscallConn()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, piped.Close())
	require.NoError(t, end.Close())
}

// TestTokenWaitsForTheServer to close its end, for a while.
func TestTokenWaitsForTheServer(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{true, false} {
		client, server := pair(t)
		counted, budget := guard.Counted(client)
		require.NoError(t, counted.Close())
		_, err := server.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Never(t, func() bool { return budget.Stats().Open == 0 }, 20*tick, tick)
		require.Equal(t, 1, budget.Stats().Closing)
		if closes {
			require.NoError(t, server.Close())
		}
		require.Eventually(t, func() bool { return budget.Stats().Open == 0 }, waitFor, tick)
		require.Zero(t, budget.Stats().Closing)
	}
}
