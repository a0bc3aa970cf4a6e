package fieldcrypt_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

func column(tb testing.TB, o fieldcrypt.ColumnOptions) *fieldcrypt.Column {
	tb.Helper()
	c, err := fieldcrypt.NewColumn(o)
	require.NoError(tb, err)
	return c
}

// newRing is a ring of random keys: data keys up to a version, and one index key.
func newRing(tb testing.TB, tenant uuid.UUID, versions ...uint32) *fieldcrypt.Ring {
	tb.Helper()
	var keys []fieldcrypt.Key
	for _, v := range versions {
		keys = append(keys, newKey(tb, tenant, fieldcrypt.DataKey, v))
	}
	return ringOf(tb, tenant, append(keys, newKey(tb, tenant, fieldcrypt.IndexKey, 1))...)
}

func newKey(tb testing.TB, tenant uuid.UUID, kind fieldcrypt.Kind, version uint32) fieldcrypt.Key {
	tb.Helper()
	key, err := fieldcrypt.GenerateKey(fieldcrypt.Binding{Tenant: tenant, Kind: kind, Version: version})
	require.NoError(tb, err)
	return key
}

func ringOf(tb testing.TB, tenant uuid.UUID, keys ...fieldcrypt.Key) *fieldcrypt.Ring {
	tb.Helper()
	ring, err := fieldcrypt.NewRing(tenant, keys)
	require.NoError(tb, err)
	return ring
}

func both() []fieldcrypt.Alg { return []fieldcrypt.Alg{fieldcrypt.AES256GCM, fieldcrypt.XAES256GCM} }

func TestSealOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		ring := newRing(t, uuid.New(), 3, 1, 2)
		c := column(t, fieldcrypt.ColumnOptions{
			Table: rapid.StringN(1, 10, 60).Draw(r, "table"), Column: rapid.StringN(1, 10, 60).Draw(r, "column"),
			Alg: rapid.SampledFrom(both()).Draw(r, "alg"), PrimaryKey: rapid.Bool().Draw(r, "bound"),
		})
		var key []byte
		if c.PrimaryKey() {
			key = rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(r, "key")
		}
		plaintext := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "plaintext")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(r, "prefix")
		sealed, err := ring.Seal(c, bytes.Clone(prefix), plaintext, key)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(sealed, prefix))
		sealed = sealed[len(prefix):]
		h, err := fieldcrypt.ParseHeader(sealed)
		require.NoError(t, err)
		require.Equal(t, fieldcrypt.Header{Alg: c.Alg(), Version: 3}, h)
		opened, err := ring.Open(c, bytes.Clone(prefix), sealed, key)
		require.NoError(t, err)
		require.Equal(t, append(bytes.Clone(prefix), plaintext...), opened)
	})
}

// TestAttacks: a value that was moved, cut or changed is not opened.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, alg := range both() {
		t.Run(alg.String(), func(t *testing.T) {
			t.Parallel()
			acme, globex := uuid.New(), uuid.New()
			shared := newKey(t, acme, fieldcrypt.DataKey, 1)
			ring := ringOf(t, acme, shared, newKey(t, acme, fieldcrypt.DataKey, 2))
			stolen := shared // the same secret, as if it were another tenant's or version's
			stolen.Tenant = globex
			later := shared
			later.Version = 2
			o := fieldcrypt.ColumnOptions{Table: "people", Column: "email", Alg: alg, PrimaryKey: true}
			c := column(t, o)
			sealed, err := ringOf(t, acme, shared).Seal(c, nil, []byte("ann@example.org"), []byte("1"))
			require.NoError(t, err)
			with := func(change func(o *fieldcrypt.ColumnOptions)) *fieldcrypt.Column {
				other := o
				change(&other)
				return column(t, other)
			}
			refused := func(name string, ring *fieldcrypt.Ring, c *fieldcrypt.Column, sealed, key []byte) {
				t.Helper()
				opened, err := ring.Open(c, nil, sealed, key)
				require.ErrorIs(t, err, fieldcrypt.ErrDecrypt, name)
				require.Nil(t, opened, name)
			}
			_, err = ring.Open(c, nil, sealed, []byte("1"))
			require.NoError(t, err)
			refused("row", ring, c, sealed, []byte("2"))
			refused("column", ring, with(func(o *fieldcrypt.ColumnOptions) { o.Column = "mail" }), sealed, []byte("1"))
			refused("table", ring, with(func(o *fieldcrypt.ColumnOptions) { o.Table = "persons" }), sealed, []byte("1"))
			refused("labels of the same bytes", ring, with(func(o *fieldcrypt.ColumnOptions) {
				o.Table, o.Column = "peoplee", "mail"
			}), sealed, []byte("1"))
			refused("not bound", ring, with(func(o *fieldcrypt.ColumnOptions) { o.PrimaryKey = false }), sealed, nil)
			refused("tenant", ringOf(t, globex, stolen), c, sealed, []byte("1"))
			refused("another key", newRing(t, acme, 1), c, sealed, []byte("1"))
			refused("no such version", newRing(t, acme, 7), c, sealed, []byte("1"))
			replayed := bytes.Clone(sealed)
			replayed[4] = 2
			refused("version", ringOf(t, acme, later), c, replayed, []byte("1"))
			for i := range sealed {
				refused("cut", ring, c, sealed[:i], []byte("1"))
				refused("without its beginning", ring, c, sealed[i+1:], []byte("1"))
				for bit := range 8 {
					flipped := bytes.Clone(sealed)
					flipped[i] ^= 1 << bit
					refused(fmt.Sprint("bit ", bit, " of byte ", i), ring, c, flipped, []byte("1"))
				}
			}
			refused("longer", ring, c, append(bytes.Clone(sealed), 0), []byte("1"))
			refused("nothing", ring, c, nil, []byte("1"))
			refused("plaintext", ring, c, []byte("ann@example.org, who has a long address"), []byte("1"))
		})
	}
}

