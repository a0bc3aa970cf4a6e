package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func sealedVersion(t *testing.T, sealed []byte) uint32 {
	t.Helper()
	h, err := fieldcrypt.ParseHeader(sealed)
	require.NoError(t, err)
	return h.Version
}

func TestKeysOfTwoPrograms(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	acme, globex := s.tenant(), s.tenant()
	one := s.seal(s.email, acme, "ann@example.org")
	s.wantOpen(s.email, acme, one, "ann@example.org")
	require.EqualValues(t, 1, sealedVersion(t, one))

	_, err := s.tryOpen(s.email, globex, one)
	require.ErrorIs(t, err, core.ErrDecrypt)
	s.seal(s.email, globex, "x")
	_, err = s.tryOpen(s.email, globex, one)
	require.ErrorIs(t, err, core.ErrDecrypt)

	other := s.open(core.Options{KEK: s.kek.KEK})
	v, err := other.Keys.Rotate(s.ctx, acme)
	require.NoError(t, err)
	require.EqualValues(t, 2, v)
	two := s.seal(s.column(other), acme, "bob@example.org")
	require.EqualValues(t, 2, sealedVersion(t, two))
	s.wantOpen(s.email, acme, two, "bob@example.org")
	require.EqualValues(t, 2, sealedVersion(t, s.seal(s.email, acme, "y")), "it has met the new version")

	_, err = s.email.Seal(core.WithTenant(s.ctx, uuid.New()), acme, nil, []byte("x"), nil)
	require.ErrorIs(t, err, core.ErrTenantMismatch)
	_, err = s.email.Seal(s.ctx, acme, nil, []byte("x"), nil)
	require.ErrorIs(t, err, core.ErrNoTenant)
	unknown := uuid.New()
	_, err = s.email.Seal(core.WithTenant(s.ctx, unknown), unknown, nil, []byte("x"), nil)
	require.ErrorIs(t, err, core.ErrTenantNotFound)

	report, err := s.st.Keys.Shred(s.ctx, acme, core.ShredOptions{DryRun: true})
	require.NoError(t, err)
	require.Len(t, report.Keys, 2)
	require.Equal(t, []string{s.kek.ID()}, report.KEKs)
	s.wantOpen(s.email, acme, two, "bob@example.org")
	_, err = s.st.Keys.Shred(s.ctx, acme, core.ShredOptions{})
	require.NoError(t, err)
	_, err = s.tryOpen(s.email, acme, two)
	require.ErrorIs(t, err, core.ErrShredded)
	_, err = s.email.Seal(core.WithTenant(s.ctx, acme), acme, nil, []byte("x"), nil)
	require.ErrorIs(t, err, core.ErrShredded)
	_, err = s.st.Keys.Rotate(s.ctx, acme)
	require.ErrorIs(t, err, core.ErrShredded)
}

// kekCalls returns how often the KEK is called by fn.
func (s *safe) kekCalls(fn func()) int64 {
	s.Helper()
	before := s.kek.calls.Load()
	fn()
	return s.kek.calls.Load() - before
}

// TestWarmPath asks neither the KEK nor the registry, until the TTL ends.
func TestWarmPath(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	sealed := s.seal(s.email, tenant, "ann")
	require.Eventually(t, func() bool {
		return s.kekCalls(func() {
			for range 500 {
				s.wantOpen(s.email, tenant, s.seal(s.email, tenant, "ann"), "ann")
			}
		}) == 0
	}, time.Minute, time.Millisecond, "once it has heard of the key that it has made itself")

	short := s.open(core.Options{KEK: s.kek, Keys: core.KeyOptions{TTL: time.Second}})
	column := s.column(short)
	begun := time.Now()
	s.wantOpen(column, tenant, sealed, "ann")
	down := errors.New("the KMS is down")
	s.kek.fail(down)
	s.exec(`ALTER TABLE stratum.tenant_keys RENAME TO gone`)
	s.wantOpen(s.email, tenant, s.seal(s.email, tenant, "ann"), "ann")
	require.Eventually(t, func() bool {
		_, err := s.tryOpen(column, tenant, sealed)
		return err != nil
	}, time.Minute, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(begun), time.Second-50*time.Millisecond)
	_, err := s.tryOpen(column, tenant, sealed)
	var refused *core.DatabaseError
	require.ErrorAs(t, err, &refused)
	s.exec(`ALTER TABLE stratum.gone RENAME TO tenant_keys`)
	_, err = s.tryOpen(column, tenant, sealed)
	require.ErrorIs(t, err, down)
	s.kek.fail(nil)
	s.wantOpen(column, tenant, sealed, "ann")
}

