package core_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func version(t *testing.T, sealed []byte) uint32 {
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
	require.EqualValues(t, 1, version(t, one))

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
	require.EqualValues(t, 2, version(t, two))
	s.wantOpen(s.email, acme, two, "bob@example.org")
	require.EqualValues(t, 2, version(t, s.seal(s.email, acme, "y")), "it has met the new version")

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
