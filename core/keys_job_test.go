package core_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// TestReencrypt in every isolation: values come under the new key, plain ones are sealed, and the old key goes.
func TestReencrypt(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const n = 30
	for i, isolation := range isolations() {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			tenant := o.create(t, core.NewTenant{Slug: slugOf(isolation, i), Isolation: isolation}).ID
			o.fill(t, tenant, n)
			version, err := o.st.Keys.Rotate(t.Context(), tenant)
			require.NoError(t, err)
			require.EqualValues(t, 2, version)
			var seen []int64
			options := core.ReencryptOptions{
				Tables: o.people(), Batch: 7, Job: string(isolation), Tenants: []uuid.UUID{tenant},
				Progress: func(r core.ReencryptReport) { seen = append(seen, r.Rows) },
			}
			report, err := o.st.Keys.Reencrypt(t.Context(), options)
			require.NoError(t, err)
			require.Equal(t, core.ReencryptReport{Rows: n, Done: 1}, report)
			require.Equal(t, []int64{7, 14, 21, 28, 30, 30}, seen)
			o.requireSealed(t, tenant, n, 2)
			for _, p := range o.rows(t, tenant) {
				require.Equal(t, 2, p.Writes, "once when it was filled, and once")
				require.Nil(t, p.Plain)
			}
			report, err = o.st.Keys.Reencrypt(t.Context(), options)
			require.NoError(t, err)
			require.Equal(t, core.ReencryptReport{Done: 1}, report, "nothing is left")
		})
	}
}

// TestReencryptBesideWriters: what the application writes meanwhile is not lost.
func TestReencryptBesideWriters(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "busy"}).ID
	const n = 120
	o.fill(t, tenant, n)
	all := o.rows(t, tenant)
	_, err := o.st.Keys.Rotate(t.Context(), tenant)
	require.NoError(t, err)
	ctx := core.WithTenant(t.Context(), tenant)
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := w; i < n; i += 3 {
				email, index := o.sealText(ctx, t, o.email, tenant, "new"+emailOf(i), nil)
				_, err := o.st.DB().ExecContext(ctx, `UPDATE people SET email = $2, email_index = $3 WHERE id = $1`,
					all[i].ID, email, index)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	_, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: o.people(), Batch: 10})
	require.NoError(t, err)
	writers.Wait()
	for i, p := range o.rows(t, tenant) {
		opened, err := o.email.Open(ctx, tenant, nil, p.Email, nil)
		require.NoError(t, err)
		var email string
		require.NoError(t, fieldcrypt.Decode(opened, &email))
		want := emailOf(i)
		if i%3 < 2 {
			want = "new" + want
		}
		require.Equal(t, want, email)
		require.EqualValues(t, 2, sealedVersion(t, p.Email))
		require.EqualValues(t, 2, sealedVersion(t, p.Phone))
	}
}

// TestRetire: a key goes when nothing is sealed with it, and nobody can seal with it any more.
func TestRetire(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(o *core.Options) { o.Keys.TTL = 50 * time.Millisecond })
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	o.fill(t, tenant, 9)
	ctx := t.Context()
	var inUse *core.KeyInUseError
	err := o.st.Keys.Retire(ctx, tenant, 1, o.people())
	require.ErrorAs(t, err, &inUse)
	require.ErrorContains(t, err, "is current")
	_, err = o.st.Keys.Rotate(ctx, tenant)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		err = o.st.Keys.Retire(ctx, tenant, 1, o.people())
		require.ErrorAs(t, err, &inUse)
		return inUse.Values > 0
	}, time.Minute, 5*time.Millisecond, "at first because of the TTL")
	require.EqualValues(t, 15, inUse.Values)
	uses, err := o.st.Keys.Uses(ctx, tenant, 1, o.people())
	require.NoError(t, err)
	require.EqualValues(t, 15, uses)

	old := o.rows(t, tenant)[0].Email
	_, err = o.st.Keys.Reencrypt(ctx, core.ReencryptOptions{Tables: o.people()})
	require.NoError(t, err)
	partly := people(o.email, o.phone)
	partly[0].Columns = partly[0].Columns[:1]
	require.ErrorIs(t, o.st.Keys.Retire(ctx, tenant, 1, partly), core.ErrKeyJob, "a column would be forgotten")
	require.ErrorIs(t, o.st.Keys.Retire(core.WithTenant(ctx, tenant), tenant, 1, o.people()), core.ErrKeyScope)
	require.NoError(t, o.st.Keys.Retire(ctx, tenant, 1, o.people()))
	require.ErrorIs(t, o.st.Keys.Retire(ctx, tenant, 1, o.people()), core.ErrKeyVersion)
	o.requireSealed(t, tenant, 9, 2)
	_, err = o.email.Open(core.WithTenant(ctx, tenant), tenant, nil, old, nil)
	require.ErrorIs(t, err, core.ErrDecrypt)
	infos, err := o.st.Keys.List(ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, core.KeyRetired, infos[0].State)
	require.Equal(t, core.KeyCurrent, infos[1].State)
}