// TestShredReachesOthers within the TTL.
func TestShredReachesOthers(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	const ttl = 700 * time.Millisecond
	other := s.column(s.open(core.Options{KEK: s.kek, Keys: core.KeyOptions{TTL: ttl}}))
	acme, globex := s.tenant(), s.tenant()
	sealed, others := s.seal(s.email, acme, "ann"), s.seal(s.email, globex, "bob")
	s.wantOpen(other, acme, sealed, "ann")
	report, err := s.st.Keys.Shred(s.ctx, acme, core.ShredOptions{})
	require.NoError(t, err)
	require.Len(t, report.Keys, 1)
	shredded := time.Now()
	_, err = s.tryOpen(s.email, acme, sealed)
	require.ErrorIs(t, err, core.ErrShredded, "here at once")
	require.Eventually(t, func() bool {
		_, err := s.tryOpen(other, acme, sealed)
		return errors.Is(err, core.ErrShredded)
	}, time.Minute, time.Millisecond)
	require.Less(t, time.Since(shredded), ttl+500*time.Millisecond)
	s.wantOpen(other, globex, others, "bob")

	_, err = other.Index(core.WithTenant(s.ctx, acme), acme, other.Column().Index(""), nil, []byte("\x01x"))
	require.ErrorIs(t, err, core.ErrShredded)
	report, err = s.st.Keys.Shred(s.ctx, acme, core.ShredOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Keys)
	fresh := s.tenant()
	_, err = s.st.Keys.Shred(s.ctx, fresh, core.ShredOptions{})
	require.NoError(t, err)
	_, err = s.email.Seal(core.WithTenant(s.ctx, fresh), fresh, nil, []byte("x"), nil)
	require.ErrorIs(t, err, core.ErrShredded, "no key is made for it any more")
	_, err = s.st.Keys.Shred(s.ctx, uuid.New(), core.ShredOptions{})
	require.ErrorIs(t, err, core.ErrTenantNotFound)
	infos, err := s.st.Keys.List(s.ctx, acme)
	require.NoError(t, err)
	require.Equal(t, core.KeyShredded, infos[0].State)
	require.Zero(t, ask[int](t, s.db.AdminDSN, `SELECT count(*) FROM stratum.tenant_keys
		WHERE tenant_id = ANY ($1) AND wrapped IS NOT NULL`, []uuid.UUID{acme, fresh}))
}

// TestDestroyedStaysDestroyed, whoever writes.
func TestDestroyedStaysDestroyed(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	s.seal(s.email, tenant, "ann")
	wrapped := ask[[]byte](t, s.db.AdminDSN, `SELECT wrapped FROM stratum.tenant_keys WHERE tenant_id = $1`, tenant)
	_, err := s.st.Keys.Shred(s.ctx, tenant, core.ShredOptions{})
	require.NoError(t, err)
	for _, statement := range []string{
		`UPDATE stratum.tenant_keys SET wrapped = $1, destroyed_at = NULL, shredded = false`,
		`UPDATE stratum.tenant_keys SET wrapped = $1, destroyed_at = NULL`,
		`UPDATE stratum.tenant_keys SET shredded = false WHERE $1::bytea IS NOT NULL`,
	} {
		_, err = s.admin.Exec(s.ctx, statement, wrapped)
		require.Error(t, err, statement)
	}
}

// TestKeysAreTheSystems: no statement of a tenant reads or writes them.
func TestKeysAreTheSystems(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	s.seal(s.email, tenant, "ann")
	for _, ctx := range []context.Context{core.WithTenant(s.ctx, tenant), core.WithSubtree(s.ctx, tenant)} {
		for _, statement := range []string{
			`SELECT wrapped FROM stratum.tenant_keys`, `UPDATE stratum.tenant_keys SET wrapped = NULL`,
			`DELETE FROM stratum.tenant_keys`, `SELECT * FROM stratum.key_jobs`,
		} {
			_, err := s.st.DB().ExecContext(ctx, statement)
			require.ErrorIs(t, err, core.ErrPermission, statement)
		}
	}
	_, err := s.st.DB().ExecContext(core.AsSystem(s.ctx, "a test"), `DELETE FROM stratum.tenant_keys`)
	require.ErrorIs(t, err, core.ErrPermission, "a row says that there was a key")
}

