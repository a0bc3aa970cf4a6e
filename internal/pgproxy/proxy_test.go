package pgproxy_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/pgproxy"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// start returns a proxy to a database of the test's own.
func start(t *testing.T) *pgproxy.Proxy {
	t.Helper()
	proxy, err := pgproxy.Start(t.Context(), stratumtest.EmptyDatabase(t).DSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	return proxy
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// exec runs one statement without arguments by the simple protocol.
func exec(ctx context.Context, conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN())
	require.Equal(t, 0, proxy.Counts().RoundTrips, "connecting is not counted")
	require.Equal(t, 1, proxy.Counts().Connections)

	for name, test := range map[string]struct {
		run      func() error
		trips    int
		sequence string
	}{
		"simple": {func() error { return exec(t.Context(), conn, "SELECT 1") }, 1, "Q"},
		"extended": {func() error {
			_, err := conn.PgConn().ExecParams(t.Context(), "SELECT 1", nil, nil, nil, nil).Close()
			return err
		}, 1, "PBDES"},
		"pipeline with flush": {func() error {
			p := conn.PgConn().StartPipeline(t.Context())
			p.SendQueryParams("SELECT 1", nil, nil, nil, nil)
			p.SendFlushRequest()
			if err := p.Flush(); err != nil {
				return err
			}
			if err := p.Sync(); err != nil {
				return err
			}
			return p.Close()
		}, 2, "PBDEHS"},
	} {
		proxy.Reset()
		require.NoError(t, test.run(), name)
		counts := proxy.Counts()
		require.Equal(t, test.trips, counts.RoundTrips, name)
		require.Equal(t, test.sequence, counts.Sequence, name)
		require.Positive(t, counts.Up, name)
		require.Positive(t, counts.Down, name)
		require.Equal(t, 0, counts.Connections, name)
	}
}

func TestCountsAreACopy(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN())
	before := proxy.Counts()
	require.NoError(t, exec(t.Context(), conn, "SELECT 1"))
	require.Equal(t, 0, before.Messages['Q'])
	require.Equal(t, 1, proxy.Counts().Messages['Q'])
	// Message by message: type, length, text and its end.
	require.Equal(t, 1+4+len("SELECT 1")+1, proxy.Counts().Up)
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	conn := connect(t, start(t).DSN())
	var length int
	text := make([]byte, 3<<20)
	for i := range text {
		text[i] = 'x'
	}
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT length($1::text)", string(text)).Scan(&length))
	require.Equal(t, len(text), length)
	var back string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT repeat('y', $1)", len(text)).Scan(&back))
	require.Len(t, back, len(text))
}

func TestEncryptionIsDeclined(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN()+"&sslmode=prefer")
	require.NoError(t, conn.Ping(t.Context()))

	for name, code := range map[string]uint32{"TLS": 80877103, "GSS": 80877104} {
		raw := dial(t, proxy)
		require.NoError(t, binary.Write(raw, binary.BigEndian, []uint32{8, code}), name)
		answer := make([]byte, 1)
		_, err := io.ReadFull(raw, answer)
		require.NoError(t, err, name)
		require.Equal(t, "N", string(answer), name)
	}
}

func TestBadStartup(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	for name, header := range map[string][]uint32{
		"too short": {4, 196608}, "too long": {1 << 20, 196608}, "protocol 2": {8, 2 << 16}, "nothing known": {8, 7},
	} {
		raw := dial(t, proxy)
		require.NoError(t, binary.Write(raw, binary.BigEndian, header), name)
		_, err := raw.Read(make([]byte, 1))
		require.Error(t, err, name)
	}
	require.Equal(t, 0, proxy.Counts().Connections)
}

func TestBadMessageEndsTheConnection(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	raw := dial(t, proxy)
	require.NoError(t, binary.Write(raw, binary.BigEndian, []uint32{8, 3 << 16}))
	_, err := raw.Write([]byte{'Q', 0, 0, 0, 1})
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, raw)
	_ = err // the end, in one way or the other
}

func dial(t *testing.T, proxy *pgproxy.Proxy) net.Conn {
	t.Helper()
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+proxy.Port())
	require.NoError(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

func TestCancelIsPassedOn(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN())
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- exec(ctx, conn, "SELECT pg_sleep(60)") }()
	require.Eventually(t, func() bool { return proxy.Counts().Messages['Q'] == 1 }, time.Minute, 20*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.Eventually(t, func() bool { return proxy.Counts().Cancels == 1 }, time.Minute, 20*time.Millisecond)
	<-conn.PgConn().CleanupDone()
}

func TestCut(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN())
	proxy.Cut()
	require.Error(t, conn.Ping(t.Context()))
	require.NoError(t, connect(t, proxy.DSN()).Ping(t.Context()), "new connections are served")
}

func TestDelay(t *testing.T) {
	t.Parallel()
	proxy := start(t)
	conn := connect(t, proxy.DSN())
	proxy.Delay(30 * time.Millisecond)
	begin := time.Now()
	require.NoError(t, conn.Ping(t.Context()))
	require.GreaterOrEqual(t, time.Since(begin), 30*time.Millisecond)
	proxy.Delay(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.Error(t, conn.Ping(ctx))
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	database := stratumtest.EmptyDatabase(t)
	proxy, err := pgproxy.Start(t.Context(), database.DSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	dsn, err := proxy.Rewrite(database.AdminDSN)
	require.NoError(t, err)
	var login string
	require.NoError(t, connect(t, dsn).QueryRow(t.Context(), "SELECT current_setting('is_superuser')").Scan(&login))
	require.Equal(t, "on", login)

	_, err = proxy.Rewrite("postgres://u:secret@%zz/")
	require.ErrorIs(t, err, pgproxy.ErrDSN)
	require.NotContains(t, err.Error(), "secret")
	_, err = pgproxy.Start(t.Context(), "postgres://u:secret@localhost:port/")
	require.ErrorIs(t, err, pgproxy.ErrDSN)
}

func TestServerIsGone(t *testing.T) {
	t.Parallel()
	proxy, err := pgproxy.Start(t.Context(), "postgres://u@localhost/d?host=/nowhere/at/all&port=1")
	require.NoError(t, err)
	_, err = pgconn.Connect(t.Context(), proxy.DSN())
	require.Error(t, err)
	require.NoError(t, proxy.Close())
	_, err = pgconn.Connect(t.Context(), proxy.DSN())
	require.Error(t, err)
}
