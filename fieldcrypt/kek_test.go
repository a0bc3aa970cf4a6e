package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func localKEK(tb testing.TB) fieldcrypt.KEK {
	tb.Helper()
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(tb, err)
	return kek
}

// plainKEK is a KMS without additional data, that wraps nothing.
type plainKEK struct{ err error }

func (plainKEK) ID() string { return "plain" }

func (k plainKEK) Wrap(_ context.Context, key, _ []byte) ([]byte, error) {
	return bytes.Clone(key), k.err
}

func (k plainKEK) Unwrap(_ context.Context, _ string, wrapped, _ []byte) ([]byte, error) {
	return bytes.Clone(wrapped), k.err
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for name, kek := range map[string]fieldcrypt.KEK{"local": localKEK(t), "without additional data": plainKEK{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, uuid.New(), fieldcrypt.DataKey, 7)
			w, err := fieldcrypt.Wrap(t.Context(), kek, key)
			require.NoError(t, err)
			require.Equal(t, kek.ID(), w.KEK)
			require.Len(t, w.Commitment, fieldcrypt.CommitmentSize)
			got, err := fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
			require.NoError(t, err)
			require.Equal(t, key, got)

			moved, later, index := key.Binding, key.Binding, key.Binding
			moved.Tenant, later.Version, index.Kind = uuid.New(), 8, fieldcrypt.IndexKey
			committed, cut := w, w
			committed.Commitment = bytes.Repeat([]byte{1}, 32)
			cut.Bytes = cut.Bytes[:20]
			for attack, try := range map[string]struct {
				w fieldcrypt.Wrapped
				b fieldcrypt.Binding
			}{
				"tenant": {w, moved}, "version": {w, later}, "kind": {w, index}, "commitment": {committed, key.Binding},
				"cut": {cut, key.Binding}, "no commitment": {fieldcrypt.Wrapped{KEK: w.KEK, Bytes: w.Bytes}, key.Binding},
			} {
				_, err := fieldcrypt.Unwrap(t.Context(), kek, try.w, try.b)
				require.ErrorIs(t, err, fieldcrypt.ErrUnwrap, attack)
			}
		})
	}
}

func TestLocalKEKBinds(t *testing.T) {
	t.Parallel()
	kek := localKEK(t)
	wrapped, err := kek.Wrap(t.Context(), []byte("key"), []byte("binding"))
	require.NoError(t, err)
	key, err := kek.Unwrap(t.Context(), kek.ID(), wrapped, []byte("binding"))
	require.NoError(t, err)
	require.Equal(t, "key", string(key))
	_, err = kek.Unwrap(t.Context(), kek.ID(), wrapped, []byte("another"))
	require.ErrorIs(t, err, fieldcrypt.ErrUnwrap)
	_, err = kek.Unwrap(t.Context(), kek.ID(), nil, []byte("binding"))
	require.ErrorIs(t, err, fieldcrypt.ErrUnwrap)
}

func TestWrapRefuses(t *testing.T) {
	t.Parallel()
	key := newKey(t, uuid.New(), fieldcrypt.DataKey, 1)
	short := key
	short.Secret = short.Secret[1:]
	_, err := fieldcrypt.Wrap(t.Context(), localKEK(t), short)
	require.ErrorIs(t, err, fieldcrypt.ErrKey)
	_, err = fieldcrypt.GenerateKey(fieldcrypt.Binding{})
	require.ErrorIs(t, err, fieldcrypt.ErrKey)
	_, err = fieldcrypt.Unwrap(t.Context(), localKEK(t), fieldcrypt.Wrapped{}, fieldcrypt.Binding{})
	require.ErrorIs(t, err, fieldcrypt.ErrKey)
	down := errors.New("the KMS is down")
	_, err = fieldcrypt.Wrap(t.Context(), plainKEK{down}, key)
	require.ErrorIs(t, err, down)
	_, err = fieldcrypt.Unwrap(t.Context(), plainKEK{down}, fieldcrypt.Wrapped{}, key.Binding)
	require.ErrorIs(t, err, down)
}