// TestKeysWithATenantsCtx: a tenant may see and rotate its own and those beneath, and nothing else.
func TestKeysWithATenantsCtx(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	acme, globex := s.tenant(), s.tenant()
	shop, err := s.st.Tenants.Create(s.ctx, core.NewTenant{Name: "Shop", Slug: "shop", Parent: acme})
	require.NoError(t, err)
	sealed := s.seal(s.email, shop.ID, "ann")
	ctx := core.WithTenant(s.ctx, acme)
	for _, own := range []uuid.UUID{acme, shop.ID} {
		_, err = s.st.Keys.Rotate(ctx, own)
		require.NoError(t, err)
		_, err = s.st.Keys.List(ctx, own)
		require.NoError(t, err)
	}
	_, err = s.st.Keys.Rotate(ctx, globex)
	require.ErrorIs(t, err, core.ErrTenantNotFound)
	_, err = s.st.Keys.List(ctx, globex)
	require.ErrorIs(t, err, core.ErrTenantNotFound)
	_, err = s.st.Keys.Shred(ctx, acme, core.ShredOptions{})
	require.ErrorIs(t, err, core.ErrKeyScope)
	_, err = s.st.Keys.RewrapKEK(ctx, core.RewrapOptions{})
	require.ErrorIs(t, err, core.ErrKeyScope)
	tables := []core.EncryptedTable{{Name: "people", Columns: []core.EncryptedColumn{{Name: "email", Sealed: s.email}}}}
	_, err = s.st.Keys.Reencrypt(ctx, core.ReencryptOptions{Tables: tables})
	require.ErrorIs(t, err, core.ErrKeyScope)
	_, err = s.st.Keys.Uses(ctx, acme, 1, tables)
	require.ErrorIs(t, err, core.ErrKeyScope)
	require.ErrorIs(t, s.st.Keys.RetireIndex(ctx, acme, 7), core.ErrKeyScope)

	_, err = s.email.Open(core.WithSubtree(s.ctx, acme), shop.ID, nil, sealed, nil)
	require.NoError(t, err, "reads of a subtree")
	_, err = s.email.Seal(core.WithSubtree(s.ctx, acme), shop.ID, nil, []byte("x"), nil)
	require.ErrorIs(t, err, core.ErrTenantMismatch, "writes are the tenant's own")
	_, err = s.email.Open(core.AsSystem(s.ctx, "a test"), shop.ID, nil, sealed, nil)
	require.NoError(t, err)
	_, err = s.email.Open(core.AsSystem(s.ctx, ""), shop.ID, nil, sealed, nil)
	require.ErrorIs(t, err, core.ErrNoReason)
}

