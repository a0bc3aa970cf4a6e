package kms_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stretchr/testify/require"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"
	_ "gocloud.dev/secrets/azurekeyvault"
	_ "gocloud.dev/secrets/gcpkms"
	_ "gocloud.dev/secrets/hashivault"
	"gocloud.dev/secrets/localsecrets"

	"github.com/stratum-hq/stratum-go/contrib/kms"
)

func newKEK(t *testing.T, id string) *kms.KEK {
	t.Helper()
	key, err := localsecrets.NewRandomKey()
	require.NoError(t, err)
	kek, err := kms.New(id, localsecrets.NewKeeper(key))
	require.NoError(t, err)
	t.Cleanup(func() { _ = kek.Close() }) // a test may have done so
	return kek
}

func newKey(t *testing.T) fieldcrypt.Key {
	t.Helper()
	key, err := fieldcrypt.GenerateKey(fieldcrypt.Binding{Tenant: uuid.New(), Kind: fieldcrypt.DataKey, Version: 3})
	require.NoError(t, err)
	return key
}

// TestKeeper wraps with a real keeper, which has no additional data: what a key is for is bound all the same.
func TestKeeper(t *testing.T) {
	t.Parallel()
	kek := newKEK(t, "2026-01")
	require.Equal(t, "kms:2026-01", kek.ID())
	key := newKey(t)
	w, err := fieldcrypt.Wrap(t.Context(), kek, key)
	require.NoError(t, err)
	require.NotContains(t, string(w.Bytes), string(key.Secret))
	got, err := fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
	require.NoError(t, err)
	require.Equal(t, key, got)

	moved, later, index := key.Binding, key.Binding, key.Binding
	moved.Tenant, later.Version, index.Kind = uuid.New(), 4, fieldcrypt.IndexKey
	for name, b := range map[string]fieldcrypt.Binding{"tenant": moved, "version": later, "kind": index} {
		_, err = fieldcrypt.Unwrap(t.Context(), kek, w, b)
		require.ErrorIs(t, err, fieldcrypt.ErrUnwrap, name)
	}
	w.Bytes[len(w.Bytes)-1] ^= 1
	_, err = fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
	require.Error(t, err)
	require.NotContains(t, err.Error(), string(key.Secret))
}

// TestTwoKeys is how one key follows another.
func TestTwoKeys(t *testing.T) {
	t.Parallel()
	older, newer := newKEK(t, "2026-01"), newKEK(t, "2026-02")
	key := newKey(t)
	old, err := fieldcrypt.Wrap(t.Context(), older, key)
	require.NoError(t, err)
	both, err := fieldcrypt.KEKs(newer, older)
	require.NoError(t, err)
	got, err := fieldcrypt.Unwrap(t.Context(), both, old, key.Binding)
	require.NoError(t, err)
	fresh, err := fieldcrypt.Wrap(t.Context(), both, got)
	require.NoError(t, err)
	require.Equal(t, newer.ID(), fresh.KEK)
	_, err = fieldcrypt.Unwrap(t.Context(), newer, fresh, key.Binding)
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), newer, old, key.Binding)
	require.ErrorIs(t, err, fieldcrypt.ErrNoKEK)
}

// TestDrivers: those of the four services are compiled with the version of gocloud.dev that is required here.
func TestDrivers(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"awskms", "gcpkms", "azurekeyvault", "hashivault", "base64key"} {
		require.True(t, secrets.DefaultURLMux().ValidKeeperScheme(scheme), scheme)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	const secret = "smGbjm71Nxd1Ig5FS0wj9SlbzAIrnolCz9bQQ6uAhl4="
	kek, err := kms.Open(t.Context(), "local", "base64key://"+strings.ReplaceAll(strings.ReplaceAll(secret, "+", "-"), "/", "_"))
	require.NoError(t, err)
	defer func() { require.NoError(t, kek.Close()) }()
	key := newKey(t)
	w, err := fieldcrypt.Wrap(t.Context(), kek, key)
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
	require.NoError(t, err)

	for _, url := range []string{"nokms://" + secret, "base64key://" + secret[:8], ":" + secret} {
		_, err = kms.Open(t.Context(), "local", url)
		require.ErrorIs(t, err, kms.ErrKeeper)
		require.NotContains(t, err.Error(), secret[:8])
	}
	_, err = kms.Open(t.Context(), "", "base64key://")
	require.ErrorIs(t, err, kms.ErrKeeper)
	_, err = kms.New("id", nil)
	require.ErrorIs(t, err, kms.ErrKeeper)
	_, err = kms.New(strings.Repeat("x", 201), nil)
	require.ErrorIs(t, err, kms.ErrKeeper)
}

// TestServiceIsDown: that is told apart from a key that is wrong.
func TestServiceIsDown(t *testing.T) {
	t.Parallel()
	kek := newKEK(t, "2026-01")
	key := newKey(t)
	w, err := fieldcrypt.Wrap(t.Context(), kek, key)
	require.NoError(t, err)
	require.NoError(t, kek.Close())
	_, err = fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
	require.Error(t, err)
	require.NotErrorIs(t, err, fieldcrypt.ErrUnwrap)
	_, err = fieldcrypt.Wrap(t.Context(), kek, key)
	require.Error(t, err)
}
