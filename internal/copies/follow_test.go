package copies_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

// settleTimeout is how long a test waits for what ought to come.
const settleTimeout = 30 * time.Second

// following is a follower and what it has reported.
type following struct {
	config copies.Config
	stop   func()

	mu       sync.Mutex
	targets  []copies.Destination
	statuses []copies.Status
}

// destination is a place as a target.
func (p place) destination(tables []copies.Table) copies.Destination {
	return copies.Destination{Name: p.Name, Tables: tables, Connect: p.dial}
}

func (p place) dial(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, p.OwnerDSN) }

// follow starts a follower that ends with the test.
func follow(t *testing.T, source place, change func(*copies.Config), targets ...copies.Destination) *following {
	t.Helper()
	f := &following{targets: targets}
	f.config = copies.Config{
		Connect: source.dial, Poll: time.Hour, Standby: 20 * time.Millisecond, Backoff: 20 * time.Millisecond,
		MaxBackoff: 200 * time.Millisecond, Timeout: time.Minute,
		Targets: func(context.Context) ([]copies.Destination, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.targets, nil
		},
		Status: func(s copies.Status) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.statuses = append(f.statuses, s)
		},
	}
	if change != nil {
		change(&f.config)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- copies.Follow(ctx, f.config) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	t.Cleanup(f.stop)
	return f
}

// saw waits until a status was reported.
func (f *following) saw(t *testing.T, what string, is func(copies.Status) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.statuses {
			if is(s) {
				return true
			}
		}
		return false
	}, settleTimeout, 10*time.Millisecond, what)
}

// clear forgets what was reported.
func (f *following) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses = nil
}

func (f *following) applied() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.statuses {
		n += s.Applied
	}
	return n
}

func (f *following) compared() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.statuses {
		if s.Report.Changed() {
			return true
		}
	}
	return false
}

func streaming(s copies.Status) bool {
	return s.Mode == copies.Streaming && s.Target != "" && s.Current
}

// catchesUp waits until the target has what the source has.
func catchesUp(t *testing.T, source, target place) {
	t.Helper()
	want := source.content(t)
	require.Eventually(t, func() bool { return target.content(t) == want }, settleTimeout, 20*time.Millisecond)
}

// isCurrent waits until nothing is missing by the target's own word.
func isCurrent(t *testing.T, source, target place) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, lag := range lags(t, source, target) {
			if !lag.Current() || lag.Age != 0 {
				return false
			}
		}
		return true
	}, settleTimeout, 100*time.Millisecond)
}

func lags(t *testing.T, source, target place) []copies.TableLag {
	t.Helper()
	from, err := source.dial(t.Context())
	require.NoError(t, err)
	to, err := target.dial(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(from.Close(t.Context()), to.Close(t.Context()))) }()
	found, err := copies.Lag(t.Context(), from, copies.Target{Conn: to}, shop())
	require.NoError(t, err)
	return found
}

// mayStream lets the source's owner read the log.
func (p place) mayStream(t *testing.T) {
	t.Helper()
	run(t, p.AdminDSN, `ALTER ROLE "`+p.Name+`_owner" REPLICATION`)
}

const moreShop = `
	UPDATE countries SET code = 'LI', name = 'Liechtenstein', tags = '{x}' WHERE code = 'CH';
	UPDATE regions SET name = 'Earth' WHERE id = 1;
	INSERT INTO regions VALUES (3, 'Asia', 1);
	DELETE FROM countries WHERE code = 'AT';
	INSERT INTO units (label) VALUES (NULL), ('');
	DELETE FROM loose WHERE n = 1;
	UPDATE templates SET body = 'changed' WHERE id = 1;
	INSERT INTO templates VALUES (7, '00000000-0000-0000-0000-000000000001', 'a tenant');`

func TestFollowWithoutTheLog(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	f := follow(t, source, nil, target.destination(shop()))
	catchesUp(t, source, target)
	source.exec(t, moreShop)
	catchesUp(t, source, target)
	isCurrent(t, source, target)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.statuses {
		require.NotEqual(t, copies.Streaming, s.Mode, "the owner may not read the log")
	}
}

func TestFollowTheLog(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.mayStream(t)
	source.exec(t, fillShop)
	f := follow(t, source, nil, target.destination(shop()))
	f.saw(t, "it streams", streaming)
	catchesUp(t, source, target)
	isCurrent(t, source, target)
	f.clear()
	source.exec(t, `UPDATE countries SET code = 'LI', feel = 'sad', raw = NULL WHERE code = 'CH';
		DELETE FROM countries WHERE code = 'AT';
		INSERT INTO regions VALUES (5, 'Africa', 1); INSERT INTO units (label) VALUES (NULL), ('')`)
	catchesUp(t, source, target)
	isCurrent(t, source, target)
	require.False(t, f.compared(), "nothing had to be compared")
	require.Equal(t, 5, f.applied())

	source.exec(t, moreShop)
	catchesUp(t, source, target)
	isCurrent(t, source, target)
	// A change of nothing brings nothing by the log, and yet must not be told as missing.
	source.exec(t, "UPDATE countries SET rank = 1 WHERE false")
	isCurrent(t, source, target)
}
