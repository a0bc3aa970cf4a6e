package copies_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/copies"
)

// modes are the two ways of following, for guarantees that must hold in both.
func modes(t *testing.T, test func(t *testing.T, source, target place, stream bool)) {
	t.Helper()
	for name, stream := range map[string]bool{"by comparing": false, "by the log": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := newShop(t)
			if stream {
				source.mayStream(t)
			}
			source.exec(t, fillShop)
			test(t, source, target, stream)
		})
	}
}

// starts waits until the follower is at work.
func (f *following) starts(t *testing.T, stream bool) {
	t.Helper()
	f.saw(t, "it works", func(s copies.Status) bool {
		return s.Err == nil && s.Target != "" && (!stream || s.Mode == copies.Streaming)
	})
}

// TestFollowSurvivesItsConnections ends every connection of the source's owner while changes come.
func TestFollowSurvivesItsConnections(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		f := follow(t, source, nil, target.destination(shop()))
		f.starts(t, stream)
		for i := range 5 {
			source.exec(t, fmt.Sprintf(`INSERT INTO regions VALUES (%d, 'r%[1]d', 1);
				INSERT INTO loose VALUES ('w', %[1]d)`, 100+i))
			run(t, source.AdminDSN, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE usename = '`+source.Name+`_owner'`)
			source.exec(t, fmt.Sprintf("DELETE FROM loose WHERE n = %d", 99+i))
		}
		catchesUp(t, source, target)
		isCurrent(t, source, target)
		source.exec(t, moreShop)
		catchesUp(t, source, target)
	})
}

// TestFollowTakesOver: a follower works when the one before it has ended, and not before.
func TestFollowTakesOver(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		first := follow(t, source, nil, target.destination(shop()))
		first.starts(t, stream)
		second := follow(t, source, nil, target.destination(shop()))
		second.saw(t, "it stands by", func(s copies.Status) bool { return s.Mode == copies.Standby })
		source.exec(t, "INSERT INTO regions VALUES (100, 'r', 1)")
		catchesUp(t, source, target)
		second.mu.Lock()
		for _, s := range second.statuses {
			require.Equal(t, copies.Status{Mode: copies.Standby}, s, "it does nothing")
		}
		second.mu.Unlock()
		first.stop()
		source.exec(t, moreShop)
		second.starts(t, stream)
		catchesUp(t, source, target)
		isCurrent(t, source, target)
		require.Zero(t, value[int](t, source, "SELECT count(*) FROM pg_replication_slots WHERE NOT temporary"),
			"no slot outlives its follower")
	})
}

// TestFollowLeavesOthersAlone: a target that is down is caught up when it returns, and holds up nobody.
func TestFollowLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		other := newPlace(t, shopDDL)
		var down atomic.Bool
		sick := other.destination(shop())
		sick.Connect = func(ctx context.Context) (*pgx.Conn, error) {
			if down.Load() {
				return nil, errors.New("it is down")
			}
			return other.dial(ctx)
		}
		f := follow(t, source, nil, target.destination(shop()), sick)
		f.starts(t, stream)
		catchesUp(t, source, other)
		isCurrent(t, source, other)
		down.Store(true)
		source.exec(t, moreShop)
		catchesUp(t, source, target)
		isCurrent(t, source, target)
		f.saw(t, "it is reported", func(s copies.Status) bool {
			return s.Target == other.Name && s.Failures > 1 && s.Err != nil && !s.Retry.IsZero()
		})
		require.NotEqual(t, source.content(t), other.content(t))
		if stream {
			acknowledged(t, source)
		}
		down.Store(false)
		catchesUp(t, source, other)
		isCurrent(t, source, other)
	})
}

// acknowledged waits until the slot lets the log go that was written by now.
func acknowledged(t *testing.T, source place) {
	t.Helper()
	now := value[string](t, source, "SELECT pg_current_wal_lsn()::text")
	require.Eventually(t, func() bool {
		source.exec(t, "INSERT INTO regions (id, name) SELECT max(id) + 1, gen_random_uuid()::text FROM regions")
		return value[bool](t, source, `SELECT coalesce(bool_and(confirmed_flush_lsn > $1::pg_lsn), false)
			FROM pg_replication_slots WHERE database = current_database()`, now)
	}, settleTimeout, 200*time.Millisecond)
}

func TestFollowTakesUpTargets(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		other := newPlace(t, shopDDL)
		f := follow(t, source, func(c *copies.Config) { c.Poll = 50 * time.Millisecond }, target.destination(shop()))
		f.starts(t, stream)
		f.mu.Lock()
		f.targets = []copies.Destination{other.destination(shop())}
		f.mu.Unlock()
		catchesUp(t, source, other)
		source.exec(t, moreShop)
		catchesUp(t, source, other)
		isCurrent(t, source, other)
	})
}

// TestFollowPolls: what nobody was notified of is found all the same.
func TestFollowPolls(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	f := follow(t, source, func(c *copies.Config) { c.Poll = 50 * time.Millisecond }, target.destination(shop()))
	f.starts(t, false)
	source.exec(t, "UNLISTEN *")
	run(t, source.AdminDSN, `CREATE OR REPLACE FUNCTION stratum.note_change() RETURNS trigger
		LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN
			INSERT INTO stratum.copy_changes VALUES (TG_ARGV[0], TG_ARGV[1]) ON CONFLICT DO NOTHING;
			RETURN NULL;
		END $$`)
	source.exec(t, moreShop)
	catchesUp(t, source, target)
}

// TestFollowNewTarget: a target that is listed only after the follower has begun hears of the next change, long before
// the targets are asked for again by themselves.
func TestFollowNewTarget(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		f := follow(t, source, func(c *copies.Config) { c.NoStream = !stream })
		f.saw(t, "the follower", func(s copies.Status) bool { return s.Target == "" && s.Mode != copies.Standby })
		f.mu.Lock()
		f.targets = []copies.Destination{target.destination(shop())}
		f.mu.Unlock()
		source.exec(t, moreShop)
		catchesUp(t, source, target)
		isCurrent(t, source, target)
	})
}

// TestFollowPrunes: what is written down of changes does not grow, and nothing is lost by it.
func TestFollowPrunes(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		f := follow(t, source, func(c *copies.Config) {
			c.Poll, c.KeepChanges = 100*time.Millisecond, 3
		}, target.destination(shop()))
		f.starts(t, stream)
		for i := range 5 {
			source.exec(t, fmt.Sprintf("INSERT INTO regions VALUES (%d, 'r%[1]d', 1)", 100+i))
		}
		require.Eventually(t, func() bool {
			return value[int](t, source, "SELECT count(*) FROM stratum.copy_changes") <= 3
		}, settleTimeout, 50*time.Millisecond)
		catchesUp(t, source, target)
		isCurrent(t, source, target)
	})
}

// TestFollowRepairs has what the log brings meet what it is not meant for.
func TestFollowRepairs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, change string }{
		"a row that is gone":  {"DELETE FROM units", "UPDATE units SET label = 'g'"},
		"a row that is there": {"INSERT INTO regions VALUES (50, 'x', 1)", "INSERT INTO regions VALUES (50, 'y', 1)"},
		"a huge transaction":  {"", "INSERT INTO regions SELECT n, 'r' || n, 1 FROM generate_series(10, 20100) n"},
		"a truncated table":   {"", "TRUNCATE units"},
		"values in a circle": {"", `UPDATE regions SET name = name || 'x'; UPDATE countries SET rank = NULL;
			UPDATE countries SET rank = 1 WHERE code = 'AT'; UPDATE countries SET rank = 2 WHERE code = 'CH'`},
		"a column that was not": {
			"ALTER TABLE units ADD COLUMN more int", "ALTER TABLE units ADD COLUMN more int; UPDATE units SET more = 1",
		},
		"a value that was not sent": {"", `UPDATE countries SET bytes = (
				SELECT string_agg(sha512(n::text::bytea), '') FROM generate_series(1, 500) n);
			UPDATE countries SET rank = rank + 100`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := newShop(t)
			source.mayStream(t)
			source.exec(t, fillShop)
			f := follow(t, source, nil, target.destination(shop()))
			f.saw(t, "it streams", streaming)
			isCurrent(t, source, target)
			if test.before != "" {
				target.exec(t, test.before)
			}
			source.exec(t, test.change)
			catchesUp(t, source, target)
			isCurrent(t, source, target)
		})
	}
}

// TestFollowBesideRefresh: whoever refreshes a target that is followed, no change is applied twice or lost.
func TestFollowBesideRefresh(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.mayStream(t)
	source.exec(t, fillShop)
	f := follow(t, source, nil, target.destination(shop()))
	f.saw(t, "it streams", streaming)
	from, to := source.connect(t), target.connect(t)
	for i := range 30 {
		source.exec(t, fmt.Sprintf("INSERT INTO regions VALUES (%d, 'r%[1]d', 1); UPDATE units SET label = '%[1]d';"+
			"DELETE FROM regions WHERE id = %d", 100+i, 98+i))
		_, err := copies.Refresh(t.Context(), from, copies.Target{Conn: to}, shop())
		require.NoError(t, err)
	}
	catchesUp(t, source, target)
	isCurrent(t, source, target)
}

// TestFollowNeverGoesBack: what a Refresh has brought already is not overwritten with what was before it.
func TestFollowNeverGoesBack(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.mayStream(t)
	source.exec(t, "INSERT INTO units (label) VALUES ('0')")
	target.exec(t, `CREATE TABLE steps_back (label text);
		CREATE FUNCTION step_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO public.steps_back VALUES (NEW.label); RETURN NEW; END $$;
		CREATE TRIGGER step_back BEFORE UPDATE ON units FOR EACH ROW WHEN (NEW.label::int < OLD.label::int)
			EXECUTE FUNCTION step_back()`)
	f := follow(t, source, nil, target.destination(shop()))
	f.saw(t, "it streams", streaming)
	from, to := source.connect(t), target.connect(t)
	for i := range 100 {
		_, err := from.Exec(t.Context(), fmt.Sprintf("UPDATE units SET label = '%d'", i+1))
		require.NoError(t, err)
		if i%5 == 4 {
			_, err = copies.Refresh(t.Context(), from, copies.Target{Conn: to}, shop())
			require.NoError(t, err)
		}
	}
	catchesUp(t, source, target)
	isCurrent(t, source, target)
	require.Zero(t, value[int](t, target, "SELECT count(*) FROM steps_back"))
}

// TestFollowReportsRefusals: a refusal is reported, and when its reason is gone the target is caught up.
func TestFollowReportsRefusals(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, source, target place, stream bool) {
		t.Helper()
		f := follow(t, source, nil, target.destination(shop()))
		f.starts(t, stream)
		target.exec(t, `CREATE TABLE invoices (country varchar(2) REFERENCES countries);
			INSERT INTO invoices VALUES ('CH')`)
		source.exec(t, "DELETE FROM countries WHERE code = 'CH'")
		f.saw(t, "it is refused", func(s copies.Status) bool { return errors.Is(s.Err, copies.ErrReference) })
		target.exec(t, "DELETE FROM invoices")
		catchesUp(t, source, target)
	})
}

func TestFollowWantsItsConfig(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, copies.Follow(t.Context(), copies.Config{}), "lacks Connect or Targets")
}

// TestFollowOutlivesItsSource: it returns for the end of ctx alone.
func TestFollowOutlivesItsSource(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	var broken atomic.Bool
	broken.Store(true)
	f := follow(t, source, func(c *copies.Config) {
		c.Connect = func(ctx context.Context) (*pgx.Conn, error) {
			if broken.Load() {
				return nil, errors.New("no source")
			}
			return source.dial(ctx)
		}
	}, target.destination(shop()))
	f.saw(t, "it is told", func(s copies.Status) bool { return s.Mode == copies.Standby && s.Err != nil })
	broken.Store(false)
	catchesUp(t, source, target)
}
