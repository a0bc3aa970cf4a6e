//go:build unix

package guard_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/guard"
)

// pair are the two ends of a connection.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is at hand at once
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	client, err = net.Dial("tcp", listener.Addr().String()) //nolint:noctx // as above
	require.NoError(t, err)
	server, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

func TestAlive(t *testing.T) {
	t.Parallel()
	notice, parameter, goodbye := "N\x00\x00\x00\x05\x00", "S\x00\x00\x00\x08a\x00b\x00", "E\x00\x00\x00\x05\x00"
	for said, want := range map[string]bool{
		"": true, notice: true, parameter: true, goodbye: false, notice + parameter + goodbye: false,
		parameter + "S\x00": true, parameter + "S\x00\x00\x00\x00": true, "S\x00\x00\xff\xff": true,
	} {
		client, server := pair(t)
		_, err := server.Write([]byte(said))
		require.NoError(t, err)
		// What was said may be on its way.
		require.Eventually(t, func() bool { return guard.Alive(client) == want }, waitFor, tick, "%q", said)
		require.Equal(t, want, guard.Alive(client), "%q", said)
		require.NoError(t, server.Close())
		if said == "" {
			require.Eventually(t, func() bool { return !guard.Alive(client) }, waitFor, tick)
		}
	}
}

func TestAliveOfTheClosed(t *testing.T) {
	t.Parallel()
	client, _ := pair(t)
	require.NoError(t, client.Close())
	require.False(t, guard.Alive(client))
}

func TestAliveBeneathTLS(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	encrypted := tls.Client(client, &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "x"})
	require.True(t, guard.Alive(encrypted))
	_, err := server.Write([]byte("anything"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !guard.Alive(encrypted) }, waitFor, tick)
}

// TestAliveWaitsForNobody has somebody read from the connection, as pgx does after a slow write.
func TestAliveWaitsForNobody(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	reading, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		close(reading)
		_, _ = client.Read(make([]byte, 1))
	}()
	<-reading
	answer := make(chan bool, 1)
	// The reader has to be inside of Read, which nothing shows: a few looks make that as good as certain.
	for range 50 {
		go func() { answer <- guard.Alive(client) }()
		select {
		case alive := <-answer:
			require.True(t, alive)
		case <-time.After(waitFor):
			require.Fail(t, "alive waits for the reader")
		}
	}
	require.NoError(t, server.Close())
	<-read
}

// TestAliveWithoutSocket cannot look and does not claim to know.
func TestAliveWithoutSocket(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	require.True(t, guard.Alive(client))
	require.NoError(t, client.Close())
	require.NoError(t, server.Close())
}
