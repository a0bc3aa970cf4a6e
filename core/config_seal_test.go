package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// TestSensitiveConfig: what is sealed is read by whoever inherits it, with a key of who has set it, and by nobody else.
func TestSensitiveConfig(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t, token)
	require.NoError(t, token.Set(v.ctx, v.st, v.acme.ID, password))
	v.wantSealed(v.acme, token.Name, 1)
	require.Equal(t, 1, v.keysOf(v.acme))
	other := v.open(t, nil)
	for _, st := range []*core.Stratum{v.st, other} {
		v.wantRead(st, password, token.Name, v.acme, v.shop, v.lab)
		v.wantRead(st, "", token.Name, v.globex, v.msp)
		got, err := st.Config.Get(v.ctx, v.shop.ID, token.Name)
		require.NoError(t, err)
		require.Nil(t, got.Value)
		text, err := decode(got)
		require.NoError(t, err)
		require.Equal(t, password, text)
		own, err := st.Config.Own(v.ctx, v.acme.ID)
		require.NoError(t, err)
		text, err = decode(valueOf(t, own, token.Name))
		require.NoError(t, err)
		require.Equal(t, password, text)
	}
	require.Zero(t, v.keysOf(v.shop), "who inherits needs no key")

	settings := struct {
		Token string `config:"api_token"`
	}{}
	require.NoError(t, core.ResolveInto(core.WithTenant(t.Context(), v.shop.ID), v.st, &settings))
	require.Equal(t, password, settings.Token)
	var number int
	value, err := v.st.Config.Get(v.ctx, v.shop.ID, token.Name)
	require.NoError(t, err)
	require.ErrorIs(t, value.Decode(&number), core.ErrConfigDecode)
	require.ErrorContains(t, value.Decode(&number), "does not have the form of its values", "not what it is instead")
	_, err = core.Key[int]{Name: token.Name}.Get(core.WithTenant(t.Context(), v.shop.ID), v.st)
	require.ErrorIs(t, err, core.ErrConfigDecode)

	require.NoError(t, token.Set(v.ctx, v.st, v.shop.ID, "its own"))
	v.wantRead(v.st, "its own", token.Name, v.shop)
	require.NoError(t, v.st.Config.Delete(v.ctx, v.shop.ID, token.Name))
	v.wantRead(v.st, password, token.Name, v.shop)
	value, err = v.st.Config.Get(v.ctx, v.globex.ID, token.Name)
	require.NoError(t, err, "the default")
	text, err := decode(value)
	require.NoError(t, err)
	require.Empty(t, text)
}

// TestSensitiveIsKept unless a change says otherwise, and then the value is written anew.
func TestSensitiveIsKept(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, key, password)
	v.set(v.acme, password+"!")
	v.wantSealed(v.acme, key, 1)
	v.wantRead(v.st, password+"!", key, v.shop)
	v.lock(v.acme)
	v.wantSealed(v.acme, key, 1)
	v.wantLocked(v.acme, second(v.try(v.shop, core.ConfigChange{Value: 1})))
	v.wantRead(v.st, password+"!", key, v.shop)
	v.unlock(v.acme)

	off := v.change(v.acme, core.ConfigChange{KeepValue: true, Sensitive: core.Off})
	require.JSONEq(t, `"`+password+`!"`, string(off.Value))
	s := v.stored(v.acme, key)
	require.False(t, s.Sensitive)
	require.Nil(t, s.Sealed)
	v.wantRead(v.st, password+"!", key, v.shop)
	on := v.change(v.acme, core.ConfigChange{KeepValue: true, Sensitive: core.On})
	require.Nil(t, on.Value)
	require.True(t, on.Sensitive)
	_, err := decode(on)
	require.ErrorIs(t, err, core.ErrConfigSensitive, "what Set returns is not opened")
	v.wantSealed(v.acme, key, 1)
	v.wantRead(v.st, password+"!", key, v.shop)
	v.change(v.acme, core.ConfigChange{KeepValue: true, Locked: core.On})
	v.wantRead(v.st, password+"!", key, v.shop)
	v.change(v.acme, core.ConfigChange{Value: "plain", Sensitive: core.Off})
	require.Equal(t, `"plain"`, v.stored(v.acme, key).Value)

	_, err = v.try(v.globex, core.ConfigChange{KeepValue: true, Sensitive: core.On})
	require.ErrorIs(t, err, core.ErrConfigNotFound)
	for _, change := range []core.ConfigChange{{KeepValue: true, Value: 1}, {KeepValue: true, Delete: true}} {
		_, err = v.try(v.acme, change)
		require.ErrorIs(t, err, core.ErrConfigInvalid)
	}
}

