package ltree_test

import (
	"database/sql"
	"database/sql/driver"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

// openSQL returns a database/sql handle to a database of the test's own, where nothing was registered.
func openSQL(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", newDatabase(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestScanPath(t *testing.T) {
	t.Parallel()
	for _, src := range []any{"a.b", []byte("a.b")} {
		var path ltree.Path
		require.NoError(t, path.Scan(src))
		require.Equal(t, ltree.MustParse("a.b"), path)
	}
	path := ltree.MustParse("a")
	require.NoError(t, path.Scan(""))
	require.Zero(t, path)
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		src  any
		want error
	}{
		"NULL":      {nil, ltree.ErrNull},
		"integer":   {int64(7), ltree.ErrSource},
		"time":      {time.Time{}, ltree.ErrSource},
		"invalid":   {"a.b-c", ltree.ErrLabelCharacter},
		"bad bytes": {[]byte(".a"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, label := ltree.MustParse("x.y"), ltree.MustParseLabel("z")
			pathErr, labelErr := path.Scan(test.src), label.Scan(test.src)
			require.Error(t, pathErr)
			require.Error(t, labelErr)
			if test.want != nil {
				require.ErrorIs(t, pathErr, test.want)
			}
			require.Equal(t, "x.y", path.String(), "a refused value must leave the old one")
			require.Equal(t, "z", label.String(), "a refused value must leave the old one")
		})
	}
}

func TestScanErrorsNameTypeAndCure(t *testing.T) {
	t.Parallel()
	require.EqualError(t, new(ltree.Path).Scan(nil), "scan ltree.Path: "+ltree.ErrNull.Error())
	require.EqualError(t, new(ltree.Label).Scan(1.5), "scan ltree.Label: "+ltree.ErrSource.Error()+", got float64")
	require.ErrorContains(t, new(ltree.Path).Scan(nil), "sql.Null[ltree.Path]")
}

func TestScanCopiesBytes(t *testing.T) {
	t.Parallel()
	buffer := []byte("abc")
	var path ltree.Path
	require.NoError(t, path.Scan(buffer))
	buffer[1] = '.'
	require.Equal(t, "abc", path.String())
}

func TestScanLabel(t *testing.T) {
	t.Parallel()
	for _, src := range []any{"a", []byte("a")} {
		var label ltree.Label
		require.NoError(t, label.Scan(src))
		require.Equal(t, ltree.MustParseLabel("a"), label)
	}
	require.ErrorIs(t, new(ltree.Label).Scan(nil), ltree.ErrNull)
	require.ErrorIs(t, new(ltree.Label).Scan(""), ltree.ErrEmptyLabel)
	require.ErrorIs(t, new(ltree.Label).Scan("a.b"), ltree.ErrLabelCharacter)
}

func TestValue(t *testing.T) {
	t.Parallel()
	value, err := ltree.MustParse("a.b").Value()
	require.NoError(t, err)
	require.Equal(t, "a.b", value)

	value, err = ltree.Path{}.Value()
	require.NoError(t, err)
	require.Equal(t, driver.Value(""), value, "the empty path is not NULL")

	value, err = ltree.MustParseLabel("a").Value()
	require.NoError(t, err)
	require.Equal(t, "a", value)

	_, err = ltree.Label{}.Value()
	require.ErrorIs(t, err, ltree.ErrEmptyLabel)
}

func TestDatabaseSQLRoundTrip(t *testing.T) {
	t.Parallel()
	db := openSQL(t)
	for _, path := range paths("", "a", "a.b.c") {
		var got ltree.Path
		row := db.QueryRowContext(t.Context(), `SELECT $1::ltree`, path)
		require.NoError(t, row.Scan(&got))
		require.Equal(t, path, got)
	}
	var label ltree.Label
	row := db.QueryRowContext(t.Context(), `SELECT $1::text WHERE $1 = 'a'`, ltree.MustParseLabel("a"))
	require.NoError(t, row.Scan(&label))
	require.Equal(t, ltree.MustParseLabel("a"), label)
}

func TestDatabaseSQLNull(t *testing.T) {
	t.Parallel()
	db := openSQL(t)
	const query = `SELECT $1::ltree`
	var path ltree.Path
	require.ErrorIs(t, db.QueryRowContext(t.Context(), query, nil).Scan(&path), ltree.ErrNull)

	pointer := optional("x")
	require.NoError(t, db.QueryRowContext(t.Context(), query, (*ltree.Path)(nil)).Scan(&pointer))
	require.Nil(t, pointer)
	require.NoError(t, db.QueryRowContext(t.Context(), query, optional("a.b")).Scan(&pointer))
	require.Equal(t, optional("a.b"), pointer)

	var null sql.Null[ltree.Path]
	require.NoError(t, db.QueryRowContext(t.Context(), query, null).Scan(&null))
	require.False(t, null.Valid)
	want := sql.Null[ltree.Path]{V: ltree.MustParse("a.b"), Valid: true}
	require.NoError(t, db.QueryRowContext(t.Context(), query, want).Scan(&null))
	require.Equal(t, want, null)
}

func TestStoredValueOutsideTheRulesIsAnError(t *testing.T) {
	t.Parallel()
	db := openSQL(t)
	// A server may hold what this package does not accept, here by way of a text column.
	var path ltree.Path
	err := db.QueryRowContext(t.Context(), `SELECT 'a.b-c'::text`).Scan(&path)
	require.ErrorIs(t, err, ltree.ErrLabelCharacter)
	require.ErrorContains(t, err, `"a.b-c", byte 3`)
}
