package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// branding is a value with fields.
type branding struct {
	Color string   `json:"color"`
	Logos []string `json:"logos"`
}

var (
	errTooMany = errors.New("must be at most 100")
	maxSeats   = core.Key[int]{Name: key, Default: 10, Description: "Seats.", Validate: func(n int) error {
		if n > 100 {
			return errTooMany
		}
		return nil
	}}
	brand  = core.Key[branding]{Name: "brand", Default: branding{Color: "grey"}}
	secret = core.Key[string]{Name: "api_token", Sensitive: true, Validate: func(s string) error {
		return errors.New("bad " + s)
	}}
	window = core.Key[*time.Duration]{Name: "window"}
)

func TestKeys(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	acme, shop := core.WithTenant(t.Context(), c.acme.ID), core.WithTenant(t.Context(), c.shop.ID)

	got, err := maxSeats.Get(acme, st)
	require.NoError(t, err)
	require.Equal(t, 10, got, "the default")
	require.NoError(t, maxSeats.Set(acme, st, c.acme.ID, 50))
	for range 2 { // the second time from the memo of one snapshot, under Pin
		pinned, err := st.Config.Pin(shop)
		require.NoError(t, err)
		for range 2 {
			got, err = maxSeats.Get(pinned, st)
			require.NoError(t, err)
			require.Equal(t, 50, got)
		}
		_, err = core.Key[string]{Name: key}.Get(pinned, st)
		require.ErrorIs(t, err, core.ErrConfigDecode, "a key of another type is not given the memo")
	}
	err = maxSeats.Set(acme, st, c.acme.ID, 101)
	require.ErrorIs(t, err, core.ErrConfigInvalid)
	require.ErrorIs(t, err, errTooMany)
	require.ErrorContains(t, err, `"max_seats" must be at most 100`)

	_, err = maxSeats.Get(t.Context(), st)
	require.ErrorIs(t, err, core.ErrNoTenant)
	_, err = maxSeats.Get(asSystem(t.Context()), st)
	require.ErrorIs(t, err, core.ErrNoTenant)
	got, err = maxSeats.GetFor(asSystem(t.Context()), st, c.shop.ID)
	require.NoError(t, err)
	require.Equal(t, 50, got)
	require.ErrorIs(t, core.Key[int]{Name: "Bad"}.Set(acme, st, c.acme.ID, 1), core.ErrConfigInvalid)
	require.ErrorIs(t, core.Key[chan int]{Name: "bad"}.Set(acme, st, c.acme.ID, nil), core.ErrConfigInvalid)
}

// A value that could be changed through a copy is nobody else's.
func TestKeysShareNothing(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	acme := core.WithTenant(t.Context(), c.acme.ID)
	require.NoError(t, brand.Set(acme, st, c.acme.ID, branding{Logos: []string{"a"}}))
	acme, err := st.Config.Pin(acme)
	require.NoError(t, err)
	first, err := brand.Get(acme, st)
	require.NoError(t, err)
	first.Logos[0] = "changed"
	again, err := brand.Get(acme, st)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, again.Logos)
}

func TestNullIsAValueOfSomeTypes(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	acme := core.WithTenant(t.Context(), c.acme.ID)
	require.NoError(t, window.Set(acme, st, c.acme.ID, nil))
	got, err := window.Get(acme, st)
	require.NoError(t, err)
	require.Nil(t, got)
	c.set(c.acme, nil)
	_, err = maxSeats.Get(acme, st)
	require.ErrorIs(t, err, core.ErrConfigDecode)
	require.ErrorContains(t, err, `"max_seats" must be int, not null`)
}

func TestPinStaysAsItIs(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	c.set(c.acme, 1)
	pinned, err := st.Config.Pin(core.WithTenant(t.Context(), c.shop.ID))
	require.NoError(t, err)
	c.set(c.acme, 2)
	got, err := maxSeats.Get(pinned, st)
	require.NoError(t, err)
	require.Equal(t, 1, got)
	for name, ctx := range map[string]context.Context{
		"another tenant": core.WithTenant(pinned, c.lab.ID), "without": core.WithTenant(t.Context(), c.shop.ID),
	} {
		got, err = maxSeats.Get(ctx, st)
		require.NoError(t, err, name)
		require.Equal(t, 2, got, name)
	}
	_, err = maxSeats.GetFor(core.WithTenant(pinned, c.globex.ID), st, c.shop.ID)
	require.ErrorIs(t, err, core.ErrTenantNotFound, "what is pinned is no way around the question who asks")
	_, err = st.Config.Pin(t.Context())
	require.ErrorIs(t, err, core.ErrNoTenant)
	_, err = st.Config.Pin(core.WithTenant(t.Context(), unknownID))
	require.ErrorIs(t, err, core.ErrTenantNotFound)
}