// TestSensitiveValuesOfAnyKind come back as they were written.
func TestSensitiveValuesOfAnyKind(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	for _, want := range []any{false, 0, "", nil, []any{}, map[string]any{"a": []any{"b", nil}}, number} {
		v.hide(v.acme, key, want)
		got, err := v.st.Config.Get(v.ctx, v.shop.ID, key)
		require.NoError(t, err)
		var raw json.RawMessage
		require.NoError(t, got.Decode(&raw))
		encoded, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, string(encoded), string(raw))
	}
}

// TestSensitiveWithoutAKEK is refused for that key, whichever way it comes, and the error names the cure.
func TestSensitiveWithoutAKEK(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, "secret", password)
	v.set(v.acme, 1)
	none := v.open(t, func(o *core.Options) { o.KEK = nil })
	refused := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, core.ErrConfigSensitive)
		require.ErrorIs(t, err, core.ErrNoKEK)
		require.ErrorContains(t, err, "Options.KEK is not set")
		require.NotContains(t, err.Error(), password)
	}
	for _, change := range []core.ConfigChange{
		{Key: key, Value: password, Sensitive: core.On},
		{Key: key, KeepValue: true, Sensitive: core.On},
		{Key: "secret", Value: password},
		{Key: "secret", KeepValue: true, Sensitive: core.Off},
	} {
		refused(second(none.Config.Set(v.ctx, v.acme.ID, change)))
	}
	require.Equal(t, "1", v.stored(v.acme, key).Value)
	results, err := none.Config.SetBatch(v.ctx, v.acme.ID, []core.ConfigChange{
		{Key: "before", Value: 1}, {Key: "secret", Value: 2}, {Key: "after", Value: 3},
	}, core.ConfigBatch{BestEffort: true})
	refused(err)
	require.NoError(t, results[0].Err)
	refused(results[1].Err)
	require.NoError(t, results[2].Err)
	require.Equal(t, "3", v.stored(v.acme, "after").Value)
	_, err = none.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: "secret", Value: 1, Sensitive: core.Off})
	require.NoError(t, err, "to give a plain value no key is needed")
	v.hide(v.acme, "secret", password)
	_, err = none.Config.Lock(v.ctx, v.acme.ID, "secret")
	require.NoError(t, err, "nor to lock")

	_, err = v.read(none, v.shop, "secret")
	refused(err)
	values, err := none.Config.Resolve(v.ctx, v.shop.ID)
	require.NoError(t, err)
	_, err = decode(valueOf(t, values, "secret"))
	refused(err)
	require.Equal(t, "3", string(valueOf(t, values, "after").Value))
}

