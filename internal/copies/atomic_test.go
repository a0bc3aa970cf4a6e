package copies_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

// ledgerDDL is two tables whose every committed state has one number in all rows of both.
const ledgerDDL = `CREATE TABLE heads (id int PRIMARY KEY, n int NOT NULL);
	CREATE TABLE lines (id int PRIMARY KEY, head int NOT NULL REFERENCES heads, n int NOT NULL, pad text);`

func ledger() []copies.Table {
	return []copies.Table{{Schema: "public", Name: "lines"}, {Schema: "public", Name: "heads"}}
}

const writeLedger = `BEGIN; UPDATE heads SET n = %d; UPDATE lines SET n = %[1]d;
	DELETE FROM lines WHERE id = 5000 + %[1]d - 1; INSERT INTO lines VALUES (5000 + %[1]d, 1, %[1]d, 'x'); COMMIT`

// numbers are the different ones in a place.
func (p place) numbers(t *testing.T) []int {
	t.Helper()
	return value[[]int](t, p, `SELECT coalesce(array_agg(DISTINCT n), '{}')
		FROM (SELECT n FROM heads UNION ALL SELECT n FROM lines) x`)
}

func newLedger(t *testing.T) (source, target place) {
	t.Helper()
	source, target = newPlace(t, ledgerDDL), newPlace(t, ledgerDDL)
	source.install(t, ledger())
	source.exec(t, `INSERT INTO heads VALUES (1, 0), (2, 0);
		INSERT INTO lines SELECT i, 1, 0, repeat('p', 100) FROM generate_series(1, 2000) i`)
	return source, target
}

// TestRefreshIsAllOrNothing ends refreshes at twenty moments, while the source is written to.
func TestRefreshIsAllOrNothing(t *testing.T) {
	t.Parallel()
	source, target := newLedger(t)
	begun := time.Now()
	refreshed(t, source, target, ledger())
	whole := time.Since(begun)
	for i := range 20 {
		before := target.numbers(t)
		source.exec(t, fmt.Sprintf(writeLedger, i+1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.Int64N(int64(whole))))
		from, to := source.connect(t), target.connect(t)
		_, err := copies.Refresh(ctx, from, copies.Target{Conn: to}, ledger())
		cancel()
		after := target.numbers(t)
		require.Len(t, after, 1, "half of a change")
		if err == nil {
			require.Equal(t, []int{i + 1}, after)
		} else {
			require.Subset(t, [][]int{before, {i + 1}}, [][]int{after})
		}
	}
	refreshed(t, source, target, ledger())
	require.Equal(t, []int{20}, target.numbers(t))
	require.Equal(t, int64(2001), value[int64](t, target, "SELECT count(*) FROM lines"))
}

// TestRefreshBesideWriters: whatever is committed meanwhile, the target never shows half of it.
func TestRefreshBesideWriters(t *testing.T) {
	t.Parallel()
	source, target := newLedger(t)
	refreshed(t, source, target, ledger())
	var writer sync.WaitGroup
	written := make(chan error, 1)
	writer.Go(func() {
		conn, err := pgx.Connect(t.Context(), source.OwnerDSN)
		for i := 1; err == nil && i <= 60; i++ {
			_, err = conn.Exec(t.Context(), fmt.Sprintf(writeLedger, i))
		}
		_ = conn.Close(t.Context())
		written <- err
	})
	from, to := source.connect(t), copies.Target{Conn: target.connect(t)}
	for len(written) == 0 {
		_, err := copies.Refresh(t.Context(), from, to, ledger())
		require.NoError(t, err)
		require.Len(t, target.numbers(t), 1)
	}
	writer.Wait()
	require.NoError(t, <-written)
	_, err := copies.Refresh(t.Context(), from, to, ledger())
	require.NoError(t, err)
	require.Equal(t, []int{60}, target.numbers(t))
}

