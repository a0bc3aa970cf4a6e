package core_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// TestRewrapKEK: it is ended again and again, runs twice at once, and afterwards the old KEK is not needed.
func TestRewrapKEK(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	const n = 250
	values := map[uuid.UUID][]byte{}
	for range n {
		tenant := s.tenant()
		values[tenant] = s.seal(s.email, tenant, "ann")
	}
	newer := newLocalKEK(t)
	both, err := fieldcrypt.KEKs(newer, s.kek.KEK)
	require.NoError(t, err)
	one, two := s.open(core.Options{KEK: both}), s.open(core.Options{KEK: both})

	ended, end := context.WithCancel(s.ctx)
	report, err := one.Keys.RewrapKEK(ended, core.RewrapOptions{Progress: func(core.RewrapReport) { end() }})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 100, report.Rewrapped)
	require.EqualValues(t, n-100, report.Remaining)
	var both2 sync.WaitGroup
	reports := make([]core.RewrapReport, 2)
	for i, st := range []*core.Stratum{one, two} {
		both2.Go(func() {
			var err error
			if reports[i], err = st.Keys.RewrapKEK(s.ctx, core.RewrapOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	both2.Wait()
	require.EqualValues(t, n-100, reports[0].Rewrapped+reports[1].Rewrapped, "each once")
	require.Zero(t, min(reports[0].Remaining, reports[1].Remaining))
	require.Equal(t, newer.ID(), reports[0].KEK)

	fresh := s.column(s.open(core.Options{KEK: newer}))
	for tenant, sealed := range values {
		s.wantOpen(fresh, tenant, sealed, "ann")
	}
	_, err = s.tryOpen(s.column(s.open(core.Options{KEK: s.kek.KEK})), anyOf(values), values[anyOf(values)])
	require.ErrorIs(t, err, core.ErrNoKEK)
}

func anyOf[V any](all map[uuid.UUID]V) (tenant uuid.UUID) {
	for id := range all {
		if tenant == uuid.Nil || id.String() < tenant.String() {
			tenant = id
		}
	}
	return tenant
}

// TestRewrapPassesOver keys that it cannot unwrap, and tells of them.
func TestRewrapPassesOver(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	good, damaged, foreign := s.tenant(), s.tenant(), s.tenant()
	for _, tenant := range []uuid.UUID{good, damaged, foreign} {
		s.seal(s.email, tenant, "ann")
	}
	s.exec(`UPDATE stratum.tenant_keys SET wrapped = 'damaged' WHERE tenant_id = $1`, damaged)
	s.exec(`UPDATE stratum.tenant_keys SET kek = 'local:gone' WHERE tenant_id = $1`, foreign)
	both, err := fieldcrypt.KEKs(newLocalKEK(t), s.kek.KEK)
	require.NoError(t, err)
	report, err := s.open(core.Options{KEK: both}).Keys.RewrapKEK(s.ctx, core.RewrapOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Rewrapped)
	require.EqualValues(t, 2, report.Failed)
	require.EqualValues(t, 2, report.Remaining)
	failures := map[uuid.UUID]error{}
	for _, f := range report.Failures {
		require.Equal(t, fieldcrypt.DataKey, f.Kind)
		failures[f.Tenant] = f.Err
	}
	require.ErrorIs(t, failures[damaged], fieldcrypt.ErrUnwrap)
	require.ErrorIs(t, failures[foreign], core.ErrNoKEK)
}
