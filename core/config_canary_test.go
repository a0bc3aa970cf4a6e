package core_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// canaryTrap collects texts that may not have the canary in them.
type canaryTrap struct {
	*testing.T

	texts []string
}

// refused is an error on any path.
func (c *canaryTrap) refused(name string, err error) {
	c.Helper()
	require.Error(c, err, name)
	c.texts = append(c.texts, fmt.Sprintf("%s: %v\n%+v\n%#v\n%q", name, err, err, err, err))
	encoded, _ := json.Marshal(err)
	c.texts = append(c.texts, string(encoded))
}

// printed is whatever an application may print or log.
func (c *canaryTrap) printed(values ...any) {
	c.Helper()
	var log strings.Builder
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			c.texts = append(c.texts, fmt.Sprintf(verb, v), fmt.Sprintf(verb, struct{ hidden any }{v}))
		}
		encoded, err := json.Marshal(v)
		require.NoError(c, err)
		c.texts = append(c.texts, string(encoded))
		slog.New(slog.NewTextHandler(&log, nil)).Info("config", "value", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "value", v)
	}
	c.texts = append(c.texts, log.String())
}

func (c *canaryTrap) check() {
	c.Helper()
	for _, form := range []string{
		canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		base64.RawStdEncoding.EncodeToString([]byte(canary)), base64.RawStdEncoding.EncodeToString([]byte(`"` + canary)),
		strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]"),
	} {
		for _, text := range c.texts {
			require.NotContains(c, text, form)
		}
	}
}

// TestConfigTellsNothing: a sensitive value is in no error, no log and nothing that is printed, and not in the database.
func TestConfigTellsNothing(t *testing.T) {
	t.Parallel()
	log := &syncBuffer{}
	strict := core.Key[string]{Name: "strict", Sensitive: true, Validate: func(s string) error {
		if len(s) > 100 {
			return errors.New("what a long value is " + s)
		}
		return nil
	}}
	v := newStrongroom(t)
	logged := func(o *core.Options) {
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	v.st = v.open(t, logged)
	v.configTree.st = v.st
	trap := &canaryTrap{T: t}
	in := core.WithTenant(t.Context(), v.shop.ID)

	v.hide(v.acme, key, canary)
	v.hide(v.globex, key, canary+"!")
	set := v.hide(v.acme, "other", []string{canary})
	v.change(v.msp, core.ConfigChange{Key: strict.Name, Value: canary})
	v.printsOf(trap, v.st)
	declared := v.open(t, func(o *core.Options) {
		logged(o)
		o.ConfigKeys = []core.ConfigKey{strict, core.Key[any]{Name: key}, core.Key[any]{Name: "other"}}
	})
	v.printsOf(trap, declared)
	trap.printed(set)
	trap.texts = append(trap.texts, fmt.Sprintf("%v %+v", declared.Config, v.st.Config))

	long := strings.Repeat(canary, 10)
	trap.refused("Validate", strict.Set(v.ctx, declared, v.acme.ID, long))
	_, err := declared.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: strict.Name, Value: []string{canary}})
	trap.refused("type", err)
	for name, change := range map[string]core.ConfigChange{
		"NUL":      {Value: canary + "\x00", Sensitive: core.On},
		"no JSON":  {Value: func() string { return canary }, Sensitive: core.On},
		"size":     {Value: strings.Repeat(canary, core.MaxConfigValueSize), Sensitive: core.On},
		"key":      {Key: "No Key", Value: canary, Sensitive: core.On},
		"conflict": {Value: canary, IfVersion: 1 << 40},
		"keep":     {Value: canary, KeepValue: true},
		"delete":   {Value: canary, Delete: true},
	} {
		trap.refused(name, second(v.try(v.acme, change)))
	}
	trap.refused("unknown", second(declared.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: "k", Value: canary})))
	trap.refused("another type", second(core.Key[int]{Name: key}.Get(in, v.st)))
	trap.refused("a map", second(core.Key[map[string]int]{Name: "other"}.Get(in, v.st)))
	trap.refused("into", core.ResolveInto(in, v.st, &struct {
		Seats int `config:"max_seats"`
	}{}))
	value, err := v.st.Config.Get(v.ctx, v.shop.ID, key)
	require.NoError(t, err)
	trap.refused("Decode", value.Decode(new(int)))
	trap.refused("not opened", set.Decode(new(any)))
	trap.refused("upwards", second(v.st.Config.Set(in, v.acme.ID, core.ConfigChange{Key: key, Value: canary})))
	none := v.open(t, func(o *core.Options) { logged(o); o.KEK = nil })
	trap.refused("no KEK", second(none.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: key, Value: canary})))
	trap.refused("no KEK to open", second(core.Key[string]{Name: key}.Get(in, none)))

	v.lock(v.acme)
	trap.refused("locked", second(v.try(v.shop, core.ConfigChange{Value: canary, Sensitive: core.On})))
	v.breakage(trap, logged)
	for _, table := range []string{"config", "config_changes", "tenants", "tenant_keys", "key_jobs"} {
		trap.texts = append(trap.texts, ask[string](t, v.db.AdminDSN,
			`SELECT coalesce(string_agg(r::text, ' '), '') FROM stratum.`+table+` r
			WHERE to_jsonb(r)->>'key' IS DISTINCT FROM 'strict'`))
	}
	trap.texts = append(trap.texts, log.String())
	trap.check()
	require.Contains(t, ask[string](t, v.db.AdminDSN, `SELECT value::text FROM stratum.config WHERE key = 'strict'`), canary,
		"it was set before it was declared to be sensitive, and has to be sealed by Reencrypt")
}

