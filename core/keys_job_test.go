package core_test

import (
	"fmt"
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

// TestIndexKeyRotates through a shadow column: its index is under the key of the next epoch, and the old one goes.
func TestIndexKeyRotates(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	o.fill(t, tenant, 9)
	next := o.open(t, o.options)
	both := emails()
	both.Indexes = append(both.Indexes, fieldcrypt.IndexOptions{Name: "next", Epoch: 2})
	email, err := next.Keys.Column(both)
	require.NoError(t, err)
	table := core.EncryptedTable{Name: "people", Columns: []core.EncryptedColumn{{
		Name: "email", Sealed: email, Indexes: map[string]string{"": "email_index", "next": "email_index2"},
	}}}
	report, err := next.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: []core.EncryptedTable{table}})
	require.NoError(t, err)
	require.EqualValues(t, 9, report.Rows)
	ctx := core.WithTenant(t.Context(), tenant)
	for i, p := range o.rows(t, tenant) {
		o.requirePerson(t, tenant, i, p)
		encoded, _, err := fieldcrypt.Encode(nil, emailOf(i))
		require.NoError(t, err)
		index, err := email.Index(ctx, tenant, email.Column().Index("next"), nil, encoded)
		require.NoError(t, err)
		var found int64
		require.NoError(t, o.st.DB().QueryRowContext(ctx, `SELECT id FROM people WHERE email_index2 = $1`, index).Scan(&found))
		require.Equal(t, p.ID, found)
	}
	var inUse *core.KeyInUseError
	require.ErrorAs(t, next.Keys.RetireIndex(t.Context(), tenant, 1), &inUse, "it is declared")
	last := o.open(t, o.options)
	_, err = last.Keys.Column(fieldcrypt.ColumnOptions{Table: "people", Column: "email", Indexes: both.Indexes[1:]})
	require.NoError(t, err)
	require.NoError(t, last.Keys.RetireIndex(t.Context(), tenant, 1))
	require.ErrorIs(t, last.Keys.RetireIndex(t.Context(), tenant, 1), core.ErrKeyVersion)
	require.ErrorIs(t, last.Keys.RetireIndex(t.Context(), tenant, 2), core.ErrKeyInUse)
}

// TestReencryptRefuses tables that cannot be worked on.
func TestReencryptRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for name, change := range map[string]func(r *core.ReencryptOptions){
		"no tables":  func(r *core.ReencryptOptions) { r.Tables = nil },
		"no name":    func(r *core.ReencryptOptions) { r.Tables[0].Name = "" },
		"no columns": func(r *core.ReencryptOptions) { r.Tables[0].Columns = nil },
		"no column":  func(r *core.ReencryptOptions) { r.Tables[0].Columns[0].Name = "" },
		"not sealed": func(r *core.ReencryptOptions) { r.Tables[0].Columns[0].Sealed = nil },
		"no index":   func(r *core.ReencryptOptions) { r.Tables[0].Columns[0].Indexes["x"] = "y" },
		"twice":      func(r *core.ReencryptOptions) { r.Tables = append(r.Tables, r.Tables[0]) },
		"batch":      func(r *core.ReencryptOptions) { r.Batch = -1 },
		"workers":    func(r *core.ReencryptOptions) { r.Workers = -1 },
		"lease":      func(r *core.ReencryptOptions) { r.Lease = time.Millisecond },
	} {
		r := core.ReencryptOptions{Tables: o.people()}
		change(&r)
		_, err := o.st.Keys.Reencrypt(t.Context(), r)
		require.ErrorIs(t, err, core.ErrKeyJob, name)
	}
}

// TestReencryptPassesOver what cannot be opened, tenants that are not active, and those that are shredded.
func TestReencryptPassesOver(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	acme, suspended, gone := o.create(t, core.NewTenant{Slug: "acme"}).ID, o.create(t, core.NewTenant{Slug: "s"}).ID,
		o.create(t, core.NewTenant{Slug: "gone"}).ID
	for _, tenant := range []uuid.UUID{acme, suspended, gone} {
		o.fill(t, tenant, 6)
		_, err := o.st.Keys.Rotate(t.Context(), tenant)
		require.NoError(t, err)
	}
	damaged := o.rows(t, acme)[2].ID
	runAs(t, o.AdminDSN, fmt.Sprintf(`UPDATE people SET email = set_byte(email, 20, (get_byte(email, 20) + 1) %% 256)
		WHERE id = %d`, damaged))
	require.NoError(t, o.st.Tenants.Suspend(t.Context(), suspended))
	_, err := o.st.Keys.Shred(t.Context(), gone, core.ShredOptions{})
	require.NoError(t, err)
	report, err := o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{
		Tables: o.people(), Tenants: []uuid.UUID{acme, suspended, gone},
	})
	require.NoError(t, err)
	require.EqualValues(t, 6, report.Rows, "the telephone number of the damaged row, too")
	require.Equal(t, 1, report.Skipped)
	require.EqualValues(t, 1, report.Failed)
	require.Equal(t, "email", report.Failures[0].Column)
	require.Equal(t, []string{fmt.Sprint(damaged)}, report.Failures[0].PrimaryKey)
	require.ErrorIs(t, report.Failures[0].Err, core.ErrDecrypt)
	require.EqualValues(t, 2, sealedVersion(t, o.rows(t, acme)[2].Phone))
}

// TestReencryptComparesAndSwaps: a value that is written between reading and writing is not lost.
func TestReencryptComparesAndSwaps(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	o.fill(t, tenant, 3)
	ctx := core.WithTenant(t.Context(), tenant)
	writes := 0
	tables := o.people()
	tables[0].Columns[1].FromPlain = func(v any) (any, error) {
		if writes++; writes == 1 {
			_, err := o.st.DB().ExecContext(ctx, `UPDATE people SET phone_plain = 'meanwhile' WHERE phone_plain IS NOT NULL`)
			require.NoError(t, err)
		}
		return v, nil
	}
	report, err := o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: tables})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Rows: 1, Done: 1}, report)
	last := o.rows(t, tenant)[2]
	require.Nil(t, last.Plain)
	key, err := fieldcrypt.PrimaryKey(nil, last.ID)
	require.NoError(t, err)
	opened, err := o.phone.Open(ctx, tenant, nil, last.Phone, key)
	require.NoError(t, err)
	require.Equal(t, "\x01meanwhile", string(opened))
}
