package ltree_test

import (
	"testing"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/schema/field"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/ltree"
)

// folderFields are what an ent schema's Fields method returns.
func folderFields() []ent.Field {
	column := map[string]string{dialect.Postgres: "ltree"}
	return []ent.Field{
		field.Other("path", ltree.Path{}).SchemaType(column).Unique().Default(ltree.MustParse("unfiled")),
		field.Other("former", ltree.Path{}).SchemaType(column).Optional().Nillable(),
	}
}

func TestEntFieldValidates(t *testing.T) {
	t.Parallel()
	for _, entField := range folderFields() {
		descriptor := entField.Descriptor()
		require.NoError(t, descriptor.Err)
		require.Equal(t, field.TypeOther, descriptor.Info.Type)
		require.Equal(t, "ltree.Path", descriptor.Info.Ident)
		require.Equal(t, "github.com/stratum-hq/stratum-go/ltree", descriptor.Info.PkgPath)
		require.Equal(t, "ltree", descriptor.SchemaType[dialect.Postgres])
		// Without this, generated code would not know how to read the column.
		require.True(t, descriptor.Info.ValueScanner())
		require.True(t, descriptor.Info.Comparable())
	}
}

func TestEntCreateAndRead(t *testing.T) {
	t.Parallel()
	driver := entsql.OpenDB(dialect.Postgres, openSQL(t))
	require.NoError(t, driver.Exec(t.Context(), `CREATE TABLE folder (path ltree UNIQUE, former ltree)`, []any{}, nil))

	insert, args := entsql.Dialect(dialect.Postgres).Insert("folder").Columns("path", "former").
		Values(ltree.MustParse("a"), optional("x")).
		Values(ltree.MustParse("a.b"), (*ltree.Path)(nil)).
		Values(ltree.MustParse("c"), nil).Query()
	require.NoError(t, driver.Exec(t.Context(), insert, args, nil))

	query, args := entsql.Dialect(dialect.Postgres).Select("path", "former").From(entsql.Table("folder")).
		Where(entsql.P(func(b *entsql.Builder) { b.Ident("path").WriteString(" <@ ").Arg(ltree.MustParse("a")) })).
		OrderBy("path").Query()
	var rows entsql.Rows
	require.NoError(t, driver.Query(t.Context(), query, args, &rows))
	require.Equal(t, []folder{
		{Path: ltree.MustParse("a"), Former: optional("x")},
		{Path: ltree.MustParse("a.b")},
	}, readFolders(t, &rows))
}

// readFolders scans as ent's generated code does: into a Path, and into a NullScanner around one for an optional field.
func readFolders(t *testing.T, rows *entsql.Rows) []folder {
	t.Helper()
	defer func() { require.NoError(t, rows.Close()) }()
	var folders []folder
	for rows.Next() {
		path, former := new(ltree.Path), &entsql.NullScanner{S: new(ltree.Path)}
		require.NoError(t, rows.Scan(path, former))
		row := folder{Path: *path}
		if former.Valid {
			scanned, ok := former.S.(*ltree.Path)
			require.True(t, ok)
			row.Former = scanned
		}
		folders = append(folders, row)
	}
	require.NoError(t, rows.Err())
	return folders
}
