package script_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/script"
)

// Atlas checks its directory by atlas.sum. The hashes here are those of ariga.io/atlas itself.
func TestAtlasSum(t *testing.T) {
	t.Parallel()
	added := script.File{Name: "3_stratum.sql", Content: []byte("SELECT 1;\n")}
	dir := fstest.MapFS{
		"1_first.sql":   {Data: []byte("CREATE TABLE a (id int);\n")},
		"2_ignored.sql": {Data: []byte("-- atlas:sum ignore\n\nCREATE TABLE b (id int);\n")},
		"atlas.sum":     {Data: []byte("h1:old\n")},
	}
	sum, err := script.AtlasSum(dir, added)
	require.NoError(t, err)
	require.Equal(t, script.File{Name: "atlas.sum", Content: []byte(
		"h1:6ZWyCx/l5NQyqYPqWNEdSru6Yz/YKW6HLIZ8NueF4DQ=\n" +
			"1_first.sql h1:4wxxjyuM4jv9KHr0cD8rD9W2N32ibYBeLWV2+cb6SOg=\n" +
			"3_stratum.sql h1:qUeHJmESRD1WLWlPqvpn2UBVK70wpOadaDPSjgq8rSg=\n")}, sum)
	sum, err = script.AtlasSum(nil, added)
	require.NoError(t, err)
	require.Equal(t, "h1:1xVzTKZKx5zCjrrsrb1/fjkHLqea19fgMO4raYb4hXQ=\n"+
		"3_stratum.sql h1:IIwU8kI52Iz5isJF/d5umtJQ21T0mDb+OwVdsMwxcd0=\n", string(sum.Content))
}

// goose ends a statement at a semicolon that ends a line, and takes a line of two dashes for a comment.
func TestGooseStatements(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{"SELECT 'a;'", "SELECT 'a;\nb'", "SELECT ' -- x'", "DO $$ BEGIN NULL; END $$"} {
		require.Equal(t, "-- +goose StatementBegin\n"+statement+";\n-- +goose StatementEnd\n",
			script.GooseStatement(statement))
	}
	require.Equal(t, "SELECT 1;\n", script.GooseStatement("SELECT 1"))
}