// TestFirstKeyIsOne however many programs need it at once.
func TestFirstKeyIsOne(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	columns := []*core.SealedColumn{s.email, s.column(s.open(core.Options{KEK: s.kek})), s.column(s.open(core.Options{KEK: s.kek}))}
	var all sync.WaitGroup
	values := make([][]byte, 24)
	indexes := make([][]byte, len(values))
	for i := range values {
		all.Go(func() {
			c, ctx := columns[i%3], core.WithTenant(s.ctx, tenant)
			var err error
			if values[i], err = c.Seal(ctx, tenant, nil, []byte("\x01ann"), nil); err != nil {
				t.Error(err)
			}
			if indexes[i], err = c.Index(ctx, tenant, c.Column().Index(""), nil, []byte("\x01ann")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range values {
		s.wantOpen(columns[(i+1)%3], tenant, values[i], "ann")
		require.Equal(t, indexes[0], indexes[i])
	}
	require.Equal(t, 2, ask[int](t, s.db.AdminDSN, `SELECT count(*) FROM stratum.tenant_keys`))
}

// TestKeysAreBoundToTheirTenant in the registry, too.
func TestKeysAreBoundToTheirTenant(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	acme, globex := s.tenant(), s.tenant()
	s.seal(s.email, acme, "ann")
	sealed := s.seal(s.email, globex, "bob")
	s.exec(`UPDATE stratum.tenant_keys k SET wrapped = o.wrapped, commitment = o.commitment
		FROM stratum.tenant_keys o WHERE k.tenant_id = $1 AND o.tenant_id = $2`, globex, acme)
	fresh := s.column(s.open(core.Options{KEK: s.kek}))
	_, err := s.tryOpen(fresh, globex, sealed)
	require.ErrorIs(t, err, fieldcrypt.ErrUnwrap)
}

func TestWithoutAKEK(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	sealed := s.seal(s.email, tenant, "ann")
	none := s.open(core.Options{})
	_, err := none.Keys.Column(emails())
	require.ErrorIs(t, err, core.ErrNoKEK)
	require.ErrorContains(t, err, "Options.KEK is not set")
	_, err = none.Keys.Rotate(s.ctx, tenant)
	require.ErrorIs(t, err, core.ErrNoKEK)
	_, err = none.Keys.RewrapKEK(s.ctx, core.RewrapOptions{})
	require.ErrorIs(t, err, core.ErrNoKEK)
	_, err = none.Keys.List(s.ctx, tenant)
	require.NoError(t, err)
	_, err = s.tryOpen(s.column(s.open(core.Options{KEK: newLocalKEK(t)})), tenant, sealed)
	require.ErrorIs(t, err, core.ErrNoKEK, "another KEK")
	_, err = s.st.Keys.Column(fieldcrypt.ColumnOptions{Table: "t"})
	require.ErrorIs(t, err, fieldcrypt.ErrColumn)
}

// TestOpener opens what Open does, also what was sealed with a newer key.
func TestOpener(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	ctx := core.WithTenant(s.ctx, tenant)
	one := s.seal(s.email, tenant, "ann")
	reader := s.column(s.open(core.Options{KEK: s.kek}))
	o, err := reader.Opener(ctx, tenant)
	require.NoError(t, err)
	_, err = s.st.Keys.Rotate(s.ctx, tenant)
	require.NoError(t, err)
	for _, sealed := range [][]byte{one, s.seal(s.email, tenant, "ann")} {
		opened, err := o.Open(ctx, nil, sealed, nil)
		require.NoError(t, err)
		require.Equal(t, "\x01ann", string(opened))
	}
	one[len(one)-1] ^= 1
	_, err = o.Open(ctx, nil, one, nil)
	require.ErrorIs(t, err, core.ErrDecrypt)
	_, err = o.Open(ctx, nil, nil, nil)
	require.ErrorIs(t, err, core.ErrDecrypt)
	_, err = reader.Opener(s.ctx, tenant)
	require.ErrorIs(t, err, core.ErrNoTenant)
	_, err = s.st.Keys.Shred(s.ctx, tenant, core.ShredOptions{})
	require.NoError(t, err)
	_, err = s.email.Opener(ctx, tenant)
	require.ErrorIs(t, err, core.ErrShredded)
}

// TestOthersHearOfKeys long before their TTL ends.
func TestOthersHearOfKeys(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	other := s.column(s.open(core.Options{KEK: s.kek, Keys: core.KeyOptions{TTL: time.Hour}}))
	tenant := s.tenant()
	sealed := s.seal(s.email, tenant, "ann")
	require.Eventually(t, func() bool {
		s.wantOpen(other, tenant, sealed, "ann") // whoever has not listened yet does not hear the first one
		_, err := s.st.Keys.Rotate(s.ctx, tenant)
		require.NoError(t, err)
		newest := sealedVersion(t, s.seal(s.email, tenant, "ann"))
		for range 100 {
			if sealedVersion(t, s.seal(other, tenant, "ann")) == newest {
				return true
			}
		}
		return false
	}, time.Minute, 10*time.Millisecond)
	_, err := s.st.Keys.Shred(s.ctx, tenant, core.ShredOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := s.tryOpen(other, tenant, sealed)
		return errors.Is(err, core.ErrShredded)
	}, time.Minute, time.Millisecond)
}
