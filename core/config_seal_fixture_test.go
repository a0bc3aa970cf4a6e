package core_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/pgproxy"
)

// password is a value that nobody may see who may not read it.
const password = "hunter2-is-the-password"

// token is a sensitive key.
var token = core.Key[string]{Name: "api_token", Sensitive: true}

// strongroom is a tree whose programs have a KEK.
type strongroom struct {
	*cacheSite

	kek *countingKEK
	st  *core.Stratum
}

func newStrongroom(t *testing.T, keys ...core.ConfigKey) *strongroom {
	t.Helper()
	v := &strongroom{cacheSite: newCacheSite(t), kek: &countingKEK{KEK: newLocalKEK(t)}}
	v.st = v.open(t, func(o *core.Options) { o.ConfigKeys = keys })
	v.configTree.st = v.st
	return v
}

// open is a handle as another program would have it.
func (v *strongroom) open(t *testing.T, change func(*core.Options)) *core.Stratum {
	t.Helper()
	return v.cacheSite.open(t, func(o *core.Options) {
		o.KEK = v.kek
		if change != nil {
			change(o)
		}
	})
}

// proxiedStrongroom is a handle whose round trips to the registry are counted.
func (v *strongroom) proxiedStrongroom(t *testing.T, ttl time.Duration) (*core.Stratum, *pgproxy.Proxy) {
	t.Helper()
	proxy, err := pgproxy.Start(t.Context(), v.db.SystemDSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	return v.open(t, func(o *core.Options) { o.SystemDSN, o.Keys.TTL = proxy.DSN(), ttl }), proxy
}

// hide sets a sensitive value.
func (v *strongroom) hide(at core.Tenant, key string, value any) core.ConfigValue {
	v.Helper()
	return v.change(at, core.ConfigChange{Key: key, Value: value, Sensitive: core.On})
}

// read is what a tenant reads through a handle.
func (v *strongroom) read(st *core.Stratum, at core.Tenant, key string) (string, error) {
	v.Helper()
	return core.Key[string]{Name: key}.Get(core.WithTenant(v.Context(), at.ID), st)
}

// wantRead requires that a tenant reads a value through a handle.
func (v *strongroom) wantRead(st *core.Stratum, want string, key string, tenants ...core.Tenant) {
	v.Helper()
	for _, at := range tenants {
		got, err := v.read(st, at, key)
		require.NoError(v, err)
		require.Equal(v, want, got)
	}
}

// storedConfig is an entry as the database has it.
type storedConfig struct {
	Text, Value string
	Sealed      []byte
	Sensitive   bool
	Version     int64
}

func (v *strongroom) stored(at core.Tenant, key string) (s storedConfig) {
	v.Helper()
	err := v.f.admin.QueryRow(context.WithoutCancel(v.Context()), `SELECT c::text, value::text, sealed, sensitive, version
		FROM stratum.config c WHERE tenant_id = $1 AND key = $2`, at.ID, key).
		Scan(&s.Text, &s.Value, &s.Sealed, &s.Sensitive, &s.Version)
	require.NoError(v, err)
	return s
}

// wantSealed requires that an entry is sealed with a version of its tenant's key, and that nothing else of it is there.
func (v *strongroom) wantSealed(at core.Tenant, key string, version uint32) {
	v.Helper()
	s := v.stored(at, key)
	require.True(v, s.Sensitive)
	require.Equal(v, "null", s.Value)
	require.Equal(v, version, sealedVersion(v.T, s.Sealed))
	require.NotContains(v, s.Text, password)
	require.NotContains(v, string(s.Sealed), password)
}

// keysOf counts the keys of a tenant.
func (v *strongroom) keysOf(at core.Tenant) int {
	v.Helper()
	return ask[int](v.T, v.db.AdminDSN, `SELECT count(*) FROM stratum.tenant_keys WHERE tenant_id = $1`, at.ID)
}

// decode is a value's Decode as a string.
func decode(value core.ConfigValue) (text string, err error) {
	err = value.Decode(&text)
	return text, err
}

// valueOf is the value of a key among others.
func valueOf(tb testing.TB, values []core.ConfigValue, key string) core.ConfigValue {
	tb.Helper()
	for _, value := range values {
		if value.Key == key {
			return value
		}
	}
	require.Fail(tb, "there is no value", key)
	return core.ConfigValue{}
}

// sealedFor is what a program would store for a tenant and a key, with keys of its own.
func sealedFor(tb testing.TB, tenant uuid.UUID, key string) []byte {
	tb.Helper()
	ring, err := fieldcrypt.NewRing(tenant, []fieldcrypt.Key{{
		Binding: fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.DataKey, Version: 1},
		Secret:  []byte(strings.Repeat("k", fieldcrypt.KeySize)),
	}})
	require.NoError(tb, err)
	column, err := fieldcrypt.NewColumn(fieldcrypt.ColumnOptions{Table: "stratum.config", Column: "value", PrimaryKey: true})
	require.NoError(tb, err)
	bound, err := fieldcrypt.PrimaryKey(nil, key)
	require.NoError(tb, err)
	sealed, err := ring.Seal(column, nil, []byte("\x08\"x\""), bound)
	require.NoError(tb, err)
	return sealed
}
