package core_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// TestReencryptOfConfigIsKilled twenty times at any point, with two programs at work: each value can be read all the
// time, and is sealed anew once for each key.
func TestReencryptOfConfigIsKilled(t *testing.T) {
	t.Parallel()
	v := newStrongroom(t)
	secret := fieldcrypt.NewKey()
	kek, err := kekOf(secret)
	require.NoError(t, err)
	st := v.open(t, func(o *core.Options) { o.KEK = kek })
	const n, kills = 300, 20
	at := []core.Tenant{v.acme, v.shop}
	for _, tenant := range at {
		changes := make([]core.ConfigChange, n)
		for i := range changes {
			changes[i] = core.ConfigChange{Key: slugOf("k", i), Value: password + slugOf("", i), Sensitive: core.On}
		}
		_, err := st.Config.SetBatch(v.ctx, tenant.ID, changes, core.ConfigBatch{})
		require.NoError(t, err)
	}
	v.f.setStatus(t, v.shop, core.StatusSuspended)
	logWrites(t, v.db.AdminDSN, "stratum.config", "sealed",
		`NEW.tenant_id || NEW.key || encode(substring(NEW.sealed, 2, 4), 'hex')`)
	job := keysJob{
		DSN: v.db.DSN, SystemDSN: v.db.SystemDSN, OwnerDSN: v.db.OwnerDSN, KEKs: [][]byte{secret}, Do: doConfig,
	}
	rotations, killed, halfway := 0, 0, 0
	for killed < kills {
		for _, tenant := range at {
			_, err := st.Keys.Rotate(v.ctx, tenant.ID)
			require.NoError(t, err)
		}
		rotations++
		for done := false; !done; {
			cut := job.killTwo(t, 60, 5*time.Millisecond)
			killed += cut
			done = cut == 0 || killed >= kills
			reader := v.open(t, func(o *core.Options) { o.KEK = kek })
			for _, tenant := range at {
				values, err := reader.Config.Own(v.ctx, tenant.ID)
				require.NoError(t, err)
				require.Len(t, values, n)
				for _, value := range values {
					text, err := decode(value)
					require.NoError(t, err)
					require.Equal(t, password+value.Key[1:], text)
				}
			}
			anew := ask[int](t, v.db.AdminDSN, `SELECT count(*) FROM stratum.config
				WHERE substring(sealed, 2, 4) = decode(lpad(to_hex($1::int), 8, '0'), 'hex')`, rotations+1)
			if anew > 0 && anew < len(at)*n {
				halfway++
			}
		}
		_, err := st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Lease: time.Second})
		require.NoError(t, err)
		wantWrittenOnce(t, v.db.AdminDSN, rotations*len(at)*n)
	}
	require.Positive(t, halfway, "it was left half done")
	t.Logf("%d programs were killed, with %d keys; config was %d times half done", killed, rotations+1, halfway)
}

// TestRewrapKEKIsKilled twenty times at any point, with two programs at work: each key can be unwrapped all the time,
// and is rewrapped once for each KEK.
func TestRewrapKEKIsKilled(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	keks := [][]byte{fieldcrypt.NewKey()}
	kek, err := kekOf(keks...)
	require.NoError(t, err)
	column := s.column(s.open(core.Options{KEK: kek}))
	const n, kills = 400, 20
	values := map[uuid.UUID][]byte{}
	for range n {
		tenant := s.tenant()
		values[tenant] = s.seal(column, tenant, "ann")
	}
	logWrites(t, s.db.AdminDSN, "stratum.tenant_keys", "wrapped", `NEW.tenant_id || NEW.kind || NEW.version || NEW.kek`)
	killed, halfway := 0, 0
	for killed < kills {
		keks = append([][]byte{fieldcrypt.NewKey()}, keks...)
		all, err := kekOf(keks...)
		require.NoError(t, err)
		job := keysJob{
			DSN: s.db.DSN, SystemDSN: s.db.SystemDSN, OwnerDSN: s.db.OwnerDSN, RolePrefix: s.db.Name + "_role",
			KEKs: keks, Do: doRewrap,
		}
		for done := false; !done; {
			cut := job.killTwo(t, 4, 60*time.Millisecond)
			killed += cut
			done = cut == 0 || killed >= kills
			s.wantAllOpen(all, values)
			stale := ask[int](t, s.db.AdminDSN, `SELECT count(*) FROM stratum.tenant_keys WHERE kek <> $1`, all.ID())
			if stale > 0 && stale < n {
				halfway++
			}
		}
		report, err := s.open(core.Options{KEK: all}).Keys.RewrapKEK(s.ctx, core.RewrapOptions{})
		require.NoError(t, err)
		require.Zero(t, report.Remaining)
		newest, err := kekOf(keks[0])
		require.NoError(t, err)
		s.wantAllOpen(newest, values)
		wantWrittenOnce(t, s.db.AdminDSN, (len(keks)-1)*n)
	}
	require.Positive(t, halfway, "keys were left half done")
	t.Logf("%d programs were killed, with %d KEKs; keys were %d times half done", killed, len(keks), halfway)
}

// wantAllOpen requires that all values can be opened by a program with a KEK that has just started.
func (s *safe) wantAllOpen(kek fieldcrypt.KEK, values map[uuid.UUID][]byte) {
	s.Helper()
	st, err := core.Open(s.ctx, s.options(core.Options{KEK: kek}))
	require.NoError(s, err)
	defer func() { require.NoError(s, st.Close()) }()
	column := s.column(st)
	for tenant, sealed := range values {
		s.wantOpen(column, tenant, sealed, "ann")
	}
}
