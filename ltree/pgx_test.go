package ltree_test

import (
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// execModes are all the ways pgx can send a statement.
func execModes() []pgx.QueryExecMode {
	return []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
}

func TestPgxRoundTripInEveryExecMode(t *testing.T) {
	t.Parallel()
	dsn := newDatabase(t)
	known, unknown := connect(t, dsn), connect(t, dsn)
	require.NoError(t, ltree.Register(t.Context(), known))
	for name, conn := range map[string]*pgx.Conn{"registered": known, "not registered": unknown} {
		for _, mode := range execModes() {
			requirePgxRoundTrip(t, conn, mode, name+", "+mode.String())
		}
	}
}

// requirePgxRoundTrip sends and reads a path, the empty path and NULL in each Go type that can hold them.
func requirePgxRoundTrip(t *testing.T, conn *pgx.Conn, mode pgx.QueryExecMode, message string) {
	t.Helper()
	const query = `SELECT $1::ltree`
	for _, path := range paths("", "a", "a.b.c") {
		var got ltree.Path
		require.NoError(t, conn.QueryRow(t.Context(), query, mode, path).Scan(&got), message)
		require.Equal(t, path, got, message)

		var pointer *ltree.Path
		require.NoError(t, conn.QueryRow(t.Context(), query, mode, &path).Scan(&pointer), message)
		require.Equal(t, &path, pointer, message)

		want, null := sql.Null[ltree.Path]{V: path, Valid: true}, sql.Null[ltree.Path]{}
		require.NoError(t, conn.QueryRow(t.Context(), query, mode, want).Scan(&null), message)
		require.Equal(t, want, null, message)
	}
	got, pointer, null := ltree.MustParse("x"), optional("x"), sql.Null[ltree.Path]{Valid: true}
	require.ErrorIs(t, conn.QueryRow(t.Context(), query, mode, nil).Scan(&got), ltree.ErrNull, message)
	require.NoError(t, conn.QueryRow(t.Context(), query, mode, (*ltree.Path)(nil)).Scan(&pointer), message)
	require.Nil(t, pointer, message)
	require.NoError(t, conn.QueryRow(t.Context(), query, mode, sql.Null[ltree.Path]{}).Scan(&null), message)
	require.False(t, null.Valid, message)
}

func TestPgxBinaryFormat(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	for _, path := range paths("", "a", "a.b.c") {
		require.Equal(t, path, binaryRoundTrip(t, conn, path))
	}
	var got ltree.Path
	formats := pgx.QueryResultFormats{pgx.BinaryFormatCode}
	require.ErrorIs(t, conn.QueryRow(t.Context(), `SELECT NULL::ltree`, formats).Scan(&got), ltree.ErrNull)
}

// binaryRoundTrip goes below pgx.Conn, which prefers text for parameters of this type.
func binaryRoundTrip(t require.TestingT, conn *pgx.Conn, path ltree.Path) ltree.Path {
	ltreeType, ok := conn.TypeMap().TypeForName("ltree")
	require.True(t, ok)
	sent, err := conn.TypeMap().Encode(ltreeType.OID, pgx.BinaryFormatCode, path, nil)
	require.NoError(t, err)
	result := conn.PgConn().ExecParams(testContext(), `SELECT $1`, [][]byte{sent}, []uint32{ltreeType.OID},
		[]int16{pgx.BinaryFormatCode}, []int16{pgx.BinaryFormatCode}).Read()
	require.NoError(t, result.Err)
	require.Equal(t, sent, result.Rows[0][0])

	var got ltree.Path
	require.NoError(t, conn.TypeMap().Scan(ltreeType.OID, pgx.BinaryFormatCode, result.Rows[0][0], &got))
	return got
}

func TestPgxArrayInBothFormats(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	for _, list := range [][]ltree.Path{{}, paths("a"), paths("", "a.b", "c")} {
		for _, format := range []int16{pgx.TextFormatCode, pgx.BinaryFormatCode} {
			var got []ltree.Path
			row := conn.QueryRow(t.Context(), `SELECT $1::ltree[]`, pgx.QueryResultFormats{format}, list)
			require.NoError(t, row.Scan(&got))
			require.Equal(t, list, got)
		}
	}
	for _, mode := range execModes() {
		var found bool
		row := conn.QueryRow(t.Context(), `SELECT 'a.b.c'::ltree <@ ANY($1::ltree[])`, mode, paths("x", "a.b"))
		require.NoError(t, row.Scan(&found), "%v", mode)
		require.True(t, found)
	}
}

func TestPgxArrayWithNull(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	want := []*ltree.Path{optional("a"), nil, optional("")}
	for _, mode := range execModes() {
		var pointers []*ltree.Path
		row := conn.QueryRow(t.Context(), `SELECT $1::ltree[]`, mode, want)
		require.NoError(t, row.Scan(&pointers), "%v", mode)
		require.Equal(t, want, pointers)
	}

	var list []ltree.Path
	require.ErrorIs(t, conn.QueryRow(t.Context(), `SELECT ARRAY['a', NULL]::ltree[]`).Scan(&list), ltree.ErrNull)
}

func TestPgxCopyAndCollect(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	_, err := conn.Exec(t.Context(), `CREATE TABLE node (path ltree, label text)`)
	require.NoError(t, err)
	rows := [][]any{{ltree.MustParse("a"), ltree.MustParseLabel("a")}, {ltree.MustParse("a.b"), ltree.MustParseLabel("b")}}
	_, err = conn.CopyFrom(t.Context(), pgx.Identifier{"node"}, []string{"path", "label"}, pgx.CopyFromRows(rows))
	require.NoError(t, err)

	type node struct {
		Path  ltree.Path
		Label ltree.Label
	}
	result, err := conn.Query(t.Context(), `SELECT path, label FROM node ORDER BY path`)
	require.NoError(t, err)
	nodes, err := pgx.CollectRows(result, pgx.RowToStructByName[node])
	require.NoError(t, err)
	require.Equal(t, []node{
		{ltree.MustParse("a"), ltree.MustParseLabel("a")},
		{ltree.MustParse("a.b"), ltree.MustParseLabel("b")},
	}, nodes)
}

func TestRegisterWithoutExtension(t *testing.T) {
	t.Parallel()
	conn := connect(t, stratumtest.EmptyDatabase(t).AdminDSN)
	err := ltree.Register(t.Context(), conn)
	require.ErrorIs(t, err, ltree.ErrNotInstalled)
	require.ErrorContains(t, err, "CREATE EXTENSION ltree")

	// A type that happens to have the name is not the extension's.
	_, err = conn.Exec(t.Context(), `CREATE DOMAIN ltree AS text`)
	require.NoError(t, err)
	require.ErrorIs(t, ltree.Register(t.Context(), conn), ltree.ErrNotInstalled)
}

func TestRegisterFindsTheExtensionInAnySchema(t *testing.T) {
	t.Parallel()
	conn := connect(t, stratumtest.EmptyDatabase(t).AdminDSN)
	_, err := conn.Exec(t.Context(), `
		CREATE SCHEMA "Ext ensions"; CREATE EXTENSION ltree SCHEMA "Ext ensions"; CREATE DOMAIN public.ltree AS text;
		SET search_path = public`)
	require.NoError(t, err)
	require.NoError(t, ltree.Register(t.Context(), conn))

	var got ltree.Path
	formats := pgx.QueryResultFormats{pgx.BinaryFormatCode}
	row := conn.QueryRow(t.Context(), `SELECT $1::"Ext ensions".ltree`, formats, ltree.MustParse("a.b"))
	require.NoError(t, row.Scan(&got))
	require.Equal(t, ltree.MustParse("a.b"), got)
}

func TestRegisterIsNotMisledByAnotherExtensionsType(t *testing.T) {
	t.Parallel()
	conn := connect(t, stratumtest.EmptyDatabase(t).AdminDSN)
	_, err := conn.Exec(t.Context(), `
		CREATE EXTENSION hstore; CREATE DOMAIN ltree AS text; ALTER EXTENSION hstore ADD DOMAIN ltree`)
	require.NoError(t, err)
	require.ErrorIs(t, ltree.Register(t.Context(), conn), ltree.ErrNotInstalled)

	_, err = conn.Exec(t.Context(), `CREATE SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext`)
	require.NoError(t, err)
	require.NoError(t, ltree.Register(t.Context(), conn))
	registered, ok := conn.TypeMap().TypeForName("ltree")
	require.True(t, ok)
	var want uint32
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT 'ext.ltree'::regtype::oid`).Scan(&want))
	require.Equal(t, want, registered.OID)
}

func TestRegisterReportsTheServersError(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDatabase(t))
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `SELECT 1/0`)
	require.Error(t, err)
	err = ltree.Register(t.Context(), conn)
	require.ErrorContains(t, err, "register ltree")
	require.NotErrorIs(t, err, ltree.ErrNotInstalled)
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestRegisterTwice(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	require.NoError(t, ltree.Register(t.Context(), conn))
	requirePgxRoundTrip(t, conn, pgx.QueryExecModeCacheStatement, "registered twice")
}

func TestTextValuerAndScanner(t *testing.T) {
	t.Parallel()
	text, err := ltree.MustParse("a.b").TextValue()
	require.NoError(t, err)
	require.Equal(t, pgtype.Text{String: "a.b", Valid: true}, text)

	var path ltree.Path
	require.NoError(t, path.ScanText(text))
	require.Equal(t, ltree.MustParse("a.b"), path)
	require.ErrorIs(t, path.ScanText(pgtype.Text{}), ltree.ErrNull)
	require.ErrorIs(t, path.ScanText(pgtype.Text{String: ".", Valid: true}), ltree.ErrEmptyLabel)
	require.Equal(t, ltree.MustParse("a.b"), path)
}