func TestKEKs(t *testing.T) {
	t.Parallel()
	older, newer := localKEK(t), localKEK(t)
	key := newKey(t, uuid.New(), fieldcrypt.DataKey, 1)
	old, err := fieldcrypt.Wrap(t.Context(), older, key)
	require.NoError(t, err)
	both, err := fieldcrypt.KEKs(newer, older)
	require.NoError(t, err)
	require.Equal(t, newer.ID(), both.ID())
	_, err = fieldcrypt.Unwrap(t.Context(), both, old, key.Binding)
	require.NoError(t, err)
	fresh, err := fieldcrypt.Wrap(t.Context(), both, key)
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), newer, fresh, key.Binding)
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), older, fresh, key.Binding)
	require.ErrorIs(t, err, fieldcrypt.ErrNoKEK)
	third, err := fieldcrypt.KEKs(localKEK(t), localKEK(t))
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), third, fresh, key.Binding)
	require.ErrorIs(t, err, fieldcrypt.ErrNoKEK)
	for _, bad := range [][]fieldcrypt.KEK{{older, older}, {older, nil}} {
		_, err = fieldcrypt.KEKs(bad[0], bad[1:]...)
		require.ErrorIs(t, err, fieldcrypt.ErrKEK)
	}
}

func TestLocalKEKRefuses(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{
		nil, fieldcrypt.NewKey()[1:], append(fieldcrypt.NewKey(), 1), make([]byte, 32), bytes.Repeat([]byte{7}, 32),
	} {
		_, err := fieldcrypt.LocalKEK(key)
		require.ErrorIs(t, err, fieldcrypt.ErrKEK)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	key := fieldcrypt.NewKey()
	got, err := fieldcrypt.ParseKey("  " + fieldcrypt.FormatKey(key) + "\n")
	require.NoError(t, err)
	require.Equal(t, key, got)
	require.NotEqual(t, key, fieldcrypt.NewKey())
	for _, text := range []string{
		"", "stratum-kek-1:", "stratum-kek-1:AAAA", "stratum-kek-1:***",
		strings.TrimPrefix(fieldcrypt.FormatKey(key), "stratum-kek-1:"),
	} {
		_, err := fieldcrypt.ParseKey(text)
		require.ErrorIs(t, err, fieldcrypt.ErrKEK, text)
	}
}

func TestKeyfile(t *testing.T) {
	t.Parallel()
	one, two := fieldcrypt.NewKey(), fieldcrypt.NewKey()
	text := "# the newest first\n\n" + fieldcrypt.FormatKey(two) + "\r\n" + fieldcrypt.FormatKey(one) + "\n"
	kek, err := fieldcrypt.ParseKeyfile([]byte(text))
	require.NoError(t, err)
	older, err := fieldcrypt.LocalKEK(one)
	require.NoError(t, err)
	newer, err := fieldcrypt.LocalKEK(two)
	require.NoError(t, err)
	require.Equal(t, newer.ID(), kek.ID())
	key := newKey(t, uuid.New(), fieldcrypt.IndexKey, 1)
	w, err := fieldcrypt.Wrap(t.Context(), older, key)
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	read, err := fieldcrypt.ReadKeyfile(file)
	require.NoError(t, err)
	require.Equal(t, newer.ID(), read.ID())
	_, err = fieldcrypt.ReadKeyfile(file + "x")
	require.ErrorIs(t, err, fieldcrypt.ErrKEK)
	require.ErrorIs(t, err, os.ErrNotExist)
	for want, text := range map[string]string{
		"no key": "# nothing\n", "line 2": "\nsecret\n", "there twice": text + fieldcrypt.FormatKey(one),
		"line 1": fieldcrypt.FormatKey(make([]byte, 32)),
	} {
		_, err := fieldcrypt.ParseKeyfile([]byte(text))
		require.ErrorIs(t, err, fieldcrypt.ErrKEK)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}
