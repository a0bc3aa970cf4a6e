package core_test

import (
	"context"
	"errors"
	"hash/fnv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// retires waits until the TTL of a handle's keys has passed since a version was superseded, and returns what Retire says.
func (v *strongroom) retires(st *core.Stratum, at core.Tenant, version uint32) (err error) {
	v.Helper()
	require.Eventually(v, func() bool {
		err = st.Keys.Retire(v.Context(), at.ID, version, nil)
		return err == nil || !isTooEarly(err)
	}, time.Minute, 5*time.Millisecond)
	return err
}

func isTooEarly(err error) bool {
	var inUse *core.KeyInUseError
	return errors.As(err, &inUse) && inUse.Values == 0
}

// TestConfigRotates: sensitive config of all tenants, whatever their status, comes under the new key, and the old one
// cannot be retired before. For who reads it nothing has changed.
func TestConfigRotates(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	st := v.open(t, func(o *core.Options) { o.Keys.TTL = 50 * time.Millisecond })
	tenants := []core.Tenant{v.acme, v.shop, v.globex}
	for _, at := range tenants {
		v.hide(at, "one", password)
		v.hide(at, "two", password)
	}
	before := v.stored(v.acme, "one")
	v.f.setStatus(t, v.shop, core.StatusSuspended)
	require.NoError(t, v.f.Archive(v.ctx, v.globex.ID))
	for _, at := range tenants {
		version, err := st.Keys.Rotate(v.ctx, at.ID)
		require.NoError(t, err)
		require.EqualValues(t, 2, version)
		var inUse *core.KeyInUseError
		require.ErrorAs(t, v.retires(st, at, 1), &inUse)
		require.EqualValues(t, 2, inUse.Values)
		uses, err := st.Keys.Uses(t.Context(), at.ID, 1, nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, uses)
	}
	pinned, err := v.st.Config.Pin(core.WithTenant(t.Context(), v.acme.ID))
	require.NoError(t, err)
	report, err := st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Batch: 1, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Rows: 6, Done: 3}, report)
	v.wantSealed(v.acme, "one", 1)
	report, err = st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Batch: 1})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Rows: 6, Done: 3}, report)
	for _, at := range tenants {
		v.wantSealed(at, "one", 2)
		v.wantSealed(at, "two", 2)
		require.NoError(t, v.retires(st, at, 1))
	}
	require.Equal(t, before.Version, v.stored(v.acme, "one").Version, "it is the same value")
	v.wantRead(v.st, password, "one", v.acme, v.lab)
	text, err := core.Key[string]{Name: "one"}.Get(pinned, v.st)
	require.NoError(t, err, "a request that has begun before, too")
	require.Equal(t, password, text)
	report, err = st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Done: 3}, report, "nothing is left")
}

// TestReencryptOfConfigTells which values it cannot open, and leaves them; of other tenants it does all.
func TestReencryptOfConfigTells(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	for _, at := range []core.Tenant{v.acme, v.shop, v.globex} {
		v.hide(at, "good", password)
	}
	v.hide(v.acme, "bad", password)
	v.f.tamper(t, `UPDATE stratum.config SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE key = 'bad'`)
	for _, at := range []core.Tenant{v.acme, v.shop} {
		_, err := v.st.Keys.Rotate(v.ctx, at.ID)
		require.NoError(t, err)
	}
	_, err := v.st.Keys.Shred(t.Context(), v.globex.ID, core.ShredOptions{})
	require.NoError(t, err)
	report, err := v.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Rows)
	require.EqualValues(t, 1, report.Failed)
	require.Equal(t, []string{"bad"}, report.Failures[0].PrimaryKey)
	require.Equal(t, v.acme.ID, report.Failures[0].Tenant)
	require.ErrorIs(t, report.Failures[0].Err, core.ErrDecrypt)
	_, err = v.st.Keys.Reencrypt(core.WithTenant(t.Context(), v.acme.ID), core.ReencryptOptions{})
	require.ErrorIs(t, err, core.ErrKeyScope)
	only, err := v.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tenants: []uuid.UUID{v.shop.ID}})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Done: 1}, only)

	v.f.tamper(t, `UPDATE stratum.tenant_keys SET wrapped = 'damaged' WHERE tenant_id = $1`, v.acme.ID)
	_, err = v.st.Keys.Rotate(v.ctx, v.shop.ID)
	require.NoError(t, err)
	var failed *core.ForEachError
	report, err = v.open(t, nil).Keys.Reencrypt(t.Context(), core.ReencryptOptions{})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, v.acme.ID, failed.Failures[0].Tenant)
	require.EqualValues(t, 1, report.Rows)
}

