package gormstratum_test

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/gormstratum"
)

// adoptRows is the number of rows in each of the ten tables. make adopt-1m runs with 100,000.
var adoptRows = flag.Int("adopt.rows", 1000, "rows in each table of TestAdoptWhileWriting")

// gauge measures what an adoption costs its neighbours.
type gauge struct {
	mu         sync.Mutex
	held       time.Duration
	waited     time.Duration
	retries    int
	statements int
	blocked    time.Duration // of a writer, by the adoption, as sampled
	blockedBy  string
}

// progress is for AdoptOptions.
func (g *gauge) progress(e gormstratum.AdoptEvent) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.Retry != nil {
		g.retries++
	}
	if e.Done {
		g.statements++
		g.held, g.waited = max(g.held, e.Held), max(g.waited, e.Waited)
	}
	return nil
}

// blockedSQL is how long somebody has waited for a lock that the owner's connection has, or is in front for.
const blockedSQL = `
	SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8,
		coalesce(max(left(o.query, 200)), '')
	FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
	CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS p(pid) JOIN pg_stat_activity o ON o.pid = p.pid
	WHERE NOT l.granted AND l.waitstart IS NOT NULL AND a.query NOT LIKE '%CONCURRENTLY%'
		AND o.application_name = 'adoption' AND a.application_name <> 'adoption'`

// watch samples how long writers wait for the adoption, until ctx ends.
func (g *gauge) watch(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		var seconds float64
		var query string
		if err := conn.QueryRow(ctx, blockedSQL).Scan(&seconds, &query); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		g.mu.Lock()
		if d := time.Duration(seconds * float64(time.Second)); d > g.blocked {
			g.blocked, g.blockedBy = d, query
		}
		g.mu.Unlock()
	}
	return nil
}

// The whole way there and half the way back, while both versions write: no write fails, none is lost, each row is where
// its account is, and nobody waits for long.
func TestAdoptWhileWriting(t *testing.T) {
	t.Parallel()
	const accounts = 20
	began := time.Now()
	b := newBusiness(t, accounts, *adoptRows)
	b, options := b.labelled(t)
	g := &gauge{}
	options.Progress, options.CreateTenants = g.progress, true
	options.Batch = min(1000, *adoptRows/4)
	before, tenants := b.counts(t), b.contexts(t, accounts)
	t.Logf("%d rows filled after %s", 10**adoptRows, time.Since(began))

	watching, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- g.watch(watching, b.AdminDSN) }()

	l := &ledger{rows: map[string]int64{}}
	plainly := func() *crew {
		return work(t.Context(), writers("plain", 3, l, accounts, *adoptRows), plainWrite(b.plain))
	}
	move := func(name string, run func(context.Context) error) {
		began := time.Now()
		require.NoError(t, run(t.Context()), name)
		writes, slowest := l.soFar()
		t.Logf("%-18s %8s  %6d writes so far, slowest %s", name, time.Since(began).Round(time.Millisecond), writes, slowest)
	}
	to := func(step gormstratum.AdoptStep) {
		options.To = step
		move("to "+step.String(), func(ctx context.Context) error { return gormstratum.Adopt(ctx, b.db, options) })
	}
	back := func(step gormstratum.AdoptStep) {
		options.To = step
		move("back to "+step.String(), func(ctx context.Context) error { return gormstratum.Eject(ctx, b.db, options) })
	}

	plain := plainly()
	to(gormstratum.AdoptExpanded)
	to(gormstratum.AdoptFilled)
	to(gormstratum.AdoptValidated)
	to(gormstratum.AdoptSwitched)
	guarded := work(t.Context(), writers("guarded", 2, l, accounts, *adoptRows), guardedWrite(b, tenants))
	plain.end(t, 30) // both versions, side by side
	to(gormstratum.AdoptSealed)
	guarded.end(t, 20)
	require.Zero(t, b.misplaced(t))
	l.holds(t, b, before)

	guarded = work(t.Context(), writers("later", 2, l, accounts, *adoptRows), guardedWrite(b, tenants))
	back(gormstratum.AdoptSwitched)
	plain = work(t.Context(), writers("returned", 3, l, accounts, *adoptRows), plainWrite(b.plain))
	guarded.end(t, 20)
	require.Zero(t, b.misplaced(t))
	back(gormstratum.AdoptPlain)
	plain.end(t, 30)
	l.holds(t, b, before)

	stop()
	require.NoError(t, <-watched)
	t.Logf("%d rows, %d writes, %d failed; %d statements, %d retries; strong locks: longest wait %s, longest hold %s; "+
		"a writer behind the adoption waited %s at most, as sampled (%s); %s in all", 10**adoptRows, l.writes,
		len(l.failures), g.statements, g.retries, g.waited, g.held, g.blocked, g.blockedBy, time.Since(began))
	require.Less(t, g.held, 200*time.Millisecond)
	require.Less(t, g.waited, 200*time.Millisecond)
}

// labelled are the options for a handle whose connections of the owner can be told from those of the plain version.
func (b business) labelled(t *testing.T) (business, gormstratum.AdoptOptions) {
	t.Helper()
	options := b.Options()
	options.OwnerDSN = withOption(t, options.OwnerDSN, "application_name", "adoption")
	b.st = b.openStratum(t, options)
	b.db = b.used(t, guardedModels())
	return b, crmKeys()
}
