package passphrase_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/fieldcrypt/passphrase"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap are the lowest parameters.
func cheap() passphrase.Parameters {
	return passphrase.Parameters{Passes: 1, MemoryKiB: 19 << 10, Threads: 1}
}

const secret = "correct horse battery"

func TestLock(t *testing.T) {
	t.Parallel()
	key := fieldcrypt.NewKey()
	keyfile := []byte("# ours\n" + fieldcrypt.FormatKey(key) + "\n")
	want, err := fieldcrypt.ParseKeyfile(keyfile)
	require.NoError(t, err)
	for _, p := range []passphrase.Parameters{cheap(), {}} {
		locked, err := passphrase.Lock(keyfile, secret, p)
		require.NoError(t, err)
		require.False(t, bytes.Contains(locked, keyfile[8:40]))
		got, err := passphrase.Unlock(locked, secret)
		require.NoError(t, err)
		require.Equal(t, keyfile, got)
		file := filepath.Join(t.TempDir(), "keys")
		require.NoError(t, os.WriteFile(file, locked, 0o600))
		kek, err := passphrase.ReadKeyfile(file, secret)
		require.NoError(t, err)
		require.Equal(t, want.ID(), kek.ID())
		_, err = passphrase.ReadKeyfile(file, secret+".")
		require.ErrorIs(t, err, passphrase.ErrPassphrase)
	}
}

func TestUnlockRefuses(t *testing.T) {
	t.Parallel()
	locked, err := passphrase.Lock([]byte(fieldcrypt.FormatKey(fieldcrypt.NewKey())), secret, cheap())
	require.NoError(t, err)
	text := string(locked)
	changed := []byte(text)
	changed[len(changed)-10] ^= 1
	for name, bad := range map[string]string{
		"parameters changed": strings.Replace(text, "t=1", "t=2", 1), "cut": text[:len(text)-8], "changed": string(changed),
	} {
		_, err := passphrase.Unlock([]byte(bad), secret)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret)
	}
	_, err = passphrase.Unlock([]byte(strings.Replace(text, "t=1", "t=2", 1)), secret)
	require.ErrorIs(t, err, passphrase.ErrPassphrase)
	for name, bad := range map[string]string{
		"nothing": "", "a line": "stratum-keyfile-1", "memory": strings.Replace(text, "m=19456", "m=999999999", 1),
		"little memory": strings.Replace(text, "m=19456", "m=8", 1), "salt": strings.Replace(text, "p=1 ", "p=1 AA", 1),
		"no base64": text[:strings.Index(text, "\n")+1] + "***", "passes": strings.Replace(text, "t=1", "t=0", 1),
	} {
		_, err := passphrase.Unlock([]byte(bad), secret)
		require.ErrorIs(t, err, passphrase.ErrFormat, name)
	}
	_, err = passphrase.ReadKeyfile(filepath.Join(t.TempDir(), "none"), secret)
	require.ErrorIs(t, err, passphrase.ErrFormat)
}

func TestLockRefuses(t *testing.T) {
	t.Parallel()
	keyfile := []byte(fieldcrypt.FormatKey(fieldcrypt.NewKey()))
	_, err := passphrase.Lock(keyfile, "short", cheap())
	require.ErrorIs(t, err, passphrase.ErrWeak)
	_, err = passphrase.Lock(keyfile, secret, passphrase.Parameters{MemoryKiB: 1 << 10})
	require.ErrorIs(t, err, passphrase.ErrWeak)
	_, err = passphrase.Lock([]byte("no keyfile"), secret, cheap())
	require.ErrorIs(t, err, fieldcrypt.ErrKEK)
}

func FuzzUnlock(f *testing.F) {
	f.Add([]byte("stratum-keyfile-1 argon2id t=1 m=19456 p=1 AAAAAAAAAAAAAAAAAAAAAA\nAAAA\n"))
	f.Fuzz(func(t *testing.T, locked []byte) {
		if len(locked) > 200 || bytes.Contains(locked, []byte("m=")) {
			return // deriving a key is slow
		}
		_, err := passphrase.Unlock(locked, secret)
		require.Error(t, err)
	})
}
