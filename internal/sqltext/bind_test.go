package sqltext_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// numbered is a literal that says which it is.
func numbered(i int) (string, error) { return "'" + strconv.Itoa(i+1) + "'", nil }

func TestBind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sql  string
		args int
		want string
	}{
		{"", 0, ""},
		{"SELECT 1", 0, "SELECT 1"},
		{"SELECT 1 ; ; -- end", 0, "SELECT 1 "},
		{"SELECT $1", 1, "SELECT  ('1') "},
		{" ;; SELECT $1;", 1, " SELECT  ('1') "},
		{";", 0, ""},
		{"SELECT $2,$1,$2", 2, "SELECT  ('2') , ('1') , ('2') "},
		{"SELECT -$1::int", 1, "SELECT - ('1') ::int"},
		{"SELECT a$1, $1", 1, "SELECT a$1,  ('1') "},
		{
			"SELECT '$1', \"$1\", $$ $1 $$, $a$$1$a$, E'\\'$1', U&'$1', $1 /* $1 */ -- $1", 1,
			"SELECT '$1', \"$1\", $$ $1 $$, $a$$1$a$, E'\\'$1', U&'$1',  ('1')  /* $1 */ -- $1",
		},
		{"SELECT 1$1", 1, "SELECT 1 ('1') "},
		{"SELECT $1;", 1, "SELECT  ('1') "},
		{"SELECT $01", 1, "SELECT  ('1') "},
		{"INSERT INTO t VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)", 10, "INSERT INTO t VALUES ( ('1') , ('2') , ('3') ," +
			" ('4') , ('5') , ('6') , ('7') , ('8') , ('9') , ('10') )"},
	} {
		got, err := sqltext.Bind(test.sql, test.args, numbered)
		require.NoError(t, err, test.sql)
		require.Equal(t, test.want, got)
	}
}

func TestBindRefuses(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT $0, $1": "$0 has no argument", "SELECT $1, $2": "$2 has no argument",
		"SELECT $99999999999999999999, $1": "has no argument", "SELECT 1": "argument 1 has no placeholder $1",
	} {
		_, err := sqltext.Bind(sql, 1, numbered)
		require.ErrorContains(t, err, want, sql)
	}
	for _, sql := range []string{"SELECT 1; SELECT $1", "SELECT $1; 'open", "SELECT $1 'open", "SELECT $1\x00", "$$", "/*"} {
		_, err := sqltext.Bind(sql, 1, numbered)
		require.ErrorIs(t, err, sqltext.ErrMultiple, sql)
	}
	failure := errors.New("no literal")
	_, err := sqltext.Bind("SELECT $1", 1, func(int) (string, error) { return "", failure })
	require.ErrorIs(t, err, failure)
}
