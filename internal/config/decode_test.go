package config_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/config"
)

type list struct {
	Next  *list         `json:"next"`
	Wait  time.Duration `json:"wait"`
	At    time.Time
	ID    uuid.UUID `json:"id"`
	Big   uint64    `json:"big,string"`
	Skip  string    `json:"-"`
	Any   any
	Raw   json.RawMessage
	Bytes []byte
	Pair  [2]bool
	Rates map[string]float64
	Small *int8
	inner string
}

func value(text string) *config.Value {
	s := config.New(make([]config.Tenant, 1), []config.Entry{{Key: "k", Value: json.RawMessage(text)}})
	return s.Lookup("k")
}

func TestAs(t *testing.T) {
	t.Parallel()
	v := value(`5`)
	for range 2 {
		n, err := config.As[int](v)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		f, err := config.As[float64](v)
		require.NoError(t, err)
		require.InDelta(t, 5, f, 0)
		_, err = config.As[string](v)
		require.EqualError(t, err, "must be string, and this number is not")
		p, err := config.As[*int](v)
		require.NoError(t, err)
		require.Equal(t, 5, *p)
		*p = 6
	}
	at := value(`"2026-01-02T03:04:05Z"`)
	for range 2 {
		got, err := config.As[struct{ time.Time }](at)
		require.NoError(t, err)
		require.Equal(t, 2026, got.Year())
	}
	_, err := config.As[[2]string](value(`["a", "b"]`))
	require.NoError(t, err)
}

// What is decoded is looked up without garbage.
func TestAsAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of all
	v := value(`5`)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = config.As[int](v) }))
}

func TestDecodeNull(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		into     any
		accepted bool
	}{
		"an int": {new(int), false}, "a string": {new(string), false}, "a struct": {new(list), false},
		"a time": {new(time.Time), false}, "an id": {new(uuid.UUID), false},
		"a pointer": {new(*int), true}, "a list": {new([]int), true}, "a map": {new(map[string]int), true},
		"anything": {new(any), true}, "JSON": {new(json.RawMessage), true},
	} {
		err := config.Decode(json.RawMessage("null"), test.into, true)
		require.Equal(t, test.accepted, err == nil, "%s: %v", name, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`null`, `5`, `"x"`, `{"next": {"next": null}}`, `{"Pair": [true]}`, `[`, `{"a": secret}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, into := range []any{new(int8), new(list), new([]string), new(time.Time)} {
			for _, strictly := range []bool{true, false} {
				err := config.Decode(json.RawMessage(text), into, strictly)
				if err == nil {
					continue
				}
				var mismatch *config.MismatchError
				require.ErrorAs(t, err, &mismatch)
			}
		}
	})
}

func TestSchemaOf(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(config.SchemaOf(reflect.TypeFor[list]()))
	require.NoError(t, err)
	require.JSONEq(t, `{"type": "object", "additionalProperties": false, "properties": {
		"next": {"type": ["object", "null"]},
		"wait": {"type": "integer"},
		"At": {"type": "string", "format": "date-time"},
		"id": {"type": "string"},
		"big": {"type": "string"},
		"Any": {},
		"Raw": {},
		"Bytes": {"type": ["string", "null"], "contentEncoding": "base64"},
		"Pair": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
		"Rates": {"type": ["object", "null"], "additionalProperties": {"type": "number"}},
		"Small": {"type": ["integer", "null"], "minimum": -128, "maximum": 127}
	}}`, string(text))
	require.Empty(t, list{}.inner)
	require.Equal(t, config.Schema{}, config.SchemaOf(reflect.TypeFor[chan int]()))
	require.Equal(t, config.Schema{"type": "integer", "minimum": int64(0)}, nonInt(config.SchemaOf(reflect.TypeFor[uint64]())))
}

// nonInt makes bounds of one type, as JSON has it.
func nonInt(s config.Schema) config.Schema {
	if n, ok := s["minimum"].(int); ok {
		s["minimum"] = int64(n)
	}
	return s
}

func TestValidKey(t *testing.T) {
	t.Parallel()
	for key, valid := range map[string]bool{"a": true, "a.b-c_9": true, "": false, "A": false, "9": false, "a\n": false, "ä": false} {
		require.Equal(t, valid, config.ValidKey(key), key)
	}
}