// TestRetireWaitsForConfig that somebody has sealed with the old key, and has not committed yet.
func TestRetireWaitsForConfig(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	st := v.open(t, func(o *core.Options) { o.Keys.TTL = 50 * time.Millisecond })
	v.hide(v.acme, key, password)
	old := v.stored(v.acme, key).Sealed
	_, err := st.Keys.Rotate(v.ctx, v.acme.ID)
	require.NoError(t, err)
	_, err = st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{})
	require.NoError(t, err)
	retired := make(chan error, 1)
	v.whileWriting(v.acme, func() { retired <- v.retires(st, v.acme, 1) },
		`UPDATE stratum.config SET sealed = $1 WHERE key = $2`, old, key)
	require.ErrorIs(t, <-retired, core.ErrKeyInUse)
	v.wantRead(v.open(t, nil), password, key, v.shop)
}

// whileWriting runs a statement as somebody who writes config of a tenant does, and commits when do waits for that.
func (v *strongroom) whileWriting(at core.Tenant, do func(), statement string, args ...any) {
	v.Helper()
	ctx := context.WithoutCancel(v.Context())
	writer, err := v.f.admin.Begin(ctx)
	require.NoError(v, err)
	defer func() { _ = writer.Rollback(ctx) }()
	label := ask[string](v.T, v.db.AdminDSN, `SELECT label FROM stratum.tenants WHERE id = $1`, at.ID)
	h := fnv.New32a()
	_, _ = h.Write([]byte(label + "\n"))
	_, err = writer.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, 0x53544354, int32(h.Sum32()))
	require.NoError(v, err)
	go do()
	require.Eventually(v, func() bool {
		return ask[bool](v.T, v.db.AdminDSN, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
			AND locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	}, 20*time.Second, 5*time.Millisecond)
	_, err = writer.Exec(ctx, statement, args...)
	require.NoError(v, err)
	require.NoError(v, writer.Commit(ctx))
}

// TestReencryptOfConfigLosesNothing that was written after it had read.
func TestReencryptOfConfigLosesNothing(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	v.hide(v.acme, key, password)
	_, err := v.st.Keys.Rotate(v.ctx, v.acme.ID)
	require.NoError(t, err)
	done := make(chan error, 1)
	job := func() { done <- second(v.st.Keys.Reencrypt(v.ctx, core.ReencryptOptions{})) }
	v.whileWriting(v.acme, job, `UPDATE stratum.config SET sealed = NULL, sensitive = false, value = '"new"'
		WHERE key = $1`, key)
	require.NoError(t, <-done)
	require.Equal(t, `"new"`, v.stored(v.acme, key).Value)

	v.change(v.globex, core.ConfigChange{Key: token.Name, Value: password})
	st := v.open(t, func(o *core.Options) { o.ConfigKeys = []core.ConfigKey{token} })
	job = func() { done <- second(st.Keys.Reencrypt(v.ctx, core.ReencryptOptions{})) }
	v.whileWriting(v.globex, job, `UPDATE stratum.config SET value = '"new"' WHERE key = $1`, token.Name)
	require.NoError(t, <-done)
	v.wantSealed(v.globex, token.Name, 1)
	v.wantRead(v.st, "new", token.Name, v.globex)
}

// TestKeyBecomesSensitive that was not when it was set: it is hidden at once, and sealed by the next write, or by
// Reencrypt, wherever it is.
func TestKeyBecomesSensitive(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	at := []core.Tenant{v.msp, v.acme, v.shop, v.lab, v.globex}
	for _, tenant := range at {
		v.change(tenant, core.ConfigChange{Key: token.Name, Value: password})
	}
	st := v.open(t, func(o *core.Options) { o.ConfigKeys = []core.ConfigKey{token} })
	for _, tenant := range at {
		got, err := st.Config.Get(v.ctx, tenant.ID, token.Name)
		require.NoError(t, err)
		require.True(t, got.Sensitive)
		require.Nil(t, got.Value)
		text, err := decode(got)
		require.NoError(t, err)
		require.Equal(t, password, text)
	}
	v.wantRead(st, password, token.Name, at...)
	explained, err := st.Config.Explain(v.ctx, v.shop.ID, token.Name)
	require.NoError(t, err)
	require.NotContains(t, explained.String(), password)
	drift, err := st.Config.Drift(v.ctx, v.msp.ID)
	require.NoError(t, err)
	for _, d := range drift {
		require.Nil(t, d.Value.Value)
	}

	_, err = st.Config.Lock(v.ctx, v.msp.ID, token.Name)
	require.NoError(t, err)
	v.wantSealed(v.msp, token.Name, 1)
	v.f.setStatus(t, v.shop, core.StatusSuspended)
	v.f.setStatus(t, v.globex, core.StatusArchived)
	versions := map[uuid.UUID]int64{}
	for _, tenant := range at[1:] {
		versions[tenant.ID] = v.stored(tenant, token.Name).Version
	}
	report, err := st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Batch: 1, DryRun: true})
	require.NoError(t, err)
	require.EqualValues(t, 4, report.Rows)
	require.NotNil(t, v.stored(at[1], token.Name).Value)
	report, err = st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Batch: 1})
	require.NoError(t, err)
	require.EqualValues(t, 4, report.Rows)
	for _, tenant := range at[1:] {
		v.wantSealed(tenant, token.Name, 1)
		require.Equal(t, versions[tenant.ID], v.stored(tenant, token.Name).Version)
	}
	require.NoError(t, st.Config.Unlock(v.ctx, v.msp.ID, token.Name))
	v.wantRead(st, password, token.Name, v.acme, v.lab)
}