// printsOf prints all that a handle returns.
func (v *strongroom) printsOf(trap *canaryTrap, st *core.Stratum) {
	v.Helper()
	printed := func(value any, err error) {
		v.Helper()
		require.NoError(v, err)
		trap.printed(value)
	}
	// What was set for a key without a declaration is no secret to a handle that has none either.
	keys := []string{key, "other"}
	if _, err := st.Config.Set(v.ctx, v.lab.ID, core.ConfigChange{Key: "undeclared", Value: 1}); err != nil {
		keys = append(keys, "strict")
		values, err := st.Config.Resolve(v.ctx, v.shop.ID)
		printed(values, err)
		own, err := st.Config.Own(v.ctx, v.acme.ID)
		printed(own, err)
		drift, err := st.Config.Drift(v.ctx, v.root.ID)
		printed(drift, err)
		differences, err := st.Config.Diff(v.ctx, v.shop.ID, v.root.ID)
		printed(differences, err)
	}
	for _, k := range keys {
		value, err := st.Config.Get(v.ctx, v.shop.ID, k)
		printed(value, err)
		printed(&value, err)
		require.NoError(v, value.Decode(new(any)), "it was opened")
		explained, err := st.Config.Explain(v.ctx, v.shop.ID, k)
		printed(explained, err)
		trap.printed(explained.Steps, explained.Value)
		for event, err := range st.Config.Watch(core.WithTenant(v.Context(), v.shop.ID), k) {
			printed(event, err)
			trap.printed(event.Value)
			break
		}
	}
	differences, err := st.Config.Diff(v.ctx, v.acme.ID, v.globex.ID)
	require.NotEmpty(v, differences)
	printed(differences, err)
	results, err := st.Config.SetBatch(v.ctx, v.acme.ID, []core.ConfigChange{{Key: "other", KeepValue: true}},
		core.ConfigBatch{BestEffort: true})
	printed(results, err)
}

// breakage collects the errors of a handle whose KMS, keys, values and database fail.
func (v *strongroom) breakage(trap *canaryTrap, logged func(*core.Options)) {
	v.Helper()
	in := core.WithTenant(v.Context(), v.shop.ID)
	read := func(st *core.Stratum) error { return second(core.Key[string]{Name: key}.Get(in, st)) }
	write := func(st *core.Stratum) error {
		return second(st.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: key, Value: canary}))
	}
	both := func(name string) {
		v.Helper()
		st := v.open(v.T, func(o *core.Options) { logged(o); o.Keys.TTL = time.Second })
		trap.refused(name+", reading", read(st))
		trap.refused(name+", writing", write(st))
	}
	v.kek.fail(errors.New("the KMS is down"))
	both("KMS")
	v.kek.fail(nil)
	v.f.tamper(v.T, `ALTER TABLE stratum.tenant_keys RENAME TO gone`)
	both("no table of keys")
	v.f.tamper(v.T, `ALTER TABLE stratum.gone RENAME TO tenant_keys`)
	v.f.tamper(v.T, `ALTER TABLE stratum.config ADD CONSTRAINT broken CHECK (length(key) > 100) NOT VALID`)
	trap.refused("a constraint", write(v.st))
	v.f.tamper(v.T, `ALTER TABLE stratum.config DROP CONSTRAINT broken`)
	v.f.tamper(v.T, `UPDATE stratum.config SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE sensitive`)
	trap.refused("flipped", read(v.open(v.T, logged)))
	_, err := v.st.Keys.Rotate(v.ctx, v.acme.ID)
	require.NoError(v, err)
	report, err := v.st.Keys.Reencrypt(v.Context(), core.ReencryptOptions{})
	require.NoError(v, err)
	require.Positive(v, report.Failed)
	for _, failure := range report.Failures {
		trap.refused("job", failure.Err)
	}
	trap.printed(report)
	v.f.tamper(v.T, `UPDATE stratum.tenant_keys SET wrapped = 'damaged'`)
	both("unwrap")
	_, err = v.st.Keys.Shred(v.Context(), v.acme.ID, core.ShredOptions{})
	require.NoError(v, err)
	both("shredded")
}