func TestDeclaredKeys(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t, maxSeats, brand, secret, window)
	c := newConfigTree(t, f, st)
	for _, test := range []struct {
		key, reason string
		value       any
		want        error
	}{
		{"max_seat", "not declared", 1, core.ErrConfigUnknown},
		{key, "must be int, and this string is not", "ten", core.ErrConfigInvalid},
		{key, "must be int, and this number is not", 1.5, core.ErrConfigInvalid},
		{key, "must be int, not null", nil, core.ErrConfigInvalid},
		{key, "must be at most 100", 101, core.ErrConfigInvalid},
		{"brand", `has the unknown field "colour", which core_test.branding has not`, map[string]string{"colour": "x"}, core.ErrConfigInvalid},
		{"brand", "in color: must be string", map[string]int{"color": 1}, core.ErrConfigInvalid},
		{"api_token", "does not have the form of its values", "hunter2", core.ErrConfigInvalid},
	} {
		_, err := c.try(c.acme, core.ConfigChange{Key: test.key, Value: test.value})
		require.ErrorIs(t, err, test.want, test.reason)
		require.ErrorContains(t, err, test.reason)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := c.try(c.acme, core.ConfigChange{Key: "api_token", Value: 1, Sensitive: core.Off})
	require.ErrorIs(t, err, core.ErrConfigInvalid)
	require.Empty(t, ownKeys(c, c.acme), "nothing was written")

	c.change(c.acme, core.ConfigChange{Key: "brand", Value: map[string]string{"color": "red"}})
	values := c.resolve(c.shop)
	require.Equal(t, []string{"api_token", "brand", key, "window"}, keysOf(values))
	require.True(t, values[0].Default && values[0].Sensitive && values[0].Value == nil)
	require.False(t, values[1].Default)
	require.True(t, values[2].Default)
	require.Equal(t, "10", string(values[2].Value))
	require.Equal(t, "10", string(c.get(c.shop).Value))
	// What is no longer declared can still be taken away.
	c.f.tamper(t, "INSERT INTO stratum.config (tenant_id, key, value) VALUES ($1, 'old', '1')", c.acme.ID)
	require.NoError(t, st.Config.Delete(c.ctx, c.acme.ID, "old"))
}

// Without a KEK a declared sensitive key that passes its own checks is refused all the same.
func TestSensitiveKeysAreNotWritten(t *testing.T) {
	t.Parallel()
	token := core.Key[string]{Name: "api_token", Sensitive: true}
	f, st := newConfigForest(t, token)
	c := newConfigTree(t, f, st)
	require.ErrorIs(t, token.Set(c.ctx, st, c.acme.ID, "hunter2"), core.ErrConfigSensitive)
	for _, sensitive := range []core.Switch{core.Keep, core.On, core.Off} {
		_, err := c.try(c.acme, core.ConfigChange{Key: "api_token", Value: "hunter2", Sensitive: sensitive})
		require.ErrorIs(t, err, core.ErrConfigSensitive)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.Empty(t, ownKeys(c, c.acme))
}

// TestSensitiveValuesAreRedacted wherever they are printed, also by a program that cannot open them.
func TestSensitiveValuesAreRedacted(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	c.set(c.msp, "hunter2")
	c.change(c.acme, core.ConfigChange{Key: "color", Value: "red"})
	c.sealed(key, c.msp)

	value := c.get(c.shop)
	require.Nil(t, value.Value)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "value", value)
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	explained, err := st.Config.Explain(c.ctx, c.shop.ID, key)
	require.NoError(t, err)
	withValue := value
	withValue.Value = json.RawMessage(`"hunter2"`)
	for _, text := range []string{
		value.String(), log.String(), string(encoded), explained.String(), fmt.Sprintf("%+v %#v", explained, explained),
		fmt.Sprintf("%v %+v %#v %s", withValue, withValue, withValue, withValue),
		fmt.Sprintf("%+v", c.resolve(c.shop)), fmt.Sprintf("%+v", c.own(c.msp)),
	} {
		require.NotContains(t, text, "hunter2")
	}
	require.Contains(t, explained.String(), "[sensitive]")
	var into string
	require.ErrorIs(t, value.Decode(&into), core.ErrConfigSensitive)
	shop := core.WithTenant(t.Context(), c.shop.ID)
	_, err = core.Key[string]{Name: key}.Get(shop, st)
	require.ErrorIs(t, err, core.ErrConfigSensitive)
	settings := struct {
		Seats string `config:"max_seats"`
		Color string `config:"color"`
	}{}
	require.ErrorIs(t, core.ResolveInto(shop, st, &settings), core.ErrConfigSensitive)
	require.Equal(t, "red", settings.Color, "the others are not affected")
	require.Empty(t, settings.Seats)
}

func ownKeys(c *configTree, at core.Tenant) []string {
	c.Helper()
	own, err := c.st.Config.Own(c.ctx, at.ID)
	require.NoError(c, err)
	return keysOf(own)
}

type nested struct {
	Color string `config:"color"`
}

