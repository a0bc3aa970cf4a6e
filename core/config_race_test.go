package core_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// TestConfigRaces shows that nothing slips past a lock or a version, whoever comes first.
func TestConfigRaces(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	t.Cleanup(func() { f.checkNoDeadlock(t) })
	t.Run("a change beneath is before the lock and counted, or refused", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) { return raceLockAndSet(newConfigTree(t, f, st)) })
	})
	t.Run("a change at a tenant that moves beneath a lock is made before the move or refused", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) { return raceMoveAndSet(newConfigTree(t, f, st)) })
	})
	t.Run("of changes for one version one succeeds", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			c := newConfigTree(t, f, st)
			return raceVersions(c, core.ConfigChange{Value: 2, IfVersion: c.set(c.acme, 1).Version})
		})
	})
	t.Run("of changes for an absent entry one succeeds", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) {
			return raceVersions(newConfigTree(t, f, st), core.ConfigChange{Value: 2, IfAbsent: true})
		})
	})
	t.Run("of locks in a line the upper one refuses the lower or comes after it", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) { return raceLocks(newConfigTree(t, f, st)) })
	})
	t.Run("batches of the same keys in any order do not wait for each other in a circle", func(t *testing.T) {
		t.Parallel()
		f.race(t, func() ([]func() error, func([]error)) { return raceBatches(newConfigTree(t, f, st)) })
	})
}

func raceLockAndSet(c *configTree) ([]func() error, func([]error)) {
	c.set(c.root, 1)
	var shadowed atomic.Int64
	operations := []func() error{
		func() error {
			n, err := c.st.Config.Lock(c.ctx, c.root.ID, key)
			shadowed.Store(int64(n))
			return err
		},
		func() error { return second(c.try(c.shop, core.ConfigChange{Value: 2})) },
		func() error { return second(c.try(c.lab, core.ConfigChange{Value: 3})) },
		func() error { return second(c.try(c.acme, core.ConfigChange{Value: 4})) },
	}
	return operations, func(errs []error) {
		require.NoError(c, errs[0])
		set := count(errs[1:], nil)
		require.Equal(c, 3, set+count(errs[1:], core.ErrConfigLocked), "%v", errs)
		require.Equal(c, int64(set), shadowed.Load(), "who was not refused was counted")
		c.want("1", c.root, c.acme, c.shop, c.lab)
	}
}

// raceMoveAndSet makes the lock exist from the start: a change that comes after the move must be refused. Whether it
// came after is seen by its version, which is then higher than that of a change made at the moment of the move.
func raceMoveAndSet(c *configTree) ([]func() error, func([]error)) {
	c.setLocked(c.globex, 1)
	operations := []func() error{
		func() error { return c.f.move(c.ctx, c.acme.ID, c.globex.ID) },
		func() error {
			var err error
			for err == nil {
				err = second(c.try(c.shop, core.ConfigChange{Value: 2}))
			}
			return err
		},
	}
	return operations, func(errs []error) {
		require.NoError(c, errs[0])
		c.wantLocked(c.globex, errs[1])
	}
}

func raceVersions(c *configTree, change core.ConfigChange) ([]func() error, func([]error)) {
	var operations []func() error
	for range 4 {
		operations = append(operations, func() error { return second(c.try(c.acme, change)) })
	}
	return operations, func(errs []error) {
		require.Equal(c, 1, count(errs, nil), "%v", errs)
		require.Equal(c, 3, count(errs, core.ErrConfigConflict), "%v", errs)
	}
}

func raceLocks(c *configTree) ([]func() error, func([]error)) {
	on := core.ConfigChange{Value: 1, Locked: core.On}
	operations := []func() error{
		func() error { return second(c.try(c.root, on)) },
		func() error { return second(c.try(c.acme, on)) },
		func() error { return second(c.try(c.shop, on)) },
	}
	return operations, func(errs []error) {
		require.NoError(c, errs[0])
		for _, err := range errs {
			require.True(c, err == nil || errors.Is(err, core.ErrConfigLocked), "%v", errs)
		}
		c.want("1", c.root, c.shop)
	}
}

func raceBatches(c *configTree) ([]func() error, func([]error)) {
	changes := []core.ConfigChange{
		{Key: "a", Value: 1}, {Key: "b", Value: 1, Locked: core.On}, {Key: "c", Value: 1, Locked: core.On},
	}
	backwards := []core.ConfigChange{changes[2], changes[1], changes[0]}
	batch := func(at uuid.UUID, changes []core.ConfigChange) func() error {
		return func() error {
			return second(c.st.Config.SetBatch(c.ctx, at, changes, core.ConfigBatch{BestEffort: true}))
		}
	}
	operations := []func() error{
		batch(c.shop.ID, changes), batch(c.shop.ID, backwards), batch(c.lab.ID, backwards), batch(c.acme.ID, changes),
	}
	return operations, func(errs []error) {
		for _, err := range errs {
			require.True(c, err == nil || errors.Is(err, core.ErrConfigLocked), "%v", errs)
		}
	}
}

// TestConfigKeepsMovesAway holds a change up just before it writes: what it was decided on must not change meanwhile.
func TestConfigKeepsMovesAway(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	ctx := t.Context()
	tx, err := f.admin.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	_, err = tx.Exec(ctx, "LOCK TABLE stratum.config IN EXCLUSIVE MODE")
	require.NoError(t, err)
	waiting := func(kind string) func() bool {
		return func() bool {
			var n int
			err := tx.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = $1 AND database = "+
				"(SELECT oid FROM pg_database WHERE datname = current_database())", kind).Scan(&n)
			return err == nil && n == 1
		}
	}
	set, moved := make(chan error, 1), make(chan error, 1)
	go func() { set <- second(c.try(c.shop, core.ConfigChange{Value: 2})) }()
	require.Eventually(t, waiting("relation"), time.Minute, 20*time.Millisecond)
	go func() { moved <- c.f.move(c.ctx, c.acme.ID, uuid.Nil) }()
	require.Eventually(t, waiting("advisory"), 10*time.Second, time.Millisecond, "the move waits")
	require.NoError(t, tx.Commit(ctx))
	require.NoError(t, <-set)
	require.NoError(t, <-moved)
	c.want("2", c.shop, c.shop)
}
