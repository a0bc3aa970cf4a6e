package fieldcrypt_test

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// fipsChild tells a child of the test to take the path of data.
const fipsChild = "STRATUM_TEST_FIPS"

// TestFIPS: what is done with data and keys is allowed where nothing but FIPS 140-3 is.
func TestFIPS(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", fipsChild+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "sealed, opened, indexed, wrapped\n", string(out))
}

// dataPath is run by a child, where a panic is what a forbidden algorithm ends in.
func dataPath() int {
	if err := takeDataPath(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("sealed, opened, indexed, wrapped")
	return 0
}

func takeDataPath() error {
	if !fips140.Enabled() {
		return errors.New("FIPS mode is off")
	}
	ctx, tenant := context.Background(), uuid.New()
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	if err != nil {
		return err
	}
	var keys []fieldcrypt.Key
	for _, kind := range []fieldcrypt.Kind{fieldcrypt.DataKey, fieldcrypt.IndexKey} {
		b := fieldcrypt.Binding{Tenant: tenant, Kind: kind, Version: 1}
		key, err := fieldcrypt.GenerateKey(b)
		if err != nil {
			return err
		}
		w, err := fieldcrypt.Wrap(ctx, kek, key)
		if err != nil {
			return err
		}
		if key, err = fieldcrypt.Unwrap(ctx, kek, w, b); err != nil {
			return err
		}
		keys = append(keys, key)
	}
	ring, err := fieldcrypt.NewRing(tenant, keys)
	if err != nil {
		return err
	}
	for _, alg := range []fieldcrypt.Alg{fieldcrypt.AES256GCM, fieldcrypt.XAES256GCM} {
		if err := takeColumn(ring, alg); err != nil {
			return err
		}
	}
	return nil
}

func takeColumn(ring *fieldcrypt.Ring, alg fieldcrypt.Alg) error {
	c, err := fieldcrypt.NewColumn(fieldcrypt.ColumnOptions{
		Table: "t", Column: "c", Alg: alg, PrimaryKey: true, Indexes: []fieldcrypt.IndexOptions{{Bits: 12}},
	})
	if err != nil {
		return err
	}
	encoded, _, err := fieldcrypt.Encode(nil, "value")
	if err != nil {
		return err
	}
	sealed, err := ring.Seal(c, nil, encoded, []byte("key"))
	if err != nil {
		return err
	}
	opened, err := ring.Open(c, nil, sealed, []byte("key"))
	if err != nil {
		return err
	}
	if !bytes.Equal(encoded, opened) {
		return errors.New("another value came back")
	}
	_, err = ring.Index(c.Index(""), nil, encoded)
	return err
}