type settings struct {
	nested

	Seats   int `config:"max_seats"`
	Theme   nested
	Absent  string         `config:"absent"`
	Limits  map[string]int `config:"limits"`
	Comment string
}

func TestResolveInto(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t)
	c := newConfigTree(t, f, st)
	shop := core.WithTenant(t.Context(), c.shop.ID)
	c.set(c.root, 5)
	c.change(c.acme, core.ConfigChange{Key: "color", Value: "red"})
	c.change(c.acme, core.ConfigChange{Key: "limits", Value: map[string]int{"a": 1}})
	got := settings{Absent: "kept", Comment: "kept", Limits: map[string]int{"b": 2}}
	require.NoError(t, core.ResolveInto(shop, st, &got))
	require.Equal(t, settings{
		nested: nested{"red"}, Seats: 5, Theme: nested{"red"}, Absent: "kept", Comment: "kept",
		Limits: map[string]int{"a": 1},
	}, got)

	c.set(c.root, "five")
	c.change(c.root, core.ConfigChange{Key: "absent", Value: 1})
	got = settings{Seats: 7}
	err := core.ResolveInto(shop, st, &got)
	require.ErrorIs(t, err, core.ErrConfigDecode)
	require.ErrorContains(t, err, `"max_seats" must be int, and this string is not`)
	require.ErrorContains(t, err, `"absent" must be string, and this number is not`)
	require.Equal(t, 7, got.Seats)
	require.Equal(t, "red", got.Color, "an error is for its own key")

	for name, into := range map[string]any{
		"a struct": settings{}, "nil": (*settings)(nil), "an int": new(int), "nothing": nil,
		"a field that cannot be set": &struct {
			seats int `config:"max_seats"`
		}{},
	} {
		require.ErrorIs(t, core.ResolveInto(shop, st, into), core.ErrConfigInvalid, name)
	}
	require.ErrorIs(t, core.ResolveInto(c.ctx, st, &got), core.ErrNoTenant)
	require.ErrorIs(t, core.ResolveInto(core.WithTenant(t.Context(), unknownID), st, &got), core.ErrTenantNotFound)
}

func TestResolveIntoDeclaredKeys(t *testing.T) {
	t.Parallel()
	f, st := newConfigForest(t, maxSeats)
	c := newConfigTree(t, f, st)
	var got settings
	err := core.ResolveInto(core.WithTenant(t.Context(), c.shop.ID), st, &got)
	require.ErrorIs(t, err, core.ErrConfigUnknown)
	require.ErrorContains(t, err, `"absent"`)
	require.NotContains(t, err.Error(), key)
	require.Equal(t, 10, got.Seats, "the default")
}

func TestOpenRefusesKeys(t *testing.T) {
	t.Parallel()
	db := stratumtest.EmptyDatabase(t)
	for name, keys := range map[string][]core.ConfigKey{
		"twice":                     {maxSeats, core.Key[string]{Name: key}},
		"a name that is no key":     {core.Key[int]{Name: "Max Seats"}},
		"a default that is no JSON": {core.Key[chan int]{Name: key, Default: make(chan int)}},
	} {
		_, err := core.Open(t.Context(), core.Options{DSN: db.DSN, ConfigKeys: keys})
		require.ErrorIs(t, err, core.ErrConfig, name)
	}
}

func TestConfigSchema(t *testing.T) {
	t.Parallel()
	_, st := newConfigForest(t, maxSeats, brand, secret, core.Key[uint8]{Name: "level"})
	text, err := st.Config.Schema()
	require.NoError(t, err)
	require.JSONEq(t, `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": "object",
		"additionalProperties": false,
		"properties": {
			"max_seats": {"type": "integer", "description": "Seats.", "default": 10},
			"brand": {
				"type": "object", "additionalProperties": false, "default": {"color": "grey", "logos": null},
				"properties": {
					"color": {"type": "string"},
					"logos": {"type": ["array", "null"], "items": {"type": "string"}}
				}
			},
			"api_token": {"type": "string", "writeOnly": true},
			"level": {"type": "integer", "minimum": 0, "maximum": 255, "default": 0}
		}
	}`, string(text))
	_, open := newConfigForest(t)
	text, err = open.Config.Schema()
	require.NoError(t, err)
	require.Contains(t, string(text), `"additionalProperties": true`)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	v := core.ConfigValue{Key: key, Value: json.RawMessage(`{"color": "red", "later": 1}`)}
	var got branding
	require.NoError(t, v.Decode(&got), "a field that is gone does no harm to a reader")
	require.Equal(t, "red", got.Color)
	var n int
	require.ErrorIs(t, v.Decode(&n), core.ErrConfigDecode)
	var id uuid.UUID
	require.ErrorContains(t, core.ConfigValue{Key: key, Value: json.RawMessage(`"x"`)}.Decode(&id), "cannot be read as uuid.UUID")
}
