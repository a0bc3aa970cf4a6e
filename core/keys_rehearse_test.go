package core_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// TestReencryptDryRun reads all that there is to do, and does nothing of it: no key is made, and no cursor kept.
func TestReencryptDryRun(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const n = 30
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	fresh := o.create(t, core.NewTenant{Slug: "fresh"}).ID
	o.fill(t, tenant, n)
	_, err := o.st.Keys.Rotate(t.Context(), tenant)
	require.NoError(t, err)
	inFresh := core.WithTenant(t.Context(), fresh)
	require.NoError(t, o.st.BeginFunc(inFresh, func(tx *core.Tx) error {
		_, err := tx.Exec(inFresh, `INSERT INTO people (phone_plain) VALUES ('1'), ('2')`)
		return err
	}))
	before := o.rows(t, tenant)
	report, err := o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: o.people(), Batch: 7, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Rows: n + 2, Done: 2}, report)
	require.Equal(t, before, o.rows(t, tenant))
	infos, err := o.st.Keys.List(t.Context(), fresh)
	require.NoError(t, err)
	require.Empty(t, infos)
	report, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: o.people()})
	require.NoError(t, err)
	require.Equal(t, core.ReencryptReport{Rows: n + 2, Done: 2}, report, "no cursor was kept")
}

// TestReencryptIsCutOff: whoever ends it is told so, also while the last tenant is worked on.
func TestReencryptIsCutOff(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	o.fill(t, tenant, 30)
	_, err := o.st.Keys.Rotate(t.Context(), tenant)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	report, err := o.st.Keys.Reencrypt(ctx, core.ReencryptOptions{
		Tables: o.people(), Batch: 7, Progress: func(core.ReencryptReport) { cancel() },
	})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 7, report.Rows)
}

// TestReencryptLeavesDuplicates: a row whose index another one has is a failure, and the others of its batch are sealed.
func TestReencryptLeavesDuplicates(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	runAs(t, o.AdminDSN, `CREATE UNIQUE INDEX one_email ON people (tenant_id, email_index);
		ALTER TABLE people ADD COLUMN email_plain text`)
	ctx := core.WithTenant(t.Context(), tenant)
	require.NoError(t, o.st.BeginFunc(ctx, func(tx *core.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO people (email_plain) VALUES ('a'), ('b'), (' A'), ('c')`)
		return err
	}))
	var given []string
	tables := []core.EncryptedTable{{Name: "people", Columns: []core.EncryptedColumn{{
		Name: "email", Sealed: o.email, Indexes: map[string]string{"": "email_index"}, Plain: "email_plain",
		PlainJSON: true, FromPlain: func(v any) (any, error) {
			var pair [2]string
			err := json.Unmarshal(v.([]byte), &pair) //nolint:forcetypeassert // or it panics
			given = append(given, pair[0])
			return pair[1], err
		},
	}}}}
	report, err := o.st.Keys.Reencrypt(ctx, core.ReencryptOptions{Tables: tables, Tenants: []uuid.UUID{tenant}})
	require.ErrorIs(t, err, core.ErrKeyScope)
	require.Zero(t, report.Rows)
	report, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: tables, Tenants: []uuid.UUID{tenant}})
	require.NoError(t, err)
	require.EqualValues(t, 3, report.Rows)
	require.EqualValues(t, 1, report.Failed)
	require.ErrorIs(t, report.Failures[0].Err, core.ErrDuplicateKey)
	require.Equal(t, "email", report.Failures[0].Column)
	require.Contains(t, given, "text")
	var left string
	require.NoError(t, o.st.DB().QueryRowContext(ctx, `SELECT email_plain FROM people WHERE email IS NULL`).Scan(&left))
	require.Equal(t, " A", left)
	h, err := fieldcrypt.ParseHeader(o.rows(t, tenant)[3].Email)
	require.NoError(t, err)
	require.EqualValues(t, 1, h.Version)
}

// TestReencryptIsTakenOver: a program whose lease has ended leaves the rest to the one that goes on.
func TestReencryptIsTakenOver(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	o.fill(t, tenant, 30)
	_, err := o.st.Keys.Rotate(t.Context(), tenant)
	require.NoError(t, err)
	var once sync.Once
	_, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{
		Tables: o.people(), Batch: 7, Progress: func(core.ReencryptReport) {
			once.Do(func() { runAs(t, o.AdminDSN, `UPDATE stratum.key_jobs SET owner = gen_random_uuid()`) })
		},
	})
	require.ErrorContains(t, err, "another program has taken over")
	tables := o.people()
	tables[0].Name = "nowhere"
	_, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: tables, Job: "other"})
	require.ErrorContains(t, err, `there is no table "nowhere"`)
	tables[0].Name, tables[0].PrimaryKey = "people", []string{"number"}
	_, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: tables, Job: "third"})
	require.ErrorContains(t, err, "these columns of a primary key")
}

// TestKeyOptionsAreChecked before anything is opened.
func TestKeyOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, keys := range []core.KeyOptions{{TTL: -1}, {TTL: 2 * time.Hour}, {Max: -1}} {
		_, err := core.Open(t.Context(), core.Options{DSN: "postgres://nobody@localhost/nothing", Keys: keys})
		require.ErrorIs(t, err, core.ErrConfig)
		require.ErrorContains(t, err, "Options.Keys.")
	}
}

// TestRetireWaitsForOthers: programs that have not heard of a rotation may seal with the old key for as long as the TTL.
func TestRetireWaitsForOthers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	tenant := o.create(t, core.NewTenant{Slug: "acme"}).ID
	o.fill(t, tenant, 3)
	_, err := o.st.Keys.Rotate(t.Context(), tenant)
	require.NoError(t, err)
	_, err = o.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: o.people()})
	require.NoError(t, err)
	err = o.st.Keys.Retire(t.Context(), tenant, 1, o.people())
	require.ErrorIs(t, err, core.ErrKeyInUse)
	require.ErrorContains(t, err, "was current less than 5m0s ago")
}
