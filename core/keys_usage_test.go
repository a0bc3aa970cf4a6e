package core_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func (s *safe) reserved(tenant uuid.UUID) (all []int64) {
	s.Helper()
	infos, err := s.st.Keys.List(s.ctx, tenant)
	require.NoError(s, err)
	for _, i := range infos {
		all = append(all, i.Uses)
	}
	return all
}

// TestUsesAreCounted in blocks that grow, and not again when keys are read anew.
func TestUsesAreCounted(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	sealed := s.seal(s.email, tenant, "ann")
	require.Equal(t, []int64{1 << 10}, s.reserved(tenant))
	reader := s.column(s.open(core.Options{KEK: s.kek}))
	s.wantOpen(reader, tenant, sealed, "ann")
	require.Equal(t, []int64{1 << 10}, s.reserved(tenant), "reading uses nothing")
	for range 1 << 10 {
		s.seal(s.email, tenant, "ann")
	}
	require.Equal(t, []int64{1<<10 + 1<<13}, s.reserved(tenant))
	unbounded, err := s.st.Keys.Column(fieldcrypt.ColumnOptions{Table: "log", Column: "line", Alg: fieldcrypt.XAES256GCM})
	require.NoError(t, err)
	other := s.tenant()
	s.seal(unbounded, other, "x")
	require.Equal(t, []int64{0}, s.reserved(other), "it has no bound")
}

// TestKeyRotatesByItself before it has sealed 2^31 values, in all programs.
func TestKeyRotatesByItself(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	first := s.seal(s.email, tenant, "ann")
	other := s.column(s.open(core.Options{KEK: s.kek}))
	s.wantOpen(other, tenant, first, "ann")
	s.exec(`UPDATE stratum.tenant_keys SET reserved = $1`, int64(1<<31-1<<27-1))
	s.seal(other, tenant, "bob") // reserves past where it is to rotate
	require.Len(t, s.reserved(tenant), 2)
	require.EqualValues(t, 2, sealedVersion(t, s.seal(other, tenant, "bob")))
	for range 1 << 10 {
		s.seal(s.email, tenant, "ann") // until its block ends
	}
	require.EqualValues(t, 2, sealedVersion(t, s.seal(s.email, tenant, "ann")))
	require.LessOrEqual(t, s.reserved(tenant)[0], int64(1<<31))
	s.wantOpen(other, tenant, first, "ann")
}

// TestKeyThatIsUsedUp seals nothing more, whatever a program believes.
func TestKeyThatIsUsedUp(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tenant := s.tenant()
	first := s.seal(s.email, tenant, "ann")
	other := s.column(s.open(core.Options{KEK: s.kek}))
	s.wantOpen(other, tenant, first, "ann")
	s.exec(`UPDATE stratum.tenant_keys SET reserved = $1`, int64(1<<31-100))
	require.EqualValues(t, 2, sealedVersion(t, s.seal(other, tenant, "bob")))
	require.Equal(t, int64(1<<31-100), s.reserved(tenant)[0])
	_, err := s.admin.Exec(s.ctx, `UPDATE stratum.tenant_keys SET reserved = $1`, int64(1<<31+1))
	require.Error(t, err, "the table has the bound, too")
}
