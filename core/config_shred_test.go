package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// TestShredReachesConfig: a tenant's own sensitive values, at once here, in what is kept of whoever inherits them and in
// the ctx of a request that has begun before; and nothing else.
func TestShredReachesConfig(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, "secret", password)
	v.hide(v.msp, "above", password)
	v.set(v.acme, 50)
	pinned, err := v.st.Config.Pin(core.WithTenant(t.Context(), v.shop.ID))
	require.NoError(t, err)
	v.wantRead(v.st, password, "secret", v.shop)
	secret := core.Key[string]{Name: "secret"}
	_, err = secret.Get(pinned, v.st)
	require.NoError(t, err)
	_, err = v.st.Keys.Shred(t.Context(), v.acme.ID, core.ShredOptions{})
	require.NoError(t, err)
	for _, ctx := range []context.Context{pinned, core.WithTenant(t.Context(), v.shop.ID)} {
		_, err = secret.Get(ctx, v.st)
		require.ErrorIs(t, err, core.ErrShredded)
		require.ErrorIs(t, err, core.ErrConfigSensitive)
		settings := struct {
			Secret string `config:"secret"`
			Above  string `config:"above"`
			Seats  int    `config:"max_seats"`
		}{}
		require.ErrorIs(t, core.ResolveInto(ctx, v.st, &settings), core.ErrShredded)
		require.Equal(t, password, settings.Above)
		require.Equal(t, 50, settings.Seats)
	}
	values, err := v.st.Config.Resolve(v.ctx, v.shop.ID)
	require.NoError(t, err)
	require.ErrorIs(t, second(decode(valueOf(t, values, "secret"))), core.ErrShredded)
	v.wantRead(v.st, password, "above", v.shop, v.acme)

	_, err = v.try(v.acme, core.ConfigChange{Key: "secret", Value: password})
	require.ErrorIs(t, err, core.ErrShredded)
	_, err = v.try(v.acme, core.ConfigChange{Key: "secret", KeepValue: true, Sensitive: core.Off})
	require.ErrorIs(t, err, core.ErrShredded)
	v.set(v.acme, 51)
	v.hide(v.shop, "secret", "its own")
	v.wantRead(v.st, "its own", "secret", v.shop)
	require.NoError(t, v.st.Config.Delete(v.ctx, v.acme.ID, "secret"))
}

// TestShredReachesConfigOfTheDeaf: a program that hears of nothing, and has config in memory for an hour, cannot open it
// when the TTL of its keys has ended.
func TestShredReachesConfigOfTheDeaf(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	const ttl = 700 * time.Millisecond
	v.hide(v.acme, key, password)
	st, proxy := v.proxiedStrongroom(t, ttl)
	v.wantRead(st, password, key, v.shop)
	v.isKept(st, proxy, v.shop)
	// As Shred does, without the triggers that tell of it.
	v.f.tamper(t, `UPDATE stratum.tenant_keys SET wrapped = NULL, shredded = true, destroyed_at = now()
		WHERE tenant_id = $1`, v.acme.ID)
	shredded := time.Now()
	require.Eventually(t, func() bool {
		_, err := v.read(st, v.shop, key)
		return errors.Is(err, core.ErrShredded)
	}, time.Minute, time.Millisecond)
	require.Less(t, time.Since(shredded), ttl+500*time.Millisecond)
}
