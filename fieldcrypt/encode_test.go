package fieldcrypt_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

type (
	text    string
	number  int16
	address struct {
		City string         `json:"city"`
		Tags map[string]any `json:"tags,omitempty"`
	}
)

// roundTrip requires that a value comes back as it was.
func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	var got T
	require.NoError(t, fieldcrypt.Decode(encode(t, v), &got))
	require.Equal(t, v, got)
	var pointer *T
	require.NoError(t, fieldcrypt.Decode(encode(t, &v), &pointer))
	require.Equal(t, v, *pointer)
	if _, interfaced := any(v).(error); !interfaced {
		require.Equal(t, encode(t, v), encode(t, &v))
	}
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", -3600*5)
	roundTrip(t, "")
	roundTrip(t, "ann")
	roundTrip(t, text("ann"))
	roundTrip(t, []byte{})
	roundTrip(t, []byte{0, 1})
	roundTrip(t, number(-7))
	roundTrip(t, int64(math.MinInt64))
	roundTrip(t, uint64(math.MaxUint64))
	roundTrip(t, uint8(200))
	roundTrip(t, 1.5)
	roundTrip(t, float32(0.1))
	roundTrip(t, math.Inf(-1))
	roundTrip(t, true)
	roundTrip(t, false)
	roundTrip(t, time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC))
	roundTrip(t, time.Date(1900, 2, 3, 4, 5, 6, 999_999_999, zone))
	roundTrip(t, address{City: "Berlin", Tags: map[string]any{"a": 1.0}})
	roundTrip(t, map[string]string{"a": "b"})
	roundTrip(t, []string{"a"})
	roundTrip(t, [2]int{1, 2})
	roundTrip(t, json.RawMessage(`{"a":12345678901234567890}`))
	roundTrip(t, uuid.New())
	roundTrip(t, sql.Null[string]{V: "x", Valid: true})
	roundTrip(t, sql.NullInt64{Int64: 5, Valid: true})
	roundTrip(t, sql.NullTime{Time: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC), Valid: true})
	roundTrip(t, url.URL{Scheme: "https", Host: "example.org"}) // a pointer marshals
}

func TestNull(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"nil": nil, "pointer": (*string)(nil), "bytes": []byte(nil), "map": map[string]int(nil), "slice": []int(nil),
		"valuer": sql.NullString{}, "raw": json.RawMessage(nil), "pointer to pointer": new(*string),
	} {
		encoded, null, err := fieldcrypt.Encode([]byte("x"), v)
		require.NoError(t, err, name)
		require.True(t, null, name)
		require.Equal(t, "x", string(encoded), name)
	}
}

func TestIntegersOfAllTypes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.Int64().Draw(r, "n")
		var got int64
		require.NoError(t, fieldcrypt.Decode(encode(t, n), &got))
		require.Equal(t, n, got)
		var small int8
		if err := fieldcrypt.Decode(encode(t, n), &small); err == nil {
			require.EqualValues(t, n, small)
		} else {
			require.ErrorIs(t, err, fieldcrypt.ErrType)
			require.NotEqual(t, n, int64(int8(n)))
		}
		var natural uint32
		if err := fieldcrypt.Decode(encode(t, n), &natural); err == nil {
			require.EqualValues(t, n, natural)
		} else {
			require.NotEqual(t, n, int64(uint32(n)))
		}
		var f float64
		if err := fieldcrypt.Decode(encode(t, n), &f); err == nil {
			require.Equal(t, n, int64(f))
		} else {
			require.GreaterOrEqual(t, math.Abs(float64(n)), float64(1<<53))
		}
		if n >= 0 {
			require.Equal(t, encode(t, n), encode(t, uint64(n)))
		}
	})
}

func TestDecodeIntoAny(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	for _, v := range []any{"a", []byte("b"), int64(-5), uint64(math.MaxUint64), 1.5, true, now} {
		var got any
		require.NoError(t, fieldcrypt.Decode(encode(t, v), &got))
		require.Equal(t, v, got)
	}
	var got any
	require.NoError(t, fieldcrypt.Decode(encode(t, address{City: "B"}), &got))
	require.Equal(t, map[string]any{"city": "B"}, got)
	u := url.URL{Host: "h"}
	require.NoError(t, fieldcrypt.Decode(encode(t, &u), &got))
	require.Equal(t, []byte("//h"), got)
}

// stubborn refuses all, and says the secret in its errors.
type stubborn struct{ err error }

func (s stubborn) Value() (driver.Value, error) { return nil, s.err }
func (s *stubborn) Scan(any) error              { return s.err }
func (s stubborn) String() string               { return "" }