// TestOneThatCannotBeOpened is an error for that key, and no other.
func TestOneThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.msp, "good", password)
	v.hide(v.msp, "flipped", password)
	v.hide(v.msp, "another_key", password)
	v.hide(v.acme, "another_tenant", password)
	v.hide(v.acme, "forged", password)
	v.set(v.acme, 50)
	v.f.tamper(t, `UPDATE stratum.config SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE key = 'flipped'`)
	v.f.tamper(t, `UPDATE stratum.config SET sealed = (SELECT sealed FROM stratum.config WHERE key = 'good')
		WHERE key IN ('another_key', 'another_tenant')`)
	v.f.tamper(t, `UPDATE stratum.config SET sealed = $1 WHERE key = 'forged'`, sealedFor(t, v.acme.ID, "forged"))
	st := v.open(t, nil)
	values, err := st.Config.Resolve(v.ctx, v.shop.ID)
	require.NoError(t, err)
	for _, bad := range []string{"flipped", "another_key", "another_tenant", "forged"} {
		_, err = decode(valueOf(t, values, bad))
		require.ErrorIs(t, err, core.ErrDecrypt, bad)
		require.ErrorIs(t, err, core.ErrConfigSensitive, bad)
		require.ErrorContains(t, err, bad)
		_, err = v.read(st, v.shop, bad)
		require.ErrorIs(t, err, core.ErrDecrypt, bad)
		_, err = v.try(v.acme, core.ConfigChange{Key: "forged", KeepValue: true, Sensitive: core.Off})
		require.ErrorIs(t, err, core.ErrDecrypt)
	}
	text, err := decode(valueOf(t, values, "good"))
	require.NoError(t, err)
	require.Equal(t, password, text)
	settings := struct {
		Bad   string `config:"flipped"`
		Good  string `config:"good"`
		Seats int    `config:"max_seats"`
	}{}
	err = core.ResolveInto(core.WithTenant(t.Context(), v.shop.ID), st, &settings)
	require.ErrorIs(t, err, core.ErrDecrypt)
	require.Equal(t, password, settings.Good)
	require.Equal(t, 50, settings.Seats)
	v.hide(v.acme, "forged", password)
	v.wantRead(v.st, password, "forged", v.shop)
}

// TestTheTableRefusesPlaintext in a sensitive entry, and anything sealed in one that is not.
func TestTheTableRefusesPlaintext(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, "secret", password)
	v.set(v.acme, 1)
	for _, statement := range []string{
		`UPDATE stratum.config SET sensitive = true`,
		`UPDATE stratum.config SET value = '"x"' WHERE key = 'secret'`,
		`UPDATE stratum.config SET sealed = 'x' WHERE key = 'secret'`,
		`UPDATE stratum.config SET sealed = convert_to(repeat('x', 50), 'UTF8') WHERE key = 'secret'`,
		`UPDATE stratum.config SET sealed = NULL WHERE key = 'secret'`,
		`UPDATE stratum.config SET sensitive = false WHERE key = 'secret'`,
	} {
		_, err := v.f.admin.Exec(t.Context(), statement)
		require.ErrorContains(t, err, "config_sealed_check", statement)
	}
}

// TestWatchOpens what it tells of.
func TestWatchOpens(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, key, password)
	ctx, cancel := context.WithCancel(core.WithTenant(t.Context(), v.shop.ID))
	defer cancel()
	var told []string
	for event, err := range v.st.Config.Watch(ctx, key) {
		require.NoError(t, err)
		text, err := decode(*event.Value)
		require.NoError(t, err)
		if told = append(told, text); len(told) == 2 {
			break
		}
		v.hide(v.acme, key, password+"!")
	}
	require.Equal(t, []string{password, password + "!"}, told)
}

// TestSensitiveConfigIsWarm: neither the KEK nor the registry is asked again, until the keys' TTL ends.
func TestSensitiveConfigIsWarm(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, key, password)
	st, proxy := v.proxiedStrongroom(t, time.Hour)
	v.wantRead(st, password, key, v.shop)
	require.Eventually(t, func() bool {
		v.wantRead(st, password, key, v.shop)
		proxy.Reset()
		before := v.kek.calls.Load()
		v.wantRead(st, password, key, v.shop, v.shop, v.shop)
		return proxy.Counts().RoundTrips == 0 && v.kek.calls.Load() == before
	}, time.Minute, 5*time.Millisecond)
}