// TestRefreshesWait: of several at once, one copies and the others find nothing to do.
func TestRefreshesWait(t *testing.T) {
	t.Parallel()
	source, target := newLedger(t)
	reports := make(chan copies.Report, 4)
	errs := make(chan error, 4)
	for range 4 {
		from, to := source.connect(t), target.connect(t)
		go func() {
			report, err := copies.Refresh(t.Context(), from, copies.Target{Conn: to}, ledger())
			reports <- report
			errs <- err
		}()
	}
	changed := 0
	for range 4 {
		require.NoError(t, <-errs)
		if (<-reports).Changed() {
			changed++
		}
	}
	require.Equal(t, 1, changed)
}

// TestRefreshIsEqual is the property: after any changes a refresh makes the copies equal, and a second one has nothing
// to do.
func TestRefreshIsEqual(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	from, to := source.connect(t), target.connect(t)
	rapid.Check(t, func(rt *rapid.T) {
		statements := rapid.SliceOfN(rapid.SampledFrom(randomChanges()), 1, 8).Draw(rt, "changes")
		n := rapid.IntRange(1, 9).Draw(rt, "n")
		for _, s := range statements {
			// Some violate a constraint of the source, which is as good a change as any.
			_, _ = from.Exec(t.Context(), strings.ReplaceAll(s, "$n", strconv.Itoa(n)))
			n = n%9 + 1
		}
		_, err := copies.Refresh(t.Context(), from, copies.Target{Conn: to}, shop())
		require.NoError(rt, err)
		require.Equal(rt, contentOf(t, from), contentOf(t, to))
		report, err := copies.Refresh(t.Context(), from, copies.Target{Conn: to}, shop())
		require.NoError(rt, err)
		require.False(rt, report.Changed())
	})
}

func contentOf(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var text string
	require.NoError(t, conn.QueryRow(t.Context(), contentSQL).Scan(&text))
	return text
}

func randomChanges() []string {
	return []string{
		"INSERT INTO regions VALUES ($n, 'r$n', NULL)", "UPDATE regions SET name = 'q' || name WHERE id = $n",
		"DELETE FROM regions WHERE id = $n", "UPDATE regions SET parent = $n WHERE id > $n",
		"UPDATE regions SET id = id + 10 WHERE id = $n",
		"INSERT INTO countries (code, name, rank, region) VALUES ('$n', 'c', $n, $n)",
		"UPDATE countries SET region = $n WHERE code < '$n'", "DELETE FROM countries WHERE code = '$n'",
		"UPDATE countries SET rank = 10 - rank", "UPDATE countries SET rank = NULL WHERE code = '$n'",
		"UPDATE countries SET tags = tags || '{a,\"\"}', price = $n.0, raw = '{\"$n\":  1}' WHERE code > '$n'",
		"UPDATE countries SET code = 'x' || code WHERE code = '$n'", "TRUNCATE countries",
		"INSERT INTO units (label) VALUES ('$n')", "DELETE FROM units WHERE id % 10 = $n",
		"INSERT INTO loose VALUES ('$n', $n)", "DELETE FROM loose WHERE n < $n",
		"INSERT INTO templates VALUES ($n, NULL, 'e')",
		"UPDATE templates SET tenant_id = '00000000-0000-0000-0000-000000000001' WHERE id = $n",
		"UPDATE templates SET tenant_id = NULL, body = body || '$n'",
	}
}

// TestRefreshIsBounded copies 100,000 rows of 40 MB within a few.
func TestRefreshIsBounded(t *testing.T) {
	t.Parallel()
	source, target := newLedger(t)
	source.exec(t, "INSERT INTO lines SELECT i, 1, 0, repeat(md5(i::text), 12) FROM generate_series(10001, 110000) i")
	from, to := source.connect(t), target.connect(t)
	peak := make(chan uint64, 1)
	stop := make(chan struct{})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		var highest uint64
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				peak <- highest
				return
			case <-ticker.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				highest = max(highest, now.HeapInuse)
			}
		}
	}()
	_, err := copies.Refresh(t.Context(), from, copies.Target{Conn: to}, ledger())
	close(stop)
	require.NoError(t, err)
	require.Less(t, <-peak, before.HeapInuse+24<<20)
	require.Equal(t, int64(102_000), value[int64](t, target, "SELECT count(*) FROM lines"))
}
