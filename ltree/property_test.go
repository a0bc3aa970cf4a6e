package ltree_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/ltree"
)

// testContext is for rapid's T, whose own context ends with each of its tries while the connection lives on.
func testContext() context.Context { return context.Background() }

// genPath draws from few labels, so that paths often have some in common, and from names that sort in different
// orders bytewise and by a dictionary.
func genPath() *rapid.Generator[ltree.Path] {
	name := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "ab", "a1", "A", "_", "0", "b"}),
		rapid.StringMatching(`[A-Za-z0-9_]{1,4}`),
		rapid.Just(strings.Repeat("x", ltree.MaxLabelLength)),
	)
	return rapid.Custom(func(t *rapid.T) ltree.Path {
		return ltree.MustParse(strings.Join(rapid.SliceOfN(name, 0, 6).Draw(t, "names"), "."))
	})
}

// drawRelative draws a path that in most cases shares its beginning with the given one.
func drawRelative(t *rapid.T, path ltree.Path) ltree.Path {
	tail := genPath().Draw(t, "tail")
	keep := rapid.IntRange(0, path.Depth()).Draw(t, "keep")
	head, err := ltree.New(path.Labels()[:keep]...)
	require.NoError(t, err)
	relative, err := head.Concat(tail)
	require.NoError(t, err)
	return relative
}

// ask runs a query whose answers PostgreSQL computes from texts, so that no codec of this package is involved.
func ask(t *rapid.T, conn *pgx.Conn, query string, args []any, answers ...any) {
	require.NoError(t, conn.QueryRow(testContext(), query, args...).Scan(answers...))
}

func TestPropertyOperatorsAgreeWithPostgreSQL(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDatabase(t))
	rapid.Check(t, func(t *rapid.T) {
		a := genPath().Draw(t, "a")
		b := drawRelative(t, a)
		var ancestor, descendant, equal, less, greater bool
		var depth int
		var concat string
		ask(t, conn, `
			SELECT a @> b, a <@ b, a = b, a < b, a > b, nlevel(a), (a || b)::text
			FROM (SELECT $1::text::ltree AS a, $2::text::ltree AS b) AS pair`,
			[]any{a.String(), b.String()}, &ancestor, &descendant, &equal, &less, &greater, &depth, &concat)

		require.Equal(t, ancestor, a.IsAncestorOf(b))
		require.Equal(t, descendant, a.IsDescendantOf(b))
		require.Equal(t, equal, a == b)
		require.Equal(t, less, a.Compare(b) < 0)
		require.Equal(t, greater, a.Compare(b) > 0)
		require.Equal(t, depth, a.Depth())
		got, err := a.Concat(b)
		require.NoError(t, err)
		require.Equal(t, concat, got.String())
	})
}

func TestPropertyLCAAgreesWithPostgreSQL(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDatabase(t))
	rapid.Check(t, func(t *rapid.T) {
		first := genPath().Draw(t, "first")
		list := make([]ltree.Path, rapid.IntRange(1, 4).Draw(t, "count"))
		texts := make([]string, len(list))
		for i := range list {
			if list[i] = first; i > 0 {
				list[i] = drawRelative(t, first)
			}
			texts[i] = list[i].String()
		}
		var want *string
		ask(t, conn, `SELECT lca($1::text[]::ltree[])::text`, []any{texts}, &want)

		got, ok := ltree.LCA(list...)
		require.Equal(t, want != nil, ok)
		if want != nil {
			require.Equal(t, *want, got.String())
		}
	})
}

func TestPropertySubpathAgreesWithPostgreSQL(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDatabase(t))
	rapid.Check(t, func(t *rapid.T) {
		path := genPath().Draw(t, "path")
		offset := rapid.IntRange(-15, 8).Draw(t, "offset")
		length := rapid.IntRange(-8, 8).Draw(t, "length")

		want, valid := askSubpath(t, conn, `subpath($1::text::ltree, $2, $3)`, path.String(), offset, length)
		got, err := path.Subpath(offset, length)
		require.Equal(t, valid, err == nil)
		require.Equal(t, want, got.String())

		want, valid = askSubpath(t, conn, `subpath($1::text::ltree, $2)`, path.String(), offset)
		got, err = path.SubpathFrom(offset)
		require.Equal(t, valid, err == nil)
		require.Equal(t, want, got.String())
	})
}

// askSubpath returns the server's answer, and false where it refuses the positions.
func askSubpath(t *rapid.T, conn *pgx.Conn, call string, args ...any) (path string, valid bool) {
	err := conn.QueryRow(testContext(), `SELECT `+call+`::text`, args...).Scan(&path)
	var pgError *pgconn.PgError
	if errors.As(err, &pgError) {
		require.Equal(t, "invalid positions", pgError.Message)
		return "", false
	}
	require.NoError(t, err)
	return path, true
}

func TestPropertyWireFormatsRoundTrip(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	rapid.Check(t, func(t *rapid.T) {
		path := genPath().Draw(t, "path")
		require.Equal(t, path, binaryRoundTrip(t, conn, path))

		var got ltree.Path
		var text string
		ask(t, conn, `SELECT $1::ltree, $1::ltree::text`, []any{path}, &got, &text)
		require.Equal(t, path, got)
		require.Equal(t, path.String(), text)
	})
}

func TestPropertyParseAcceptsOnlyWhatPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDatabase(t))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab01_.\-äÄ ]{0,8}`).Draw(t, "text")
		path, err := ltree.Parse(text)
		var server string
		serverErr := conn.QueryRow(testContext(), `SELECT $1::text::ltree::text`, text).Scan(&server)
		if err == nil {
			require.NoError(t, serverErr, "%q", text)
			require.Equal(t, server, path.String())
		}
		// The reverse holds but for the characters that only some servers take.
		if serverErr == nil && !strings.ContainsAny(text, "-äÄ") {
			require.NoError(t, err)
		}
	})
}

func TestLimitsAgreeWithPostgreSQL(t *testing.T) {
	t.Parallel()
	conn := registered(t)
	var depth int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT nlevel($1::ltree)`, deepest()).Scan(&depth))
	require.Equal(t, ltree.MaxDepth, depth)
	_, err := conn.Exec(t.Context(), `SELECT ($1::text || '.a')::ltree`, deepest().String())
	require.ErrorContains(t, err, "65536")

	label := strings.Repeat("x", ltree.MaxLabelLength)
	var got ltree.Path
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT $1::ltree`, ltree.MustParse(label)).Scan(&got))
	require.Equal(t, label, got.String())
}

func TestPropertyAncestors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		path := genPath().Draw(t, "path")
		chain := path.Ancestors()
		require.Len(t, chain, max(0, path.Depth()-1))
		for i, ancestor := range chain {
			require.Equal(t, i+1, ancestor.Depth())
			require.True(t, ancestor.IsAncestorOf(path))
			require.False(t, path.IsAncestorOf(ancestor))
			require.Negative(t, ancestor.Compare(path))
		}
		parent, ok := path.Parent()
		require.Equal(t, len(chain) > 0, ok)
		if ok {
			require.Equal(t, chain[len(chain)-1], parent)
		}
	})
}

func TestPropertyLabelsRebuildThePath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		path := genPath().Draw(t, "path")
		for i, label := range path.Labels() {
			at, ok := path.Label(i)
			require.True(t, ok)
			require.Equal(t, label, at)
			single, err := path.Subpath(i, 1)
			require.NoError(t, err)
			require.Equal(t, label.String(), single.String())
		}
		rebuilt, err := ltree.New(path.Labels()...)
		require.NoError(t, err)
		require.Equal(t, path, rebuilt)
	})
}