// TestSensitiveWritesNeedOneConnection: with one connection for the system, programs that make a tenant's first key
// while they set its config do not wait for each other.
func TestSensitiveWritesNeedOneConnection(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	st := v.open(t, func(o *core.Options) { o.SystemMaxConns = 1 })
	ctx, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	var writers sync.WaitGroup
	for _, at := range v.tenants() {
		for range 3 {
			writers.Go(func() {
				_, err := st.Config.Set(ctx, at.ID, core.ConfigChange{Key: key, Value: password, Sensitive: core.On})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	writers.Wait()
	for _, at := range v.tenants() {
		v.wantSealed(at, key, 1)
	}
	v.wantRead(v.st, password, key, v.tenants()...)
}

// TestSensitiveKeysAreNotMadeForStrangers: a tenant that may not write there makes no key either.
func TestSensitiveKeysAreNotMadeForStrangers(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	change := core.ConfigChange{Key: key, Value: password, Sensitive: core.On}
	_, err := v.st.Config.Set(core.WithTenant(t.Context(), v.shop.ID), v.acme.ID, change)
	require.ErrorIs(t, err, core.ErrTenantNotFound)
	v.setLocked(v.msp, 1)
	_, err = v.try(v.acme, change)
	require.ErrorIs(t, err, core.ErrConfigLocked)
	require.Zero(t, v.keysOf(v.acme))
}

// TestUsesOfConfigAreCounted in the same blocks as those of fields, and a batch may be longer than what is left.
func TestUsesOfConfigAreCounted(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	changes := make([]core.ConfigChange, core.MaxConfigBatch)
	for i := range changes {
		changes[i] = core.ConfigChange{Key: slugOf("k", i), Value: i, Sensitive: core.On}
	}
	for range 3 {
		_, err := v.st.Config.SetBatch(v.ctx, v.acme.ID, changes, core.ConfigBatch{})
		require.NoError(t, err)
	}
	infos, err := v.st.Keys.List(v.ctx, v.acme.ID)
	require.NoError(t, err)
	require.GreaterOrEqual(t, infos[0].Uses, int64(3*core.MaxConfigBatch))
	uses, err := v.st.Keys.Uses(t.Context(), v.acme.ID, 1, nil)
	require.NoError(t, err)
	require.EqualValues(t, core.MaxConfigBatch, uses)
}

// TestSensitiveWhileKeysAreOutOfReach: the error is that of the key, also in a batch whose other changes are made.
func TestSensitiveWhileKeysAreOutOfReach(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, key, password)
	down := errors.New("the KMS is down")
	for name, outage := range map[string]struct {
		begin, end func()
		want       any
	}{
		"KMS": {func() { v.kek.fail(down) }, func() { v.kek.fail(nil) }, &down},
		"registry": {
			func() { v.f.tamper(t, `ALTER TABLE stratum.tenant_keys RENAME TO gone`) },
			func() { v.f.tamper(t, `ALTER TABLE stratum.gone RENAME TO tenant_keys`) },
			new(*core.DatabaseError),
		},
	} {
		st := v.open(t, nil)
		outage.begin()
		_, one := st.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: key, Value: "x"})
		results, batch := st.Config.SetBatch(v.ctx, v.acme.ID, []core.ConfigChange{
			{Key: key, Value: "x"}, {Key: "plain", Value: name},
		}, core.ConfigBatch{BestEffort: true})
		_, read := v.read(st, v.shop, key)
		outage.end()
		for _, err := range []error{one, batch, read} {
			var refused *core.ConfigError
			require.ErrorIs(t, err, core.ErrConfigSensitive, name)
			require.ErrorAs(t, err, &refused, name)
			require.Equal(t, key, refused.Key)
			require.ErrorAs(t, err, outage.want, name)
		}
		require.NoError(t, results[1].Err)
		require.Equal(t, `"`+name+`"`, v.stored(v.acme, "plain").Value)
		v.wantRead(st, password, key, v.shop)
	}
}
