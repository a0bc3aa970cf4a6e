package isolation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// Whatever the type, the server takes the text for a value of it.
func TestTextIsAccepted(t *testing.T) {
	t.Parallel()
	db := openShop(t)
	for _, name := range []string{
		"uuid", "json", "jsonb", "smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "boolean",
		"date", "timestamp with time zone", "timestamp without time zone", "inet", "cidr", "interval", "text[]", "integer[]",
		"text", "character varying", "bytea",
	} {
		column := &isolation.Column{Type: name}
		_, err := db.ExecContext(t.Context(), "SELECT CAST('"+column.Text()+"' AS "+name+")")
		require.NoError(t, err, name)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	var unknown *isolation.Column
	require.Len(t, unknown.Text(), 16)
	once := unknown.Text()
	require.NotEqual(t, once, unknown.Text(), "unique columns need another value each time")
	require.Len(t, (&isolation.Column{Type: "text"}).Text(), 16)
	require.Len(t, (&isolation.Column{Type: "character", Length: 3}).Text(), 3)
	require.Len(t, (&isolation.Column{Type: "character varying", Length: 300}).Text(), 16)
	require.Equal(t, "small", (&isolation.Column{Type: "size", Labels: []string{"small", "large"}}).Text())
}

func TestOther(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		column *isolation.Column
		old    string
		want   bool
	}{
		"unknown column": {nil, "a", true},
		"text":           {&isolation.Column{Type: "text"}, "a", true},
		"one letter":     {&isolation.Column{Type: "character", Length: 1}, "a", true},
		"labels":         {&isolation.Column{Labels: []string{"small", "large"}}, "small", true},
		"one label":      {&isolation.Column{Labels: []string{"small"}}, "small", false},
		"checked":        {&isolation.Column{Type: "text", Checked: true}, "a", false},
		"checked labels": {&isolation.Column{Type: "text", Checked: true, Labels: []string{"a", "b"}}, "b", true},
		"not a text":     {&isolation.Column{Type: "jsonb"}, "{}", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, ok := test.column.Other(test.old)
			require.Equal(t, test.want, ok)
			require.NotEqual(t, test.old, text)
		})
	}
}
