package core_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// newConfigForest is a forest with its handle, whose keys are declared.
func newConfigForest(tb testing.TB, keys ...core.ConfigKey) (forest, *core.Stratum) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	db := stratumtest.NewDatabase(tb)
	st := openConfig(tb, db, keys...)
	admin, err := pgxpool.New(ctx, db.AdminDSN)
	require.NoError(tb, err)
	tb.Cleanup(admin.Close)
	f := forest{Tenants: st.Tenants, admin: admin, close: func() { _ = st.Close() }, slugs: new(atomic.Int64)}
	tb.Cleanup(func() { f.checkSound(ctx, tb) })
	return f, st
}

// openConfig is a handle on a database, as another process of the same application would have it.
func openConfig(tb testing.TB, db *stratumtest.Database, keys ...core.ConfigKey) *core.Stratum {
	tb.Helper()
	options := db.Options()
	options.SystemMaxConns, options.ConfigKeys = 16, keys
	st, err := core.Open(context.WithoutCancel(tb.Context()), options)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, st.Close()) })
	return st
}

// asSystem is a ctx that reaches all config.
func asSystem(ctx context.Context) context.Context { return core.AsSystem(ctx, "a test") }

// configTree is root > msp > acme > shop, with lab beside shop and globex beside acme.
type configTree struct {
	*testing.T

	f                                  forest
	st                                 *core.Stratum
	ctx                                context.Context //nolint:containedctx // that of the test
	root, msp, acme, shop, lab, globex core.Tenant
}

func newConfigTree(t *testing.T, f forest, st *core.Stratum) *configTree {
	t.Helper()
	line := f.chain(t, uuid.Nil, 4)
	return &configTree{
		T: t, f: f, st: st, ctx: asSystem(t.Context()),
		root: line[0], msp: line[1], acme: line[2], shop: line[3],
		lab: f.add(t, line[2].ID), globex: f.add(t, line[1].ID),
	}
}

// key is the one that most cases are about.
const key = "max_seats"

func (c *configTree) try(at core.Tenant, change core.ConfigChange) (core.ConfigValue, error) {
	if change.Key == "" {
		change.Key = key
	}
	return c.st.Config.Set(c.ctx, at.ID, change)
}

func (c *configTree) change(at core.Tenant, change core.ConfigChange) core.ConfigValue {
	c.Helper()
	value, err := c.try(at, change)
	require.NoError(c, err)
	return value
}

func (c *configTree) set(at core.Tenant, value any) core.ConfigValue {
	c.Helper()
	return c.change(at, core.ConfigChange{Value: value})
}

func (c *configTree) setLocked(at core.Tenant, value any) {
	c.Helper()
	c.change(at, core.ConfigChange{Value: value, Locked: core.On})
}

func (c *configTree) lock(at core.Tenant) int {
	c.Helper()
	shadowed, err := c.st.Config.Lock(c.ctx, at.ID, key)
	require.NoError(c, err)
	return shadowed
}

func (c *configTree) unlock(at core.Tenant) {
	c.Helper()
	require.NoError(c, c.st.Config.Unlock(c.ctx, at.ID, key))
}

func (c *configTree) delete(at core.Tenant) {
	c.Helper()
	require.NoError(c, c.st.Config.Delete(c.ctx, at.ID, key))
}

func (c *configTree) get(at core.Tenant) core.ConfigValue {
	c.Helper()
	value, err := c.st.Config.Get(c.ctx, at.ID, key)
	require.NoError(c, err)
	return value
}

// want requires that a value holds for each of the tenants, and that it is one tenant's.
func (c *configTree) want(value string, from core.Tenant, tenants ...core.Tenant) {
	c.Helper()
	for _, tenant := range tenants {
		got := c.get(tenant)
		require.Equal(c, value, string(got.Value))
		require.Equal(c, core.ConfigSource{ID: from.ID, Slug: from.Slug}, got.Source)
	}
}

func (c *configTree) wantNothing(tenants ...core.Tenant) {
	c.Helper()
	for _, tenant := range tenants {
		_, err := c.st.Config.Get(c.ctx, tenant.ID, key)
		require.ErrorIs(c, err, core.ErrConfigNotFound)
	}
}

// wantLocked requires that a change was refused because of a lock of an ancestor.
func (c *configTree) wantLocked(by core.Tenant, err error) {
	c.Helper()
	var locked *core.ConfigLockedError
	require.ErrorIs(c, err, core.ErrConfigLocked)
	require.ErrorAs(c, err, &locked)
	require.Equal(c, key, locked.Key)
	require.Equal(c, core.ConfigSource{ID: by.ID, Slug: by.Slug}, locked.Ancestor)
}

func (c *configTree) wantConflict(version int64, err error) {
	c.Helper()
	var conflict *core.ConfigConflictError
	require.ErrorIs(c, err, core.ErrConfigConflict)
	require.ErrorAs(c, err, &conflict)
	require.Equal(c, version, conflict.Version)
}

// archive suspends all beneath a tenant, and then archives it alone: those beneath are no more than suspended.
func (c *configTree) archive(at core.Tenant) {
	c.Helper()
	_, err := c.f.SuspendSubtree(c.ctx, at.ID)
	require.NoError(c, err)
	require.NoError(c, c.f.Archive(c.ctx, at.ID))
}

// own returns what a tenant has set for the key, or nil.
func (c *configTree) own(at core.Tenant) *core.ConfigValue {
	c.Helper()
	own, err := c.st.Config.Own(c.ctx, at.ID)
	require.NoError(c, err)
	for i := range own {
		if own[i].Key == key {
			return &own[i]
		}
	}
	return nil
}

// sealed makes entries sensitive, as a program with keys of its own would have written them.
func (c *configTree) sealed(key string, at ...core.Tenant) {
	c.Helper()
	for _, tenant := range at {
		c.f.tamper(c.T, `UPDATE stratum.config SET sensitive = true, value = 'null', sealed = $3
			WHERE tenant_id = $1 AND key = $2`, tenant.ID, key, sealedFor(c, tenant.ID, key))
	}
}

// number is JSON that no float64 can hold.
var number = json.RawMessage("12345678901234567890.123456789")
