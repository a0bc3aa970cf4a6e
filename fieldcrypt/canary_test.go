package fieldcrypt_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// canary is a value that must not be seen in any text.
const canary = "canary-4711"

// canaryKey is a key that must not be, in any form.
func canaryKey() []byte { return []byte("canary-key-of-thirty-two-bytes-!") }

// requireQuiet requires that no form of a canary is in a text.
func requireQuiet(t *testing.T, name, text string) {
	t.Helper()
	for _, secret := range [][]byte{[]byte(canary), canaryKey()} {
		for _, form := range []string{
			string(secret), hex.EncodeToString(secret), base64.RawStdEncoding.EncodeToString(secret),
			base64.RawURLEncoding.EncodeToString(secret), fmt.Sprint(secret),
		} {
			require.NotContains(t, text, form, name)
		}
	}
}

// telltale says its value in all its errors.
type telltale struct{}

func (telltale) Value() (driver.Value, error) { return nil, errors.New(canary) }
func (*telltale) Scan(v any) error            { return fmt.Errorf("%v", v) }

type jsonTelltale map[string]any

func (jsonTelltale) MarshalJSON() ([]byte, error) { return nil, errors.New(canary) }

// TestErrorsTellNothing of values and keys, on every path that ends in an error.
func TestErrorsTellNothing(t *testing.T) {
	t.Parallel()
	errs := map[string]error{}
	add := func(name string, err error) {
		require.Error(t, err, name)
		errs[name] = err
	}
	tenant, text := uuid.New(), encode(t, canary)
	key := fieldcrypt.Key{Binding: fieldcrypt.Binding{Tenant: tenant, Kind: fieldcrypt.DataKey, Version: 1}, Secret: canaryKey()}
	index := key
	index.Kind = fieldcrypt.IndexKey
	ring := ringOf(t, tenant, key, index)
	c := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{
		{Normalize: []fieldcrypt.Normalizer{fieldcrypt.Digits}}, {Name: "later", Epoch: 2},
	}})
	bound := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", PrimaryKey: true})
	sealed, err := ring.Seal(c, nil, text, nil)
	require.NoError(t, err)
	_, err = ring.Open(bound, nil, sealed, []byte(canary))
	add("another row", err)
	_, err = ring.Open(bound, nil, sealed, nil)
	add("without a key", err)
	_, err = ring.Seal(c, nil, text, []byte(canary))
	add("with a key", err)
	_, err = ring.Open(c, nil, []byte(canary), nil)
	add("plaintext", err)
	_, err = ring.Open(c, nil, append(sealed, canary...), nil)
	add("longer", err)
	_, err = ringOf(t, tenant).Seal(c, nil, text, nil)
	add("no key", err)
	_, err = ring.Index(c.Index("later"), nil, text)
	add("no index key", err)
	_, err = ring.Index(c.Index(""), nil, encode(t, []byte(canary)))
	add("no text", err)
	_, err = fieldcrypt.NewRing(tenant, []fieldcrypt.Key{key, key})
	add("two keys", err)
	for name, v := range map[string]any{
		"valuer": telltale{}, "json": jsonTelltale{}, "channel": make(chan int),
		"unsupported": map[string]any{canary: make(chan int)},
	} {
		_, _, err = fieldcrypt.Encode(nil, v)
		add("encode "+name, err)
	}
	for name, into := range map[string]any{
		"int": new(int), "scanner": new(telltale), "struct": new(struct{ A int }), "pointer": canary, "nil": nil,
	} {
		add("decode "+name, fieldcrypt.Decode(text, into))
	}
	for name, into := range map[string]any{"ints": new(map[string]int), "string": new(string), "time": new(struct{ A int })} {
		add("decode JSON "+name, fieldcrypt.Decode(encode(t, map[string]string{"A": canary}), into))
	}
	_, err = fieldcrypt.PrimaryKey(nil, struct{ A string }{canary})
	add("primary key", err)
	_, err = fieldcrypt.LocalKEK(canaryKey()[1:])
	add("short KEK", err)
	_, err = fieldcrypt.ParseKey(canary)
	add("no key text", err)
	_, err = fieldcrypt.ParseKey("stratum-kek-1:" + base64.RawURLEncoding.EncodeToString(canaryKey()[:31]))
	add("short key text", err)
	_, err = fieldcrypt.ParseKeyfile([]byte(fieldcrypt.FormatKey(canaryKey()) + "\n" + canary))
	add("keyfile", err)
	_, err = fieldcrypt.ParseKeyfile([]byte(fieldcrypt.FormatKey(canaryKey()) + "\n" + fieldcrypt.FormatKey(canaryKey())))
	add("keyfile twice", err)
	kek, err := fieldcrypt.LocalKEK(canaryKey())
	require.NoError(t, err)
	w, err := fieldcrypt.Wrap(context.WithoutCancel(t.Context()), kek, key)
	require.NoError(t, err)
	_, err = fieldcrypt.Unwrap(t.Context(), kek, w, index.Binding)
	add("unwrap", err)
	w.KEK = "gone"
	_, err = fieldcrypt.Unwrap(t.Context(), kek, w, key.Binding)
	add("no KEK", err)
	for name, err := range errs {
		for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
			requireQuiet(t, name, fmt.Sprintf(format, err))
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		requireQuiet(t, "key "+format, fmt.Sprintf(format, key))
		requireQuiet(t, "keys "+format, fmt.Sprintf(format, []fieldcrypt.Key{key}))
		requireQuiet(t, "pointer "+format, fmt.Sprintf(format, &key))
		requireQuiet(t, "ring "+format, fmt.Sprintf(format, ring))
		requireQuiet(t, "KEK "+format, fmt.Sprintf(format, kek))
	}
	both, err := fieldcrypt.KEKs(localKEK(t), kek)
	require.NoError(t, err)
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("x", "key", key, "pointer", &key, "ring", ring, "kek", kek, "both", both, "column", c)
	}
	requireQuiet(t, "log", log.String())
	require.Contains(t, log.String(), "data key 1 of")
	require.Equal(t, kek.ID(), fmt.Sprintf("%x", kek))
	requireQuiet(t, "ID", kek.ID()+string(w.Commitment)+string(w.Bytes))
}