// TestReencryptOfConfigBesideWriters: what is written meanwhile is not lost.
func TestReencryptOfConfigBesideWriters(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	const n = 60
	changes := make([]core.ConfigChange, n)
	for i := range changes {
		changes[i] = core.ConfigChange{Key: slugOf("k", i), Value: "old", Sensitive: core.On}
	}
	_, err := v.st.Config.SetBatch(v.ctx, v.acme.ID, changes, core.ConfigBatch{})
	require.NoError(t, err)
	_, err = v.st.Keys.Rotate(v.ctx, v.acme.ID)
	require.NoError(t, err)
	other := v.open(t, nil)
	written := make(chan error, 1)
	go func() {
		for i := n - 1; i >= 0; i -= 2 {
			_, err := other.Config.SetBatch(v.ctx, v.acme.ID, []core.ConfigChange{
				{Key: slugOf("k", i), Value: "new"}, {Key: slugOf("k", (i+n/2)%n), Value: "new"},
			}, core.ConfigBatch{})
			if err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	_, err = v.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Batch: 4})
	require.NoError(t, err)
	require.NoError(t, <-written)
	for i := range n {
		want := "old"
		if i%2 == 1 || (i+n/2)%n%2 == 1 {
			want = "new"
		}
		v.wantRead(v.st, want, slugOf("k", i), v.acme)
		v.wantSealed(v.acme, slugOf("k", i), 2)
	}
}

// logWrites has the database write down each update of a table that gives a column another value.
func logWrites(t *testing.T, dsn, table, column, what string) {
	t.Helper()
	runAs(t, dsn, `CREATE TABLE written (what text NOT NULL);
		CREATE FUNCTION log_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
			INSERT INTO public.written VALUES (`+what+`); RETURN NULL; END $$;
		CREATE TRIGGER log_write AFTER UPDATE OF `+pgx.Identifier{column}.Sanitize()+` ON `+table+`
			FOR EACH ROW EXECUTE FUNCTION log_write();`)
}

// wantWrittenOnce requires so many updates, no two of the same.
func wantWrittenOnce(t *testing.T, dsn string, n int) {
	t.Helper()
	require.Equal(t, n, ask[int](t, dsn, `SELECT count(*) FROM written`))
	require.Equal(t, n, ask[int](t, dsn, `SELECT count(DISTINCT what) FROM written`))
}

// TestNothingIsSealedWithARetiredKey, also by a program that has it in memory for longer than the others allow, and has
// heard of nothing.
func TestNothingIsSealedWithARetiredKey(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	late := v.open(t, func(o *core.Options) { o.ConfigCache.Off, o.Keys.TTL = true, time.Hour })
	st := v.open(t, func(o *core.Options) { o.Keys.TTL = 50 * time.Millisecond })
	set := func(key string) {
		t.Helper()
		_, err := late.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: key, Value: password, Sensitive: core.On})
		require.NoError(t, err)
	}
	set("before")
	_, err := st.Keys.Rotate(v.ctx, v.acme.ID)
	require.NoError(t, err)
	set("between")
	v.wantSealed(v.acme, "between", 1)
	_, err = st.Keys.Reencrypt(v.ctx, core.ReencryptOptions{})
	require.NoError(t, err)
	require.NoError(t, v.retires(st, v.acme, 1))
	set("after")
	v.wantSealed(v.acme, "after", 2)
	v.wantRead(st, password, "after", v.shop)

	require.NoError(t, second(v.st.Keys.Shred(v.ctx, v.acme.ID, core.ShredOptions{})))
	_, err = late.Config.Set(v.ctx, v.acme.ID, core.ConfigChange{Key: "after", Value: password})
	require.ErrorIs(t, err, core.ErrShredded, "at once")
	_, err = late.Config.Lock(v.ctx, v.acme.ID, "after")
	require.NoError(t, err, "what cannot be opened can be locked")
}
