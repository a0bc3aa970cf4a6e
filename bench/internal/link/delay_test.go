package link_test

import (
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/bench/internal/link"
)

// echo is a server that sends back what it gets. It returns a DSN that names it.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	return "postgres://app@" + listener.Addr().String() + "/app"
}

func dial(t *testing.T, delay *link.Delay) net.Conn {
	t.Helper()
	dsn, err := delay.DSN("postgres://app@elsewhere/app?host=/tmp&port=1")
	require.NoError(t, err)
	parsed, err := url.Parse(dsn)
	require.NoError(t, err)
	require.Equal(t, "disable", parsed.Query().Get("sslmode"))
	require.Empty(t, parsed.Query().Get("host"))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", parsed.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func start(t *testing.T, oneWay time.Duration) *link.Delay {
	t.Helper()
	delay, err := link.StartDelay(t.Context(), echo(t), oneWay)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, delay.Close()) })
	return delay
}

func roundTrip(t *testing.T, conn net.Conn, text string) time.Duration {
	t.Helper()
	from := time.Now()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	back := make([]byte, len(text))
	_, err = io.ReadFull(conn, back)
	require.NoError(t, err)
	require.Equal(t, text, string(back))
	return time.Since(from)
}

func TestDelayHoldsBackEachDirection(t *testing.T) {
	t.Parallel()
	const oneWay = 5 * time.Millisecond
	conn := dial(t, start(t, oneWay))
	for range 5 {
		require.GreaterOrEqual(t, roundTrip(t, conn, "hello"), 2*oneWay)
	}
}

// TestDelayIsNearAMillisecond: the delay of the slow link is not several times what it says. The quickest of many,
// because the machine may have other work.
func TestDelayIsNearAMillisecond(t *testing.T) {
	t.Parallel()
	conn := dial(t, start(t, link.OneWay))
	least := time.Hour
	for range 100 {
		least = min(least, roundTrip(t, conn, "hello"))
	}
	require.GreaterOrEqual(t, least, 2*link.OneWay)
	require.Less(t, least, 4*link.OneWay)
}

// TestDelayIsNoQueue: what is sent at once arrives at once, as on a cable, and not each behind the other's delay.
func TestDelayIsNoQueue(t *testing.T) {
	t.Parallel()
	const oneWay, messages = 100 * time.Millisecond, 20
	conn := dial(t, start(t, oneWay))
	from := time.Now()
	for range messages {
		_, err := io.WriteString(conn, "hello")
		require.NoError(t, err)
	}
	_, err := io.ReadFull(conn, make([]byte, 5*messages))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(from), 2*oneWay)
	require.Less(t, time.Since(from), messages*oneWay)
}

func TestDelayEndsWithItsClient(t *testing.T) {
	t.Parallel()
	delay := start(t, 0)
	conn := dial(t, delay)
	roundTrip(t, conn, "hello")
	require.NoError(t, delay.Close())
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestDelayWithoutAServer(t *testing.T) {
	t.Parallel()
	delay, err := link.StartDelay(t.Context(), "postgres://app@127.0.0.1:1/app", 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, delay.Close()) })
	_, err = dial(t, delay).Read(make([]byte, 1))
	require.Error(t, err)
}

func TestDelayKeepsTheDSNToItself(t *testing.T) {
	t.Parallel()
	const dsn = "postgres://app:secret@%zz/app"
	_, err := link.StartDelay(t.Context(), dsn, 0)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
	_, err = start(t, 0).DSN(dsn)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}