func TestPrimaryKeyMustFit(t *testing.T) {
	t.Parallel()
	ring := newRing(t, uuid.New(), 1)
	bound := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", PrimaryKey: true})
	free := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c"})
	sealed, err := ring.Seal(bound, nil, []byte("x"), []byte("1"))
	require.NoError(t, err)
	for name, key := range map[string][]byte{"missing": nil, "too long": make([]byte, 1<<16)} {
		_, err = ring.Seal(bound, nil, []byte("x"), key)
		require.ErrorIs(t, err, fieldcrypt.ErrColumn, name)
		_, err = ring.Open(bound, nil, sealed, key)
		require.ErrorIs(t, err, fieldcrypt.ErrColumn, name)
	}
	_, err = ring.Seal(free, nil, []byte("x"), []byte("1"))
	require.ErrorIs(t, err, fieldcrypt.ErrColumn)
}

func TestBothAlgorithmsOpen(t *testing.T) {
	t.Parallel()
	ring := newRing(t, uuid.New(), 1)
	for _, sealing := range both() {
		for _, opening := range both() {
			sealed, err := ring.Seal(column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Alg: sealing}), nil,
				[]byte("text"), nil)
			require.NoError(t, err)
			opened, err := ring.Open(column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Alg: opening}), nil,
				sealed, nil)
			require.NoError(t, err)
			require.Equal(t, "text", string(opened))
		}
	}
}

func TestRingRefuses(t *testing.T) {
	t.Parallel()
	tenant := uuid.New()
	data, index := newKey(t, tenant, fieldcrypt.DataKey, 1), newKey(t, tenant, fieldcrypt.IndexKey, 1)
	short, zero, nobodys, odd := data, data, data, data
	short.Secret, zero.Version, nobodys.Tenant, odd.Kind = short.Secret[1:], 0, uuid.Nil, 3
	for name, keys := range map[string][]fieldcrypt.Key{
		"twice": {data, data}, "index twice": {index, index}, "short": {short}, "version": {zero}, "nobody": {nobodys},
		"another tenant's": {newKey(t, uuid.New(), fieldcrypt.DataKey, 1)}, "kind": {odd},
	} {
		_, err := fieldcrypt.NewRing(tenant, keys)
		require.ErrorIs(t, err, fieldcrypt.ErrKey, name)
	}
	empty := ringOf(t, tenant)
	c := column(t, fieldcrypt.ColumnOptions{Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{}}})
	_, err := empty.Seal(c, nil, []byte("x"), nil)
	require.ErrorIs(t, err, fieldcrypt.ErrKey)
	_, err = empty.Index(c.Index(""), nil, []byte("\x01x"))
	require.ErrorIs(t, err, fieldcrypt.ErrNoIndexKey)
	require.Zero(t, empty.Current())
	ring := ringOf(t, tenant, data, index)
	require.True(t, ring.Has(fieldcrypt.DataKey, 1) && ring.Has(fieldcrypt.IndexKey, 1))
	require.False(t, ring.Has(fieldcrypt.DataKey, 2) || ring.Has(fieldcrypt.IndexKey, 2))
	require.Equal(t, tenant, ring.Tenant())
}

func TestColumnRefuses(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 256))
	for name, o := range map[string]fieldcrypt.ColumnOptions{
		"no table": {Column: "c"}, "no column": {Table: "t"}, "long": {Table: long, Column: "c"},
		"algorithm": {Table: "t", Column: "c", Alg: 9},
		"bits":      {Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{Bits: 257}}},
		"negative":  {Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{Bits: -1}}},
		"name":      {Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{Name: long}}},
		"twice":     {Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{}, {}}},
		"normalizer": {Table: "t", Column: "c", Indexes: []fieldcrypt.IndexOptions{{
			Normalize: []fieldcrypt.Normalizer{"upper"},
		}}},
	} {
		_, err := fieldcrypt.NewColumn(o)
		require.ErrorIs(t, err, fieldcrypt.ErrColumn, name)
	}
}

// TestNoAllocations with room in the buffer.
func TestNoAllocations(t *testing.T) { //nolint:paralleltest // it counts allocations of the process
	ring := newRing(t, uuid.New(), 1)
	plaintext, _, err := fieldcrypt.Encode(nil, "ann@example.org")
	require.NoError(t, err)
	pooled := 0.0
	if raced {
		pooled = 5
	}
	for _, bound := range []bool{false, true} {
		var key []byte
		if bound {
			key = []byte("4711")
		}
		c := column(t, fieldcrypt.ColumnOptions{
			Table: "people", Column: "email", PrimaryKey: bound, Indexes: []fieldcrypt.IndexOptions{{}},
		})
		sealed, err := ring.Seal(c, nil, plaintext, key)
		require.NoError(t, err)
		buffer := make([]byte, 0, 1024)
		for name, run := range map[string]func(){
			"seal":  func() { _, _ = ring.Seal(c, buffer, plaintext, key) },
			"open":  func() { _, _ = ring.Open(c, buffer, sealed, key) },
			"index": func() { _, _ = ring.Index(c.Index(""), buffer, plaintext) },
		} {
			require.LessOrEqual(t, testing.AllocsPerRun(100, run), pooled, name)
		}
	}
}