// half gives a value and an error.
type half struct{}

func (half) Value() (driver.Value, error) { return "x", errors.New("y") }

type unmarshalled struct{ err error }

func (u unmarshalled) MarshalJSON() ([]byte, error) { return nil, u.err }

type blob struct{ err error }

func (b blob) MarshalBinary() ([]byte, error)     { return []byte("x"), b.err }
func (b *blob) UnmarshalBinary(data []byte) error { return errors.New("cannot read " + string(data)) }

func TestTypesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"channel": make(chan int), "function": func() {}, "complex": complex(1, 2),
		"raw": json.RawMessage("{"), "NaN in JSON": []float64{math.NaN()}, "valuer": stubborn{errors.New("secret")},
		"json": unmarshalled{errors.New("secret")}, "binary": blob{errors.New("secret")},
	} {
		_, _, err := fieldcrypt.Encode(nil, v)
		require.ErrorIs(t, err, fieldcrypt.ErrType, name)
		require.NotContains(t, err.Error(), "secret", name)
	}
	decode := func(v, into any) error { return fieldcrypt.Decode(encode(t, v), into) }
	for name, err := range map[string]error{
		"text into number":   decode("secret", new(int)),
		"number into text":   decode(4711, new(string)),
		"number into time":   decode(4711, new(time.Time)),
		"time into text":     decode(time.Now(), new(string)),
		"text into bool":     decode("secret", new(bool)),
		"bool into number":   decode(true, new(int)),
		"float into number":  decode(4711.5, new(int)),
		"float into float32": decode(0.1, new(float32)),
		"JSON into text":     decode(address{City: "secret"}, new(string)),
		"JSON into another":  decode(address{City: "secret"}, new([]int)),
		"text into struct":   decode("secret", new(address)),
		"text into raw":      decode("secret", new(json.RawMessage)),
		"text into error":    decode("secret", new(error)),
		"binary into text":   decode(blob{}, new(string)),
		"binary refuses":     decode(blob{}, new(blob)),
		"scanner refuses":    decode("secret", &stubborn{errors.New("secret")}),
		"no pointer":         decode("secret", 5),
		"nil":                decode("secret", nil),
		"nothing":            fieldcrypt.Decode(nil, new(string)),
		"newer":              fieldcrypt.Decode([]byte{99, 1}, new(string)),
		"cut number":         fieldcrypt.Decode([]byte{3, 1}, new(int)),
		"cut time":           fieldcrypt.Decode([]byte{7, 1}, new(time.Time)),
		"long bool":          fieldcrypt.Decode([]byte{6, 1, 1}, new(bool)),
	} {
		require.ErrorIs(t, err, fieldcrypt.ErrType, name)
		require.NotContains(t, err.Error(), "secret", name)
		require.NotContains(t, err.Error(), "4711", name)
		var typed *fieldcrypt.TypeError
		require.ErrorAs(t, err, &typed, name)
	}
}

func TestTextsAndBytes(t *testing.T) {
	t.Parallel()
	var s string
	require.NoError(t, fieldcrypt.Decode(encode(t, []byte("b")), &s))
	require.Equal(t, "b", s)
	var b []byte
	require.NoError(t, fieldcrypt.Decode(encode(t, "t"), &b))
	require.Equal(t, "t", string(b))
	var named text
	require.NoError(t, fieldcrypt.Decode(encode(t, []byte("b")), &named))
	require.EqualValues(t, "b", named)
}

func TestPrimaryKey(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	key := func(parts ...any) string {
		t.Helper()
		k, err := fieldcrypt.PrimaryKey(nil, parts...)
		require.NoError(t, err)
		return string(k)
	}
	type custom [16]byte
	for _, same := range [][]any{
		{int64(5), 5, uint8(5), "5", number(5), sql.NullInt64{Int64: 5, Valid: true}},
		{id, [16]byte(id), custom(id), id.String(), &id},
		{[]byte{0xAB, 1}, `\xab01`, json.RawMessage{0xAB, 1}},
	} {
		for _, v := range same {
			require.Equal(t, key(same[0]), key(v), "%T", v)
		}
	}
	require.NotEqual(t, key("a", "bc"), key("ab", "c"))
	for _, none := range []any{
		nil, uuid.Nil,
		[16]byte{},
		(*uuid.UUID)(nil), []byte(nil), 1.5, time.Now(),
		sql.NullInt64{},
		string(make([]byte, 1<<16)),
		stubborn{errors.New("x")}, half{},
	} {
		_, err := fieldcrypt.PrimaryKey(nil, none)
		require.ErrorIs(t, err, fieldcrypt.ErrType, "%T", none)
	}
}
